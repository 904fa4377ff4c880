//! The `META` of every connector is complete and consistent. Listings, documentation and checks are
//! made from it.

use std::{collections::BTreeSet, path::Path};

use connectors::{Audience, CONNECTORS, DefaultWhen, Input, InputKind, Kind, Lifetime, Mode, ModeShown, find};
use serde_json::{Value, json};

use crate::support::{Modes, bytes, credentials, files, modes, scenes};

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn connectors_are_in_order_and_found() {
    let ids: Vec<&str> = CONNECTORS.iter().map(|entry| entry.meta.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "not in alphabetical order, or twice: {ids:?}");
    for entry in CONNECTORS {
        let meta = entry.meta;
        assert!(is_snake_case(meta.id), "{}", meta.id);
        assert!(find(meta.id).is_some_and(|found| std::ptr::eq(found, entry)), "{}", meta.id);
        assert!(meta.docs.starts_with("https://") && !meta.name.is_empty(), "{}", meta.id);
        assert!(meta.unconfirmed.iter().all(|fact| fact.ends_with('.')), "{}: sentences end with a full stop", meta.id);
    }
}

#[test]
fn hosts_are_origins_and_test_is_not_live() {
    let of =
        |mode: Mode| CONNECTORS.iter().flat_map(move |entry| entry.meta.hosts.iter().map(move |host| host.of(mode)));
    let [both, live, test] = {
        let (live, test): (BTreeSet<&str>, BTreeSet<&str>) = (of(Mode::Live).collect(), of(Mode::Test).collect());
        let hosts = CONNECTORS.iter().flat_map(|entry| entry.meta.hosts);
        [hosts.filter(|host| host.live == host.test).map(|host| host.live).collect(), live, test]
    };
    for shared in live.intersection(&test) {
        assert!(both.contains(shared), "{shared} is live for one and test for another");
    }
    for host in live.difference(&both) {
        let mut words = host.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(
            !words.any(|word| ["test", "sandbox", "staging", "uat", "demo"].contains(&word)),
            "{host} is no live host"
        );
    }
    for host in live.union(&test) {
        let uri: http::Uri = host.replace(['{', '}'], "").replace('_', "-").parse().unwrap();
        assert_eq!((uri.scheme_str(), uri.path()), (Some("https"), "/"), "{host}: scheme and host only");
        assert!(!host.ends_with('/') && !host.contains(['@', '?', '#']), "{host}: scheme and host only");
    }
    for entry in CONNECTORS {
        let names: BTreeSet<&str> = entry.meta.hosts.iter().map(|host| host.name).collect();
        assert_eq!(names.len(), entry.meta.hosts.len(), "{}: hosts have names of their own", entry.meta.id);
        assert_eq!(
            entry.meta.hosts.first().map(|host| host.name),
            Some(""),
            "{}: the first is the main one",
            entry.meta.id
        );
        for host in entry.meta.hosts.iter().flat_map(|host| [host.live, host.test]) {
            let Some(label) = host.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(label, _)| label)
            else {
                continue;
            };
            let takes = |inputs: &[Input]| inputs.iter().any(|i| i.name == label && i.kind == InputKind::Label);
            let all = entry.meta.grants.iter().all(|grant| takes(grant.inputs));
            let credential = entry.meta.credentials.iter().any(|field| field.name == label && field.public);
            assert!(all || credential, "{}: every grant takes the label {label} of its host", entry.meta.id);
        }
    }
}

