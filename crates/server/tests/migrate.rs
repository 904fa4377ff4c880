//! `daypass migrate check`: verdicts on credentials in the forms of other servers of this API.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Map, Value, json};

/// Runs the check with a file that has this text.
fn check(text: &str, arguments: &[&str]) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
    command.args(["migrate", "check", file.path().to_str().unwrap()]).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn verdicts(entries: &Value) -> Vec<Value> {
    let output = check(&entries.to_string(), &["--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let heard = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("canary") && !heard.contains("canary"), "a value is printed: {said}{heard}");
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The outcome, and the fields at fault.
fn short(verdict: &Value) -> (&str, Vec<&str>) {
    let faults = verdict["faults"].as_array().unwrap();
    (verdict["outcome"].as_str().unwrap(), faults.iter().filter_map(|fault| fault["field"].as_str()).collect())
}

#[test]
fn each_form_gets_its_verdict() {
    for (entry, outcome, faults) in [
        (json!({"config": {"Stripe": {"api_key": "sk_test_canary"}}}), "works", &[][..]),
        (json!({"Adyen": {"api_key": "canary", "merchant_account": "canary", "review_key": null}}), "works", &[]),
        (json!({"connector": "adyen", "auth_type": "BodyKey", "api_key": "canary", "key1": "canary"}), "works", &[]),
        (
            json!({"connector_name": "payhere", "test_mode": true, "connector_account_details": {
                "auth_type": "MultiAuthKey", "api_key": "canary", "key1": "canary", "api_secret": "canary", "key2": "canary"}}),
            "works",
            &[],
        ),
        // Of its three grants two need something else.
        (
            json!({"Tesouro": {"api_key": "canary", "api_secret": "canary", "key1": "canary"}}),
            "works",
            &["widget_secret"],
        ),
        (json!({"Stripe": {"api_kye": "canary", "sha256_canary": "x"}}), "must_change", &["api_kye", "*", "api_key"]),
        (
            json!({"Stripe": {"api_key": "sk_test_canary", "base_url": "https://canary.example"}}),
            "must_change",
            &["base_url"],
        ),
        (json!({"Adyen": {"api_key": " canary", "merchant_account": "canary"}}), "must_change", &["api_key"]),
        (json!({"Adyen": {"api_key": 5, "merchant_account": "canary"}}), "must_change", &["api_key"]),
        (json!({"connector": "stripe", "auth_type": "NoKey"}), "must_change", &[]),
        (json!({"connector": "adyen", "auth_type": "BodyKey", "api_key": "canary"}), "must_change", &["x-key1"]),
        (json!({"Stripe": "sk_test_canary"}), "must_change", &[]),
        (json!({"Bambora": {"api_key": "canary"}}), "no_tokens", &[]),
        (json!({"sk_test_canary": {"api_key": "canary"}}), "unreadable", &[]),
        (json!({"auth_type": "HeaderKey", "api_key": "canary"}), "unreadable", &[]),
        (json!("canary"), "unreadable", &[]),
    ] {
        let verdicts = verdicts(&json!([entry]));
        assert_eq!(verdicts.len(), 1, "{entry}");
        assert_eq!(short(&verdicts[0]), (outcome, faults.to_vec()), "{entry}: {}", verdicts[0]);
    }
}

#[test]
fn fields_are_sorted_by_what_becomes_of_them() {
    let entries = json!([
        {"Adyen": {"api_key": "canary", "merchant_account": "canary", "endpoint_prefix": "canary",
            "dispute_base_url": "https://canary.example", "review_key": null, "base_url": "https://checkout-live.adyen.com"}},
        {"connector": "braintree", "auth_type": "SignatureKey", "api_key": "canary", "key1": "canary", "api_secret": "canary"},
        {"Stripe": {"api_key": "sk_live_canary"}},
    ]);
    let all = verdicts(&entries);
    let fixture = |name: &str| all.iter().find(|verdict| verdict["connector"] == name).unwrap();
    assert_eq!(fixture("adyen")["inputs"], json!(["endpoint_prefix"]));
    assert_eq!(fixture("braintree")["used"], json!(["public_key", "private_key"]));
    assert_eq!(fixture("braintree")["ignored"], json!(["key1"]));
    assert_eq!(fixture("stripe")["only_in"], "live");
}

/// The made-up credentials of every connector's fixtures work, and no value of theirs is printed.
#[test]
fn the_credentials_of_every_connector_work() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/fixtures");
    let mut entries = Vec::new();
    let mut values = Vec::new();
    for entry in connectors::CONNECTORS {
        let file = std::fs::read(fixtures.join(entry.meta.id).join("credentials.json")).unwrap();
        let fields: Map<String, Value> = serde_json::from_slice(&file).unwrap();
        let secret = entry.meta.credentials.iter().filter(|field| !field.public);
        values.extend(secret.filter_map(|field| fields[field.name].as_str()).map(ToOwned::to_owned));
        entries.push(json!({"config": {entry.meta.id: fields}}));
    }
    for arguments in [&["--json"][..], &[]] {
        let output = check(&Value::from(entries.clone()).to_string(), arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        for value in &values {
            assert!(!said.contains(value.as_str()), "{value}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= 80 || arguments.contains(&"--json")), "{said}");
    }
}

#[test]
fn exit_codes_and_faults_of_the_file() {
    for (text, code, says) in [
        (r#"{"Stripe": {"api_key": "sk_test_1"}}"#, 0, "1 of 1 work"),
        ("{\"Stripe\": {\"api_key\": \"a\"}}\n{\"Bambora\": {\"api_key\": \"a\"}}", 2, "1 of 2 work"),
        (r#"{"Stripe": canary}"#, 2, "no JSON, at line 1, column 12"),
    ] {
        let output = check(text, &[]);
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says) && !said.contains("canary"), "{said}");
    }
    let missing =
        Command::new(env!("CARGO_BIN_EXE_daypass")).args(["migrate", "check", "no-such-file"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file"));
}
