//! The RPC: all grants of the first four connectors, and all kinds of errors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{TestServer, TokenRequest, code};
use connectrpc::{CodecFormat, ErrorCode, Protocol};
use protocol::ucs::v2::{Connector, OperationStatus, TokenAudience};
use serde_json::{Value, json};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn the_documented_call_in_every_protocol() {
    let served = TestServer::sandboxed();
    // The token is made by the first call and replayed by the others.
    let first = now();
    for (protocol, codec) in [
        (Protocol::Grpc, CodecFormat::Proto),
        (Protocol::Grpc, CodecFormat::Json),
        (Protocol::GrpcWeb, CodecFormat::Proto),
        (Protocol::Connect, CodecFormat::Proto),
        (Protocol::Connect, CodecFormat::Json),
    ] {
        let before = now();
        let answer = served.call_as(protocol, codec, &TokenRequest::stripe("sk_test_documented")).await.unwrap();
        assert_eq!(answer.status, OperationStatus::SUCCESS, "{protocol:?}");
        assert_eq!(answer.audience, TokenAudience::CLIENT);
        assert_eq!((answer.status_code, answer.merchant_access_token_id.as_str()), (200, "token_001"));
        assert!(!answer.token_type.is_empty() && answer.access_token.is_set());
        let (expires, left) = (answer.expires_in_seconds.unwrap(), answer.lifetime_seconds.unwrap());
        let after = now();
        // The expiry, the connector's `Date` and the clock are whole seconds, each rounded down.
        assert!((first + 3597..=after + 3600).contains(&expires), "{expires} after {first}");
        assert!((expires - after - 2..=expires - before).contains(&left), "{left} of {expires}");
    }
}

