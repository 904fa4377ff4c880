//! Compares requests that the vendors' own SDKs send with ours, field by field.
//!
//! A recording names each field that differs, with the reason. No other field may differ.
//!
//! These requests of the SDKs belong to other products, so no grant makes them:
//!
//! - Stripe's account session is for the staff of a connected account, not for a shopper.
//! - PayPal's vault setup token takes a card's number or starts an approval.
//! - Braintree's token from an OAuth code, and its OAuth access token in place of keys, need
//!   credentials that our connector does not hold.
//! - Adyen's user and password, in place of the API key, are such credentials, too.

use std::collections::{BTreeMap, BTreeSet};

use connectors::Call;
use serde_json::Value;

use crate::support::{ExpectedCall, form_of, recordings, text_headers};

type Fields = BTreeMap<String, Value>;

#[test]
fn we_send_what_the_vendors_sdks_send() {
    let recordings = recordings();
    assert!(!recordings.is_empty());
    for scene in recordings {
        let (name, case) = (&scene.name, &scene.case);
        assert!(case.recorded.is_some(), "{name}: which SDK sent it?");
        let calls = scene.play().calls;
        let [theirs] = case.calls.as_deref().unwrap() else { panic!("{name}: one recording, one call") };
        let [ours] = calls.as_slice() else { panic!("{name}: {} calls", calls.len()) };
        let (ours, mut theirs) = (fields_of_call(ours), fields_of_recording(theirs));
        for (from, to) in &case.renamed {
            let value = theirs.remove(from).unwrap_or_else(|| panic!("{name}: {from} is not in the recording"));
            theirs.insert(to.clone(), value);
        }
        for field in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let (ours, theirs) = (ours.get(field), theirs.get(field));
            match case.differs.get(field) {
                Some(reason) => assert_ne!(ours, theirs, "{name}: {field} does not differ, though: {reason}"),
                None => assert_eq!(ours, theirs, "{name}: {field}"),
            }
        }
        for field in case.differs.keys() {
            assert!(ours.contains_key(field) || theirs.contains_key(field), "{name}: {field} is nowhere");
        }
    }
}

fn fields_of_call(call: &Call) -> Fields {
    let headers = text_headers(&call.headers);
    let body = |fields: &mut Fields| match headers.get("content-type").map(String::as_str) {
        Some("application/json") => flatten("json ", &serde_json::from_slice(&call.body).unwrap(), fields),
        Some("application/x-www-form-urlencoded") => add_form(&form_of(&call.body), fields),
        _ => add(fields, "body", std::str::from_utf8(&call.body).unwrap()),
    };
    let mut fields = fields(call.method.as_str(), &call.uri.to_string(), &headers);
    body(&mut fields);
    fields
}

fn fields_of_recording(call: &ExpectedCall) -> Fields {
    let mut fields = fields(&call.method, &call.url, &call.headers);
    if let Some(json) = &call.json {
        flatten("json ", json, &mut fields);
    }
    if let Some(form) = &call.form {
        add_form(form, &mut fields);
    }
    if let Some(body) = &call.body {
        add(&mut fields, "body", body);
    }
    fields
}

fn fields(method: &str, url: &str, headers: &BTreeMap<String, String>) -> Fields {
    // The case of a host has no meaning (RFC 3986 section 3.2.2).
    let (origin, path) = url.split_at(url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at));
    let mut fields = Fields::new();
    add(&mut fields, "method", method);
    add(&mut fields, "url", &format!("{}{path}", origin.to_ascii_lowercase()));
    for (name, value) in headers {
        add(&mut fields, &format!("header {name}"), value);
    }
    fields
}

fn add_form(form: &BTreeMap<String, String>, fields: &mut Fields) {
    for (name, value) in form {
        add(fields, &format!("form {name}"), value);
    }
}

fn add(fields: &mut Fields, name: &str, value: &str) {
    fields.insert(name.into(), value.into());
}

/// Each leaf under its JSON pointer.
fn flatten(name: &str, value: &Value, fields: &mut Fields) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, value)| flatten(&format!("{name}/{key}"), value, fields));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(nth, value)| flatten(&format!("{name}/{nth}"), value, fields));
        }
        leaf => {
            fields.insert(name.into(), leaf.clone());
        }
    }
}