#[test]
fn grants_are_well_described() {
    for entry in CONNECTORS {
        let (id, grants) = (entry.meta.id, entry.meta.grants);
        assert!(!grants.is_empty(), "{id}");
        let names: BTreeSet<&str> = grants.iter().map(|grant| grant.name).collect();
        assert_eq!(names.len(), grants.len(), "{id}: a grant twice");
        assert!(grants.iter().filter(|grant| grant.default == DefaultWhen::Always).count() <= 1, "{id}: two defaults");
        for grant in grants {
            let context = format!("{id} {}", grant.name);
            assert!(is_snake_case(grant.name), "{context}");
            assert!(!grant.allows.is_empty() && !grant.allows.ends_with('.'), "{context}: what does it allow?");
            if grant.default != DefaultWhen::Never {
                assert_ne!(grant.lifetime, Lifetime::UntilUsed, "{context}: a default token expires");
                assert_eq!(grant.audience, Audience::Client, "{context}: a default token is safe in a client");
            }
            if let DefaultWhen::Given(input) = grant.default {
                assert!(grant.inputs.iter().any(|known| known.name == input), "{context}: takes no {input}");
            }
            if let Lifetime::Settable { min, default, max } = grant.lifetime {
                assert!(0 < min && min <= default && default <= max, "{context}: {min} {default} {max}");
            }
            let inputs: BTreeSet<&str> = grant.inputs.iter().map(|input| input.name).collect();
            assert_eq!(inputs.len(), grant.inputs.len(), "{context}: an input twice");
            for name in &inputs {
                assert!(
                    !["grant", "audience", "ttl_seconds", "scopes"].contains(name),
                    "{context}: {name} is everybody's"
                );
                // The vendor's name for an input may have capitals.
                let wellformed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                assert!(wellformed && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{context}: {name}");
            }
            for name in grant.one_of.iter().copied().flatten() {
                assert!(inputs.contains(name), "{context}: takes no {name}");
            }
        }
    }
}

#[test]
fn credentials_are_as_described() {
    for entry in CONNECTORS {
        let (id, fields) = (entry.meta.id, entry.meta.credentials);
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len(), "{id}: a field twice");
        let mut complete = credentials(entry);
        let given: BTreeSet<&str> = complete.keys().map(String::as_str).collect();
        assert_eq!(given, names, "{id}: credentials.json has every field, null where it is better left out");
        for field in fields {
            if complete[field.name].is_null() {
                complete[field.name] = "made up for the law".into();
            }
        }
        assert!(entry.bind(&complete).is_ok(), "{id}: complete credentials");
        for field in fields {
            let mut without = complete.clone();
            without.remove(field.name);
            assert_eq!(entry.bind(&without).is_ok(), !field.required, "{id}: without {}", field.name);
            without.insert(field.name.into(), Value::Null);
            assert_eq!(entry.bind(&without).is_ok(), !field.required, "{id}: {} is null", field.name);
            for wrong in [json!(""), json!(1), json!(["x"]), json!({})] {
                let mut with = complete.clone();
                with.insert(field.name.into(), wrong.clone());
                let error = entry.bind(&with).err().unwrap_or_else(|| panic!("{id}: {} is {wrong}", field.name));
                assert_eq!(error.fields.len(), 1, "{id}: {} is named", field.name);
            }
        }
        complete.insert("no_such_field".into(), "x".into());
        assert!(entry.bind(&complete).is_err(), "{id}: an unknown field");
    }
}

/// Fields of which no document that was found says where the merchant finds them. Shorten it; a new
/// connector does not get longer.
const WITHOUT_PLACE: &[(&str, &[&str])] = &[
    ("adyen", &["review_key"]),
    ("bankofamerica", &["api_key", "merchant_account", "api_secret"]),
    ("barclaycard", &["merchant_account"]),
    ("braintree", &["access_token"]),
    ("coinbase", &["api_key"]),
    ("deutschebank", &["client_id", "client_key", "merchant_id"]),
    ("fiservcommercehub", &["terminal_id"]),
    ("hyperpg", &["username", "password", "merchant_id"]),
    ("iatapay", &["client_id", "client_secret", "merchant_id"]),
    ("itaubank", &["client_id", "client_secret"]),
    ("jpmorgan", &["company_name", "product_name", "merchant_purchase_description", "statement_descriptor"]),
    ("mollie", &["profile_token"]),
    ("moneris", &["merchant_id"]),
    ("payone", &["api_key", "api_secret", "merchant_id"]),
    ("payhere", &["merchant_id", "merchant_secret"]),
    ("paytm", &["client_id"]),
    ("phonepe", &["merchant_id", "salt_key", "salt_index"]),
    ("qwikcilver", &["bootstrap_bearer_token"]),
    ("revolut", &["signing_secret"]),
    ("tesouro", &["key1"]),
    ("truelayer", &["kid", "merchant_account_id", "account_holder_name"]),
    ("trustpay", &["api_key", "project_id", "secret_key"]),
    ("tsys", &["device_id", "transaction_key", "developer_id"]),
    ("wellsfargo", &["api_key", "merchant_account", "api_secret"]),
    ("wise", &["refresh_token"]),
    ("worldpay", &["entity_id"]),
];

