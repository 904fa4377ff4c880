//! Our protocol beside the messages of the published client package: `messages.json`, which
//! `checks/existing-clients/messages.py` writes.

use std::collections::{BTreeMap, BTreeSet};

use buffa_descriptor::{DescriptorPool, FieldKind, SingularKind};
use protocol::DESCRIPTORS;

type Numbered = BTreeMap<String, String>;

/// The messages that have another name here. `StringValue` is a message with one text of number 1,
/// as theirs is.
const NAMES: [(&str, &str); 3] = [
    ("SecretString", "google.protobuf.StringValue"),
    (
        "MerchantAuthenticationServiceCreateServerAuthenticationTokenRequest",
        "ucs.v2.MerchantAuthenticationServiceCreateAccessTokenRequest",
    ),
    (
        "MerchantAuthenticationServiceCreateServerAuthenticationTokenResponse",
        "ucs.v2.MerchantAuthenticationServiceCreateAccessTokenResponse",
    ),
];

/// What we do not have, with the reason. A name alone is a whole message or enum.
const NOT_COVERED: &[(&str, &[&str])] = &[
    (
        "no grant gives the settings of the sheets of Google Pay and Apple Pay",
        &[
            "AmountInfo",
            "ApplePayPaymentRequest",
            "ApplePaySessionResponse",
            "ApplepayClientAuthenticationResponse.connector",
            "ApplepayClientAuthenticationResponse.connector_merchant_id",
            "ApplepayClientAuthenticationResponse.connector_reference_id",
            "ApplepayClientAuthenticationResponse.connector_sdk_public_key",
            "ApplepayClientAuthenticationResponse.delayed_session_token",
            "ApplepayClientAuthenticationResponse.payment_request_data",
            "ApplepayClientAuthenticationResponse.sdk_next_action",
            "ApplepayClientAuthenticationResponse.session_response",
            "GooglePaySessionResponse",
            "GpayAllowedMethodsParameters",
            "GpayAllowedPaymentMethods",
            "GpayBillingAddressFormat",
            "GpayBillingAddressParameters",
            "GpayClientAuthenticationResponse.google_pay_session",
            "GpayMerchantInfo",
            "GpayShippingAddressParameters",
            "GpayTokenParameters",
            "GpayTokenizationSpecification",
            "GpayTransactionInfo",
            "SecretInfoToInitiateSdk",
            "ThirdPartySdkSessionResponse",
        ],
    ),
    (
        "the connector's own words, with what is secret in them, go to no caller",
        &[
            "MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse.raw_connector_request",
            "MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse.raw_connector_response",
            "MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse.typed_connector_request",
            "MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse.typed_connector_response",
        ],
    ),
    (
        "a token call has no payment, refund or dispute",
        &[
            "ConnectorErrorDetails.connector_transaction_id",
            "ConnectorErrorDetails.status",
            "DisputeStatus",
            "FlowStatus",
            "PaymentStatus",
            "RefundStatus",
        ],
    ),
    ("a number that nothing here reads", &["ClientPlatform", "DocumentKind"]),
];

#[derive(serde::Deserialize)]
struct Published {
    messages: BTreeMap<String, Numbered>,
    enums: BTreeMap<String, Numbered>,
}

fn published() -> Published {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../checks/existing-clients/messages.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn our_name(name: &str) -> String {
    let other = NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| (*ours).to_owned());
    other.unwrap_or_else(|| format!("ucs.v2.{name}"))
}

/// Checks that a field of ours reads what their type writes. A message may be read as bytes, an enum
/// as a number.
fn reads(pool: &DescriptorPool, kind: FieldKind, theirs: &str, published: &Published) -> bool {
    let single = |kind: SingularKind, theirs: &str| match kind {
        SingularKind::Scalar(scalar) => {
            let scalar = format!("{scalar:?}").to_lowercase();
            scalar == theirs
                || (scalar == "bytes" && published.messages.contains_key(theirs))
                || (scalar == "int32" && published.enums.contains_key(theirs))
        }
        SingularKind::Enum(index) => pool.enumeration(index).full_name() == our_name(theirs),
        SingularKind::Message(index) => pool.message(index).full_name() == our_name(theirs),
    };
    match (kind, theirs.strip_prefix("repeated ")) {
        (FieldKind::Singular(kind), None) => single(kind, theirs),
        (FieldKind::List(kind), Some(theirs)) => single(kind, theirs),
        (FieldKind::Map { value, .. }, Some(theirs)) => published.messages.get(theirs).is_some_and(|entry| {
            entry.get("2").is_some_and(|field| field.rsplit_once(' ').is_some_and(|(of, _)| single(value, of)))
        }),
        _ => false,
    }
}

