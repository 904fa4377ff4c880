//! The fuzz targets over their checked-in corpus: what was found once stays found, without a fuzzer.

#[allow(dead_code, reason = "the fuzzer uses the rest")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

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
            // And all that is left of it where it is cut.
            (0..input.len().min(500)).for_each(|cut| target(&input[..cut]));
            count += 1;
        }
        assert!(count >= 3, "{name} has a corpus");
        println!("{name}: {count} inputs");
    }
}