#[test]
fn credentials_say_where_the_merchant_finds_them() {
    let listed: BTreeSet<(&str, &str)> =
        WITHOUT_PLACE.iter().flat_map(|(id, fields)| fields.iter().map(move |field| (*id, *field))).collect();
    let mut without = BTreeSet::new();
    for entry in CONNECTORS {
        for field in entry.meta.credentials {
            let context = format!("{}: {}", entry.meta.id, field.name);
            let Some(place) = field.found_in else {
                without.insert((entry.meta.id, field.name));
                continue;
            };
            let words = place.path;
            assert!(words.starts_with(char::is_uppercase) && !words.ends_with('.'), "{context}: {words}");
            assert!(!words.contains('|') && !place.source.name.is_empty(), "{context}: {words}");
        }
    }
    assert_eq!(without, listed, "the list is exact");
    assert!(listed.len() <= 51, "{} fields have no place", listed.len());
}

/// An amount in the wrong unit sells for a hundredth of the price.
#[test]
fn amounts_say_their_unit() {
    let named_so = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["amount", "price", "total", "charge"].iter().any(|word| name.contains(word)) && !name.ends_with("_id")
    };
    fn holds(value: &Value, named_so: &dyn Fn(&str) -> bool) -> bool {
        match value {
            Value::Object(members) => members.iter().any(|(name, value)| named_so(name) || holds(value, named_so)),
            Value::Array(items) => items.iter().any(|item| holds(item, named_so)),
            _ => false,
        }
    }
    let mut with_unit = 0;
    for entry in CONNECTORS {
        for grant in entry.meta.grants {
            for input in grant.inputs {
                let context = format!("{} {}: {}", entry.meta.id, grant.name, input.name);
                let amount = matches!(input.kind, InputKind::MinorUnits(..) | InputKind::Decimal);
                assert!(!named_so(input.name) || amount || input.amounts.is_some(), "{context}: no unit");
                assert!(input.amounts.is_none_or(|words| !words.ends_with('.')), "{context}");
                with_unit += usize::from(amount || input.amounts.is_some());
            }
        }
    }
    for scene in scenes() {
        for input in scene.grant().inputs {
            let given = scene.case.input.get(input.name).is_some_and(|value| holds(value, &named_so));
            assert!(!given || input.amounts.is_some(), "{}: the amounts in {} have no unit", scene.name, input.name);
        }
    }
    assert!(with_unit > 60, "{with_unit} inputs with a unit");
}

/// Some keys show the mode by their form. `fixtures/<connector>/modes.json` lists such keys with
/// their modes.
#[test]
fn keys_show_test_or_live() {
    let mut count = 0;
    for entry in CONNECTORS {
        for Modes { credentials, mode } in modes(entry) {
            let bound = entry.bind(&credentials);
            let shown = bound.unwrap_or_else(|error| panic!("{error}")).mode().map(Mode::label);
            assert_eq!(shown, mode.as_deref(), "{} {credentials:?}", entry.meta.id);
            count += 1;
        }
    }
    assert!(count > 0);
}