/// What we lack, and what has the same number and another meaning.
fn compared(pool: &DescriptorPool, published: &Published) -> (BTreeSet<String>, Vec<String>) {
    let (mut lacking, mut contradictions) = (BTreeSet::new(), Vec::new());
    for (name, fields) in &published.messages {
        let Some(ours) = pool.message_by_name(&our_name(name)) else {
            lacking.insert(name.clone());
            continue;
        };
        for (number, field) in fields {
            let (kind, field_name) = field.rsplit_once(' ').unwrap();
            match ours.field(number.parse().unwrap()) {
                None => _ = lacking.insert(format!("{name}.{field_name}")),
                Some(ours) if ours.name() == field_name && reads(pool, ours.kind(), kind, published) => {}
                Some(ours) => contradictions.push(format!("{name}.{number}: {field}, ours is {}", ours.name())),
            }
        }
    }
    for (name, values) in &published.enums {
        let Some(ours) = pool.enum_by_name(&our_name(name)) else {
            lacking.insert(name.clone());
            continue;
        };
        for (number, value) in values {
            match ours.value(number.parse().unwrap()) {
                None => _ = lacking.insert(format!("{name}.{value}")),
                // Some of our values do without the enum's name before them.
                Some(ours) if value.ends_with(ours.name()) => {}
                Some(ours) => contradictions.push(format!("{name}.{number}: {value}, ours is {}", ours.name())),
            }
        }
    }
    (lacking, contradictions)
}

#[test]
fn published_messages_are_covered_but_for_what_has_a_reason() {
    let (pool, published) = (DescriptorPool::decode(DESCRIPTORS).unwrap(), published());
    let (lacking, contradictions) = compared(&pool, &published);
    assert_eq!(contradictions, Vec::<String>::new());
    let known: BTreeSet<String> =
        NOT_COVERED.iter().flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned())).collect();
    let lost: Vec<_> = lacking.difference(&known).collect();
    assert!(lost.is_empty(), "no longer covered: {lost:?}");
    let gained: Vec<_> = known.difference(&lacking).collect();
    assert!(gained.is_empty(), "covered now, take it out of NOT_COVERED: {gained:?}");

    let count = |part: &BTreeMap<String, Numbered>| part.values().map(BTreeMap::len).sum::<usize>();
    let (fields, values) = (count(&published.messages), count(&published.enums));
    println!(
        "{} messages with {fields} fields, {} enums with {values} values;",
        published.messages.len(),
        published.enums.len()
    );
    for (why, names) in NOT_COVERED {
        println!("without {}: {why}", names.join(", "));
    }
}

#[test]
fn calls_of_the_published_client_exist() {
    let (pool, published) = (DescriptorPool::decode(DESCRIPTORS).unwrap(), published());
    let service = pool.service_by_name("types.MerchantAuthenticationService").unwrap();
    let mut calls = 0;
    for name in published.messages.keys() {
        let call = name.strip_prefix("MerchantAuthenticationService").and_then(|name| name.strip_suffix("Request"));
        let Some(call) = call else { continue };
        let method = service.method(call).unwrap_or_else(|| panic!("no call {call}"));
        assert_eq!(pool.message(method.input()).full_name(), our_name(name));
        let response = name.replace("Request", "Response");
        assert_eq!(pool.message(method.output()).full_name(), our_name(&response));
        calls += 1;
    }
    assert_eq!(calls, 3);
}

#[test]
fn own_fields_keep_off_the_numbers_of_the_published_messages() {
    let (pool, published) = (DescriptorPool::decode(DESCRIPTORS).unwrap(), published());
    for (name, fields) in &published.messages {
        let Some(ours) = pool.message_by_name(&our_name(name)) else { continue };
        // The answers of CreateAccessToken had numbers of their own before there was a rule.
        let first = if name.contains("CreateServerAuthenticationToken") { 16 } else { 100 };
        for field in ours.fields().iter().filter(|field| !fields.contains_key(&field.number().to_string())) {
            assert!(field.number() >= first, "{name}.{} has the number {}", field.name(), field.number());
        }
    }
}
