//! Credentials in every shape of the messages of existing clients: optional fields absent, null and
//! set. `credential_fields.txt` has the fields.

use daypass::{IncomingRequest, RawCredentials, Settings, TokenRequest};
use serde_json::{Map, Value, json};

/// `(connector, fields)`.
fn messages() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("credential_fields.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (connector, fields) = line.split_once(": ").unwrap();
            (connector, fields.split(' ').collect())
        })
        .collect()
}

/// The check of a request with these credentials, as far as the credentials: inputs may be missing.
fn check(connector: &str, fields: &Map<String, Value>) -> Result<(), connectors::Error> {
    let entry = connectors::find(connector).unwrap();
    let credentials = json!({connector: fields}).to_string();
    let request = IncomingRequest {
        of_session: false,
        reference: "r",
        connector: Some(connector),
        header_connector: None,
        credentials: RawCredentials::parse_auth(credentials.as_bytes(), None).map(Some),
        profile: None,
        metadata: None,
        feature_data: None,
        test_mode: None,
        server_token: false,
        fresh: false,
        wanted_left: None,
        caller: None,
    };
    match TokenRequest::check(request, entry, &Settings::default()) {
        Err(error) if error.fields.iter().any(|fault| !fault.field.starts_with("connector_feature_data")) => Err(error),
        _ => Ok(()),
    }
}

/// The optional fields of a shape that are there.
#[derive(Clone, Copy, Debug)]
enum Optional<'a> {
    None,
    AllNull,
    AllSet,
    OneNull(&'a str),
    OneSet(&'a str),
}

/// The value of a field in a shape: that of the fixtures, or one of the message's type.
fn value(connector: &str, field: &str, own: &Map<String, Value>) -> Value {
    let name = field.trim_end_matches(['?', '*']);
    own.get(name).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| match name {
        "base_url" => connectors::find(connector).unwrap().meta.hosts[0].live.replace(['{', '}'], "").into(),
        _ if field.ends_with('*') => json!(["x"]),
        _ if name.starts_with("disable_") => json!(true),
        _ => json!("made-up"),
    })
}

#[test]
fn each_shape_is_accepted_or_refused_by_the_name_of_a_field() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/fixtures");
    let (mut count, mut refused) = (0, Vec::new());
    for (connector, fields) in messages() {
        let own = std::fs::read(fixtures.join(connector).join("credentials.json")).unwrap();
        let own: Map<String, Value> = serde_json::from_slice(&own).unwrap();
        // The one map of the messages is Payload's, which has no other credentials.
        let is_optional = |field: &str| field.ends_with(['?', '*']) && field != "auth_key_map*";
        let optional = || fields.iter().copied().filter(|field| is_optional(field));
        let shapes = [Optional::None, Optional::AllNull, Optional::AllSet]
            .into_iter()
            .chain(optional().map(Optional::OneNull))
            .chain(optional().map(Optional::OneSet));
        for shape in shapes {
            count += 1;
            let mut given = Map::new();
            for field in fields.iter().copied() {
                let value = match shape {
                    _ if !is_optional(field) => Some(value(connector, field, &own)),
                    Optional::AllSet => Some(value(connector, field, &own)),
                    Optional::OneSet(one) if one == field => Some(value(connector, field, &own)),
                    Optional::AllNull => Some(Value::Null),
                    Optional::OneNull(one) if one == field => Some(Value::Null),
                    _ => None,
                };
                given.extend(value.map(|value| (field.trim_end_matches(['?', '*']).to_owned(), value)));
            }
            if let Err(error) = check(connector, &given) {
                let fault = &error.fields[0];
                assert!(
                    fault.field.len() > "credentials.".len() && !fault.field.contains('*'),
                    "{connector}: {error:?}"
                );
                assert!(fault.description.len() > 10, "{connector}: {error:?}");
                refused.push(format!("{connector} {shape:?} {}", fault.field));
            }
        }
    }
    assert!(count > 127, "only {count} shapes");
    // Its message is for another product, and a host beside the connector's own is refused.
    let known = |line: &String| line.starts_with("deutschebank ") || line.contains("base_url");
    assert!(refused.iter().all(known), "{refused:#?}");
}

#[test]
fn an_unknown_field_is_named_and_another_host_is_refused() {
    for (name, value, says) in [
        ("api_kye", json!("x"), "known are api_key"),
        ("base_url", json!("https://evil.example"), "callers do not choose where credentials go"),
        ("base_url", json!("https://api.stripe.com.evil.example"), "callers do not choose"),
        ("base_url", json!(5), "callers do not choose"),
    ] {
        let given = Map::from_iter([("api_key".into(), json!("sk_test_1")), (name.into(), value)]);
        let error = check("stripe", &given).unwrap_err();
        assert_eq!(error.fields[0].field, format!("credentials.{name}"));
        assert!(error.message.contains(says) && !error.message.contains("evil"), "{}", error.message);
    }
    for url in [json!("https://api.stripe.com/"), json!("https://api.stripe.com"), Value::Null] {
        let given = Map::from_iter([("api_key".into(), json!("sk_test_1")), ("base_url".into(), url)]);
        assert!(check("stripe", &given).is_ok(), "{given:?}");
    }
    let adyen =
        |url: &str| json!({"api_key": "a", "merchant_account": "m", "base_url": url}).as_object().unwrap().clone();
    let error = check("adyen", &adyen("https://checkout-test.adyen.com")).unwrap_err();
    assert!(error.message.contains("host of test mode"), "{}", error.message);
}