fn json_call(served: &TestServer, body: &str) -> String {
    served.http(
        served.address,
        &format!(
            "POST /ucs.v2.MerchantAuthenticationService/CreateAccessToken HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\nx-request-id: my-id-1\r\nx-connector: stripe\r\n\
             x-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_json\"}}}}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

#[tokio::test]
async fn an_unknown_json_field_is_an_error_that_names_it() {
    let served = TestServer::sandboxed();
    for unknown in ["testmode", "feature_data", "merchantAccessTokenID"] {
        let reply = json_call(&served, &format!(r#"{{"merchant_access_token_id": "token_001", "{unknown}": true}}"#));
        assert!(reply.starts_with("HTTP/1.1 400") && reply.contains("\"code\":\"invalid_argument\""), "{reply}");
        assert!(reply.contains("metadata, connector_feature_data, test_mode"), "{reply}");
        // Each detail is readable without protobuf: `debug` has it as JSON.
        let error: Value = serde_json::from_str(reply.lines().last().unwrap()).unwrap();
        let debug = |name: &str| {
            let details = error["details"].as_array().unwrap();
            details.iter().find(|detail| detail["type"] == name).unwrap()["debug"].clone()
        };
        assert_eq!(debug("google.rpc.ErrorInfo")["reason"], "INVALID_REQUEST");
        assert!(debug("google.rpc.ErrorInfo")["metadata"]["guidance"].as_str().unwrap().len() > 10);
        assert_eq!(debug("google.rpc.BadRequest")["fieldViolations"][0]["field"], unknown);
    }
    served.logged("\"outcome\":\"INVALID_REQUEST\"");
}

#[tokio::test]
async fn the_json_path_describes_itself() {
    let served = TestServer::sandboxed();
    let get = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let reply = served.http(served.address, get);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: application/json"), "{head}");
    let document: Value = serde_json::from_str(body).unwrap();
    let call = &document["paths"]["/ucs.v2.MerchantAuthenticationService/CreateAccessToken"]["post"];
    assert_eq!(call["summary"], "Makes a token for one connector.");
    let request = "/components/schemas/ucs.v2.MerchantAuthenticationServiceCreateAccessTokenRequest/properties";
    let fields = document.pointer(request).unwrap().as_object().unwrap();
    assert_eq!(fields.len(), 6);
    assert_eq!(document["paths"].as_object().unwrap().len(), 2 * 6, "six calls in two packages");
    assert!(
        fields.values().all(|field| field["description"].as_str().is_some_and(|text| text.len() > 10)),
        "{fields:?}"
    );
    let post = served.http(served.address, &get.replace("GET", "DELETE"));
    assert!(post.starts_with("HTTP/1.1 404") || post.starts_with("HTTP/1.1 405"), "{post}");
}

#[tokio::test]
async fn json_in_the_forms_of_existing_clients_makes_the_same_token() {
    let served = TestServer::sandboxed();
    let token = |body: &str| {
        let reply = json_call(&served, body);
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        serde_json::from_str::<Value>(reply.lines().last().unwrap()).unwrap()["access_token"].clone()
    };
    let documented = token(
        r#"{ "merchant_access_token_id": "token_001", "connector": "STRIPE", "test_mode": true,
            "connector_feature_data": "{\"ttl_seconds\":3600}" }"#,
    );
    for other in [
        r#"{ "merchantAccessTokenId": "token_001", "connector": "stripe", "testMode": "true",
            "connectorFeatureData": {"ttl_seconds": 3600} }"#,
        r#"{ "merchant_access_token_id": "token_001", "connector": 75, "test_mode": true,
            "connector_feature_data": {"value": "{\"ttl_seconds\":3600}"} }"#,
    ] {
        assert_eq!(token(other), documented, "{other}");
    }
}

#[tokio::test]
async fn the_json_response_has_the_documented_keys_in_snake_case() {
    let served = TestServer::sandboxed();
    let body = r#"{ "merchant_access_token_id": "token_001", "connector": "STRIPE", "test_mode": true }"#;
    let reply = json_call(&served, body);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains("x-request-id: my-id-1"), "{reply}");
    let json: Value =
        reply.lines().find(|line| line.starts_with('{')).and_then(|line| serde_json::from_str(line).ok()).unwrap();
    for key in ["access_token", "token_type", "expires_in_seconds", "merchant_access_token_id", "audience", "grant"] {
        assert!(json[key].is_string(), "{key}: {json}");
    }
    assert_eq!((&json["status"], &json["status_code"]), (&json!("SUCCESS"), &json!(200)));
}

#[tokio::test]
async fn every_grant_with_its_inputs() {
    let served = TestServer::sandboxed();
    let url = "https://shop.example/return";
    let adyen = json!({"currency": "EUR", "return_url": url});
    let intent = json!({"grant": "payment_intent", "amount": 1000, "currency": "EUR"});
    let components = json!({"payment_element": {"enabled": true}});
    let old_intent = json!({
        "grant": "setup_intent", "payment_method_types": ["card"], "stripe_version": "2026-06-24.dahlia"
    });
    let stripe = || TokenRequest::stripe("sk_test_grants");
    let table = [
        (stripe(), "checkout_session_setup", true),
        (stripe().data(json!({"ttl_seconds": 1900, "return_url": url})), "checkout_session_setup", true),
        // A customer does not change the default grant: an ephemeral key can read the customer.
        (stripe().data(json!({"customer": "cus_1"})), "checkout_session_setup", true),
        (stripe().data(json!({"stripe_version": "2026-08-26.dahlia"})), "checkout_session_setup", true),
        (stripe().data(json!({"stripe_version": "2025-06-30.basil"})), "checkout_session_setup", true),
        (stripe().data(json!({"grant": "ephemeral_key", "customer": "cus_1"})), "ephemeral_key", true),
        (stripe().data(json!({"grant": "ephemeral_key", "create_customer": true})), "ephemeral_key", true),
        (
            stripe().data(json!({"grant": "customer_session", "customer": "cus_1", "components": components})),
            "customer_session",
            true,
        ),
        (stripe().data(json!({"grant": "setup_intent"})), "setup_intent", false),
        (stripe().data(json!({"grant": "setup_intent", "payment_method_types": ["card"]})), "setup_intent", false),
        (stripe().data(old_intent), "setup_intent", false),
        (
            stripe().data(json!({"grant": "terminal_connection_token", "location": "tml_1"})),
            "terminal_connection_token",
            false,
        ),
        (stripe().data(intent), "payment_intent", false),
        (TokenRequest::adyen().data(adyen), "session_zero_value", true),
        (
            TokenRequest::adyen()
                .data(json!({"grant": "session", "currency": "EUR", "return_url": url, "amount": 100})),
            "session",
            true,
        ),
        (TokenRequest::paypal(), "client_token", true),
        (TokenRequest::paypal().data(json!({"grant": "identity_client_token"})), "identity_client_token", true),
        (TokenRequest::paypal().data(json!({"grant": "id_token"})), "id_token", true),
        (TokenRequest::braintree(), "client_token", true),
        (TokenRequest::braintree().data(json!({"customer_id": "c-1"})), "client_token", true),
    ];
    for (nth, (request, grant, expires)) in table.into_iter().enumerate() {
        let reference = format!("grant_{nth}");
        let answer = served
            .call(&TokenRequest { reference, ..request })
            .await
            .unwrap_or_else(|error| panic!("{grant}: {error:?}"));
        assert_eq!(answer.status, OperationStatus::SUCCESS, "{grant}: {answer:?}");
        assert!(answer.grant == grant && answer.audience == TokenAudience::CLIENT, "{answer:?}");
        assert_eq!(
            (answer.expires_in_seconds.is_some(), answer.lifetime_seconds.is_some()),
            (expires, expires),
            "{grant}"
        );
    }
}

#[tokio::test]
async fn server_tokens_need_a_request_for_them_and_the_policy() {
    let served = TestServer::sandboxed();
    let asked = TokenRequest::paypal().data(json!({"audience": "server"}));
    let answer = served.call(&asked).await.unwrap();
    assert!(answer.audience == TokenAudience::SERVER && answer.grant == "access_token", "{answer:?}");
    let unasked = TokenRequest::paypal().data(json!({"grant": "access_token"}));
    assert_eq!(code(served.call(&unasked).await), ErrorCode::FailedPrecondition);
    let none = TokenRequest::braintree().data(json!({"audience": "server"}));
    assert_eq!(code(served.call(&none).await), ErrorCode::Unimplemented);
    let denied = TestServer::start(&["--sandbox"], &[("DAYPASS_POLICY__SERVER_TOKENS", "false")]);
    assert_eq!(code(denied.call(&asked).await), ErrorCode::PermissionDenied);
}

#[tokio::test]
async fn invalid_requests_get_errors_and_reach_no_connector() {
    let mut served = TestServer::sandboxed();
    let stripe = || TokenRequest::stripe("sk_test_canary_4242424242");
    let long = format!("{{\"Stripe\":{{\"api_key\":\"sk_test_{}\"}}}}", "x".repeat(64 * 1024));
    let with = |credentials: &str| TokenRequest { credentials: Some(credentials.into()), ..stripe() };
    let table: Vec<(&str, TokenRequest<'_>, ErrorCode)> = vec![
        ("live key in test mode", TokenRequest::stripe("sk_live_canary_4242424242"), ErrorCode::InvalidArgument),
        (
            "blank before a live key in test mode",
            TokenRequest::stripe(" sk_live_canary_4242424242"),
            ErrorCode::InvalidArgument,
        ),
        (
            "line break after a live key",
            TokenRequest::stripe("sk_live_canary_4242424242\n"),
            ErrorCode::InvalidArgument,
        ),
        ("test key in live mode", TokenRequest { test_mode: Some(false), ..stripe() }, ErrorCode::InvalidArgument),
        ("header and body disagree", TokenRequest { header: Some("adyen"), ..stripe() }, ErrorCode::InvalidArgument),
        (
            "credentials of another",
            TokenRequest { credentials: TokenRequest::adyen().credentials, ..stripe() },
            ErrorCode::InvalidArgument,
        ),
        (
            "no connector",
            TokenRequest { header: None, connector: Connector::CONNECTOR_UNSPECIFIED, credentials: None, ..stripe() },
            ErrorCode::InvalidArgument,
        ),
        (
            "unknown connector",
            TokenRequest { header: Some("stripf"), connector: Connector::CONNECTOR_UNSPECIFIED, ..stripe() },
            ErrorCode::InvalidArgument,
        ),
        (
            "connector without tokens",
            TokenRequest { header: Some("taxjar"), connector: Connector::TAXJAR, ..stripe() },
            ErrorCode::Unimplemented,
        ),
        ("no credentials", TokenRequest { credentials: None, ..stripe() }, ErrorCode::Unauthenticated),
        ("not JSON", with("sk_test_canary_4242424242"), ErrorCode::Unauthenticated),
        ("wrong type", with(r#"{"Stripe":{"api_key":42424242}}"#), ErrorCode::Unauthenticated),
        ("field missing", with(r#"{"Stripe":{}}"#), ErrorCode::Unauthenticated),
        (
            "unknown field",
            with(r#"{"Stripe":{"api_key":"sk_test_x","sk_test_canary_4242424242":"x"}}"#),
            ErrorCode::Unauthenticated,
        ),
        ("64 KiB", with(&long), ErrorCode::Unauthenticated),
        ("no reference", TokenRequest { reference: String::new(), ..stripe() }, ErrorCode::InvalidArgument),
        ("unknown key", stripe().data(json!({"custommer": "x"})), ErrorCode::InvalidArgument),
        ("wrong type of a key", stripe().data(json!({"customer": 5})), ErrorCode::InvalidArgument),
        ("unknown grant", stripe().data(json!({"grant": "root"})), ErrorCode::InvalidArgument),
        ("lifetime too short", stripe().data(json!({"ttl_seconds": 60})), ErrorCode::InvalidArgument),
        ("lifetime too long", stripe().data(json!({"ttl_seconds": 86401})), ErrorCode::InvalidArgument),
        (
            "lifetime that cannot be set",
            stripe().data(json!({"grant": "setup_intent", "ttl_seconds": 60})),
            ErrorCode::InvalidArgument,
        ),
        ("scopes that cannot be set", stripe().data(json!({"scopes": ["all"]})), ErrorCode::InvalidArgument),
        ("feature data not an object", stripe().data(json!([1])), ErrorCode::InvalidArgument),
        ("metadata not an object", TokenRequest { metadata: Some(json!("x")), ..stripe() }, ErrorCode::InvalidArgument),
        ("inputs missing", TokenRequest::adyen(), ErrorCode::InvalidArgument),
        ("one of several missing", stripe().data(json!({"grant": "ephemeral_key"})), ErrorCode::InvalidArgument),
    ];
    let sent = |name, value| TokenRequest { headers: vec![(name, value)], ..stripe() };
    let repeated = [
        ("connector twice", sent("x-connector", "stripe"), ErrorCode::InvalidArgument),
        ("credentials twice", sent("x-connector-auth", r#"{"Stripe":{"api_key":"x"}}"#), ErrorCode::Unauthenticated),
        ("connector not ASCII", TokenRequest { header: Some("strìpe"), ..stripe() }, ErrorCode::InvalidArgument),
    ];
    for (what, request, want) in table.into_iter().chain(repeated) {
        match served.call(&request).await {
            Ok(answer) => panic!("{what}: {answer:?}"),
            Err(error) => {
                assert_eq!(error.code, want, "{what}: {error:?}");
                assert!(error.details.iter().any(|detail| detail.type_url.ends_with("google.rpc.ErrorInfo")), "{what}");
                assert!(!format!("{error:?}").contains("4242424242"), "{what}: {error:?}");
            }
        }
    }
    let log = served.stop();
    assert!(!log.contains("4242424242"), "{log}");
    assert!(
        log.lines().filter(|line| line.contains("\"message\":\"call\"")).all(|line| line.contains("\"attempts\":0")),
        "{log}"
    );
}

#[tokio::test]
async fn errors_name_missing_inputs() {
    let served = TestServer::sandboxed();
    let error = served.call(&TokenRequest::adyen()).await.unwrap_err();
    for field in ["currency", "return_url"] {
        assert!(error.message.as_deref().unwrap_or_default().contains(field), "{error:?}");
    }
    let configured = TestServer::start(
        &["--sandbox"],
        &[
            ("DAYPASS_CONNECTORS__ADYEN__DEFAULTS__CURRENCY", "EUR"),
            ("DAYPASS_CONNECTORS__ADYEN__DEFAULTS__RETURN_URL", "https://shop.example/return"),
        ],
    );
    let answer = configured.call(&TokenRequest::adyen()).await.unwrap();
    assert_eq!(answer.status, OperationStatus::SUCCESS, "{answer:?}");
}

#[tokio::test]
async fn refusals_are_responses_and_outages_are_errors() {
    let mut served = TestServer::sandboxed();
    for (key, status, http) in [
        ("sk_test_decline_401", OperationStatus::AUTHENTICATION_FAILED, 401),
        ("sk_test_decline_403", OperationStatus::AUTHENTICATION_FAILED, 403),
        ("sk_test_decline_429", OperationStatus::RATE_LIMITED, 429),
    ] {
        let answer = served.call(&TokenRequest::stripe(key)).await.unwrap();
        assert!(answer.status == status && answer.status_code == http, "{answer:?}");
        assert!(answer.error.is_set() && !answer.access_token.is_set());
        assert!(!format!("{answer:?}").contains(key), "{answer:?}");
    }
    assert_eq!(code(served.call(&TokenRequest::stripe("sk_test_decline_500")).await), ErrorCode::Unavailable);
    assert_eq!(code(served.call(&TokenRequest::stripe("sk_test_garbage")).await), ErrorCode::Internal);
    let slow = TokenRequest { timeout: Duration::from_millis(700), ..TokenRequest::stripe("sk_test_slow") };
    assert_eq!(code(served.call(&slow).await), ErrorCode::DeadlineExceeded);
    let log = served.stop();
    assert!(!log.contains("sk_test"), "{log}");
}

/// Clients of the `types` package read `expires_in_seconds` as a duration. A Unix time would be a
/// duration of decades.
#[tokio::test]
async fn expires_in_seconds_is_a_duration_in_types_and_a_time_in_ucs() {
    let served = TestServer::sandboxed();
    let credentials = r#"{"Paypal":{"client_id":"id-1","client_secret":"secret-1"}}"#;
    let call = |reference: usize, path: &str, data: &str| -> Value {
        let reference = format!("expiry_{reference}");
        let body = json!({"merchant_access_token_id": reference, "connector_feature_data": data}).to_string();
        let reply = served.http(
            served.address,
            &format!(
                "POST /{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 x-connector: paypal\r\nx-connector-auth: {credentials}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        let json = reply.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{path}: {reply}"));
        serde_json::from_str(json).unwrap()
    };
    let seconds = |answer: &Value, key: &str| -> i64 {
        answer[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{key}: {answer}"))
    };
    let domains = r#"{"domains":["shop.example"]}"#;
    let table = [
        ("ucs.v2.MerchantAuthenticationService/CreateAccessToken", domains, true),
        ("types.MerchantAuthenticationService/CreateAccessToken", domains, false),
        ("types.MerchantAuthenticationService/CreateServerAuthenticationToken", "{}", false),
        ("ucs.v2.MerchantAuthenticationService/CreateAccessToken", r#"{"audience":"server"}"#, true),
    ];
    for (nth, (path, data, is_moment)) in table.into_iter().enumerate() {
        let before = now();
        let answer = call(nth, path, data);
        let (moment, left) = (seconds(&answer, "expires_at"), seconds(&answer, "lifetime_seconds"));
        assert!((1..=86_400 * 2).contains(&left), "{path}: {answer}");
        assert!((before..=now() + left + 1).contains(&moment) && moment > before, "{path}: {answer}");
        assert_eq!(seconds(&answer, "expires_in_seconds"), if is_moment { moment } else { left }, "{path}: {answer}");
    }
}
