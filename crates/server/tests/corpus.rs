//! Runs the fuzz targets over their checked-in corpus and over inputs made from the fixtures,
//! without a fuzzer.

#[allow(dead_code, unreachable_pub, reason = "the fuzzer uses the rest")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::{collections::BTreeSet, path::Path};

use connectors::CONNECTORS;

#[test]
fn every_input_of_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let folder = corpus.join(name);
        let mut count = 0;
        for entry in folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            let input = std::fs::read(path).unwrap();
            target(&input);
            // Every shorter beginning of the input is an input, too.
            (0..input.len().min(500)).for_each(|cut| target(&input[..cut]));
            count += 1;
        }
        assert!(count >= 3, "{name} has a corpus");
        println!("{name}: {count} inputs");
    }
}

/// An input of the corpus names a connector and a grant. An input without them tests nothing.
#[test]
fn every_input_of_the_corpus_reaches_a_connector() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/replies");
    for entry in corpus.read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert!(targets::replies::reach(&std::fs::read(&path).unwrap()).is_some(), "{}", path.display());
    }
}

#[test]
fn the_inputs_made_from_the_fixtures_reach_every_grant() {
    let (mut called, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for case in targets::seeds::cases() {
        targets::feature_data(&case.feature_data());
        if let Some(reached) = targets::replies::reach(&case.replies()) {
            assert_eq!((reached.connector, reached.grant), (case.connector.as_str(), case.grant()), "{}", case.name);
            called.insert((reached.connector, reached.grant));
            if reached.token {
                ended.insert((reached.connector, reached.grant));
            }
        }
    }
    let grants =
        |entry: &'static connectors::Registration| entry.meta.grants.iter().map(|grant| (entry.meta.id, grant.name));
    let all: BTreeSet<_> = CONNECTORS.iter().flat_map(grants).collect();
    let missing = |reached: &BTreeSet<_>| all.difference(reached).copied().collect::<Vec<_>>();
    assert!(missing(&called).is_empty(), "no input reaches these grants: {:?}", missing(&called));
    assert!(missing(&ended).is_empty(), "no input takes these grants to a token: {:?}", missing(&ended));
    println!("{} grants", all.len());
}
