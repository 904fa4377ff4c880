//! The calls of existing clients of this API: empty requests, credentials in all their forms, and
//! the headers beside them.

use crate::common::TestServer;
use serde_json::{Value, json};

/// A JSON call: the status line's code and the body.
pub(crate) fn call(served: &TestServer, method: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let reply = served.http(
        served.address,
        &format!(
            "POST /{method} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{reply}"));
    (status, serde_json::from_str(reply.lines().last().unwrap()).unwrap_or_else(|_| panic!("{reply}")))
}

const TYPES_SERVER: &str = "types.MerchantAuthenticationService/CreateServerAuthenticationToken";
const TYPES_ACCESS: &str = "types.MerchantAuthenticationService/CreateAccessToken";
const UCS_ACCESS: &str = "ucs.v2.MerchantAuthenticationService/CreateAccessToken";

const AIRWALLEX: &[(&str, &str)] =
    &[("x-connector", "airwallex"), ("x-connector-auth", r#"{"Airwallex":{"api_key":"key-1","client_id":"id-1"}}"#)];
const STRIPE: &[(&str, &str)] =
    &[("x-connector", "stripe"), ("x-connector-auth", r#"{"Stripe":{"api_key":"sk_test_drop"}}"#)];

pub(crate) fn field(error: &Value) -> &str {
    let details = error["details"].as_array().unwrap_or_else(|| panic!("{error}"));
    let violations = details.iter().find_map(|detail| detail["debug"]["fieldViolations"].as_array());
    violations.and_then(|all| all[0]["field"].as_str()).unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test]
async fn an_empty_request_gets_a_reference_of_its_own() {
    let served = TestServer::sandboxed();
    let (status, token) = call(&served, TYPES_SERVER, AIRWALLEX, &json!({}));
    assert_eq!(status, 200, "{token}");
    assert!(token["merchant_access_token_id"].is_null() && token["access_token"].is_string(), "{token}");
    let left: i64 = token["expires_in_seconds"].as_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&left), "a duration: {token}");

    // Two calls without a reference are two calls: nothing is pinned, no request contradicts another.
    let (_, first) = call(&served, TYPES_ACCESS, STRIPE, &json!({}));
    let (_, second) = call(&served, TYPES_ACCESS, STRIPE, &json!({"connector_feature_data": {"ttl_seconds": 2000}}));
    assert!(first["access_token"].is_string() && second["access_token"].is_string(), "{first} {second}");
    assert_ne!(first["access_token"], second["access_token"]);

    let (status, error) = call(&served, UCS_ACCESS, STRIPE, &json!({}));
    assert_eq!((status, field(&error)), (400, "merchant_access_token_id"));
}

#[tokio::test]
async fn each_form_of_credentials_is_the_same_credentials() {
    let served = TestServer::sandboxed();
    let body = json!({"merchant_access_token_id": "forms"});
    let ask = |headers: &[(&str, &str)]| {
        let mut all = vec![("x-connector", "airwallex")];
        all.extend_from_slice(headers);
        let (status, token) = call(&served, TYPES_SERVER, &all, &body);
        assert_eq!(status, 200, "{headers:?}: {token}");
        token["access_token"].clone()
    };
    let named = ask(&[("x-connector-auth", r#"{"Airwallex":{"api_key":"key-1","client_id":"id-1"}}"#)]);
    for headers in [
        &[("x-connector-config", r#"{"config":{"Airwallex":{"api_key":"key-1","client_id":"id-1","base_url":null}}}"#)]
            as &[_],
        &[("x-connector-auth", r#"{"auth_type":"BodyKey","api_key":"key-1","key1":"id-1"}"#)],
        &[("x-auth", "body-key"), ("x-api-key", "key-1"), ("x-key1", "id-1")],
        &[
            ("x-auth", "BodyKey"),
            ("x-api-key", "key-1"),
            ("x-key1", "id-1"),
            ("x-tenant-id", "public"),
            ("x-merchant-id", "m"),
            ("x-request-id", "r-1"),
            ("x-lineage-ids", "a=b"),
            ("x-reference-id", "p"),
            ("x-resource-id", "q"),
            ("x-shadow-mode", "false"),
            ("x-environment", "sandbox"),
        ],
    ] {
        assert_eq!(ask(headers), named, "a shared token is that of equal credentials: {headers:?}");
    }
    served.logged("\"request_id\":\"r-1\"");
}

#[tokio::test]
async fn hosts_and_unknown_forms_are_refused_by_name() {
    let served = TestServer::sandboxed();
    for (headers, status, at) in [
        (vec![("x-config-override", "{}")], 400, "x-config-override"),
        (
            vec![("x-connector-auth", r#"{"Stripe":{"api_key":"sk_test_1","base_url":"https://evil.example"}}"#)],
            401,
            "credentials.base_url",
        ),
        (vec![("x-connector-auth", r#"{"Stripe":{"api_key":"sk_test_1","webhook":"x"}}"#)], 401, "credentials.webhook"),
        (vec![("x-auth", "body-key"), ("x-api-key", "sk_test_1"), ("x-key1", "y")], 401, "x-auth"),
        (vec![("x-auth", "no-key")], 401, "x-auth"),
        (vec![("x-auth", "header-key")], 401, "x-api-key"),
    ] {
        let mut all = vec![("x-connector", "stripe")];
        all.extend(headers);
        let (got, error) = call(&served, TYPES_ACCESS, &all, &json!({"merchant_access_token_id": "r"}));
        assert_eq!((got, field(&error)), (status, at), "{all:?}: {error}");
        assert!(!error.to_string().contains("sk_test_1"), "{error}");
    }
}

#[tokio::test]
async fn connectors_of_the_newer_enum_say_why_they_give_no_tokens() {
    let served = TestServer::sandboxed();
    for connector in ["GLOBALPAYMENTS_REALEX", "ABSA_SANLAM", "SANLAM", "kount"] {
        let body = json!({"merchant_access_token_id": "r", "connector": connector});
        let (status, error) = call(&served, UCS_ACCESS, &[], &body);
        assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{connector}: {error}");
        assert!(error["message"].as_str().unwrap().contains("gives no tokens"), "{error}");
    }
}