/// A caller may copy a blank together with a key. The blank would be sent as a part of the key, and
/// the check for a live key would not recognise the key.
#[test]
fn blanks_around_credentials_and_secret_inputs_are_refused_by_name() {
    let dirty =
        |text: &str| [format!(" {text}"), format!("{text}\n"), format!("\u{feff}{text}"), format!("{text}\u{0}")];
    for entry in CONNECTORS {
        let id = entry.meta.id;
        let given = credentials(entry);
        for field in entry.meta.credentials.iter().filter(|field| given[field.name].is_string()) {
            let text = given[field.name].as_str().unwrap();
            // PEM ends with a line break. It has no zero byte.
            for dirty in dirty(text).iter().filter(|dirty| !text.starts_with("-----BEGIN") || dirty.ends_with('\0')) {
                let mut given = given.clone();
                given.insert(field.name.into(), dirty.as_str().into());
                let Err(error) = entry.bind(&given) else { panic!("{id}: {} {dirty:?} is taken", field.name) };
                assert_eq!(error.kind, Kind::InvalidRequest, "{id}: {error:?}");
                assert_eq!(error.fields[0].field, format!("credentials.{}", field.name), "{id}");
                assert!(!format!("{error:?}").contains(text), "{id}: {error:?}");
            }
        }
        for grant in entry.meta.grants {
            for input in grant.inputs.iter().filter(|input| input.kind == InputKind::Secret) {
                assert!(dirty("madeUpSecretInput").iter().all(|text| !input.kind.accepts(&text.as_str().into())));
            }
        }
    }
}

/// `cargo run -p xtask -- new-connector` writes `MISSING: ` for each fact that its author must take
/// from the vendor's documents.
#[test]
fn no_fact_is_missing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src/connectors"), root.join("fixtures"), root.join("../sandbox/src/vendors")];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in files(&folder) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for (nth, line) in String::from_utf8_lossy(&bytes(&path)).lines().enumerate() {
                if let Some((_, fact)) = line.split_once("MISSING: ") {
                    missing.push(format!("{}:{}: {fact}", path.strip_prefix(root).unwrap().display(), nth + 1));
                }
            }
        }
    }
    assert!(missing.is_empty(), "facts that are missing:\n{}", missing.join("\n"));
}

/// Each grant says what a hostile holder can do, who hands the token to clients, and what the facts
/// rest on.
#[test]
fn every_grant_states_its_evidence() {
    let mut missing = Vec::new();
    for entry in CONNECTORS {
        let meta = entry.meta;
        let mut want = |there: bool, what: &str| {
            if !there {
                missing.push(format!("{}: {what}", meta.id));
            }
        };
        let sentence = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase()) && text.ends_with('.');
        want(!meta.evidence.is_empty(), "no evidence");
        want(meta.evidence.iter().all(|line| line.checked.len() == 7), "checked is a month: 2026-11");
        want(sentence(meta.mode_shown.text()), "mode_shown is a sentence with its source");
        want(
            matches!(meta.mode_shown, ModeShown::ByCredentials(_)) == !modes(entry).is_empty(),
            "modes.json is there where the credentials show the mode, and only there",
        );
        for grant in meta.grants {
            let mut want = |there: bool, what: &str| want(there, &format!("{}: {what}", grant.name));
            let client = grant.audience == Audience::Client;
            let phrase = |text: &str| !text.is_empty() && !text.ends_with('.');
            want(phrase(grant.worst_case) == client, "worst_case, for CLIENT grants and only there");
            let alone = grant.default == DefaultWhen::Always && grant.credentials_alone();
            want(!alone || grant.client_source.is_some(), "a default from credentials alone names its source");
            want(grant.lifetime_note.is_none_or(phrase), "lifetime_note");
            let secret = |name: &str| grant.inputs.iter().any(|i| i.name == name && i.kind == InputKind::Secret);
            want(grant.spends.is_none_or(secret), "spends is a secret input");
            for known in grant.client_parameters {
                want(phrase(known.meaning) && phrase(known.taken_by), "client_parameters have a meaning and a place");
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Each key of `client_parameters` and `server_parameters` in the fixtures is described.
#[test]
fn parameters_are_described() {
    for scene in scenes() {
        let (grant, Some(Ok(token))) = (scene.grant(), scene.play().end) else { continue };
        for (name, _) in &token.client_parameters {
            let known = grant.client_parameters.iter().any(|known| known.name == name);
            assert!(known, "{}: client_parameters.{name} of {} is not described", scene.name, grant.name);
        }
        for (name, _) in &token.server_parameters {
            assert!(grant.server_parameters.contains(&name.as_ref()), "{}: server_parameters.{name}", scene.name);
        }
    }
}
