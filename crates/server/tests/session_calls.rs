//! The calls whose answer has the form of a connector's client SDK, and those for sessions of
//! backends, as JSON, against the sandbox.

use connectors::CONNECTORS;
use sandbox::fake_vendor;
use serde_json::{Map, Value, json};

use crate::{
    common::TestServer,
    existing_clients::{call, field},
};

/// A session call with the sandbox's credentials of a connector.
fn session(served: &TestServer, package: &str, method: &str, connector: &str, body: &Value) -> (u16, Value) {
    let credentials: Value = serde_json::from_str(fake_vendor(connector).unwrap().credentials).unwrap();
    with_credentials(served, package, method, connector, &credentials, body)
}

fn with_credentials(
    served: &TestServer,
    package: &str,
    method: &str,
    connector: &str,
    credentials: &Value,
    body: &Value,
) -> (u16, Value) {
    let credentials = json!({ connector: credentials }).to_string();
    let headers = [("x-connector", connector), ("x-connector-auth", &credentials)];
    call(served, &format!("{package}.MerchantAuthenticationService/{method}"), &headers, body)
}

const CLIENT: &str = "CreateClientAuthenticationToken";

fn payment(reference: &str, minor: i64, more: &Value) -> Value {
    let mut payment = json!({"amount": {"minor_amount": minor, "currency": "USD"},
        "return_url": "https://shop.example/back", "country_alpha2_code": "US"});
    payment.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({"merchant_client_session_id": reference, "test_mode": true, "payment": payment})
}

/// `(connector, its arm, the members of the arm)`.
const ARMS: [(&str, &str, &[&str]); 20] = [
    ("stripe", "stripe", &["client_secret"]),
    ("adyen", "adyen", &["session_id", "session_data"]),
    ("checkout", "checkout", &["payment_session_id", "payment_session_token", "payment_session_secret"]),
    ("cybersource", "cybersource", &["capture_context", "client_library", "client_library_integrity"]),
    ("nuvei", "nuvei", &["session_token"]),
    ("mollie", "mollie", &["payment_id", "checkout_url"]),
    ("globalpay", "globalpay", &["access_token", "token_type", "expires_in"]),
    ("bluesnap", "bluesnap", &["pf_token"]),
    ("rapyd", "rapyd", &["checkout_id", "redirect_url"]),
    ("shift4", "shift4", &["client_secret"]),
    ("bankofamerica", "bank_of_america", &["capture_context"]),
    ("wellsfargo", "wellsfargo", &["capture_context"]),
    ("elavon", "elavon", &["session_token"]),
    ("billwerk", "billwerk", &["session_id"]),
    ("datatrans", "datatrans", &["transaction_id"]),
    ("payload", "payload", &["client_token"]),
    ("multisafepay", "multisafepay", &["api_token"]),
    ("nexinets", "nexinets", &["order_id"]),
    ("nexixpay", "nexixpay", &["hosted_page"]),
    ("revolut", "revolut", &["token"]),
];

#[tokio::test]
async fn each_arm_has_what_its_client_needs_and_nothing_of_the_backend() {
    let served = TestServer::sandboxed();
    for package in ["types", "ucs.v2"] {
        for (connector, arm, members) in ARMS {
            for minor in [1000, 0] {
                let customer = match (connector, minor) {
                    ("billwerk", _) | ("rapyd", 0) => json!({"customer": {"connector_customer_id": "cus_1"}}),
                    _ => json!({}),
                };
                let body = payment(&format!("{package}-{connector}-{minor}"), minor, &customer);
                let (status, answer) = session(&served, package, CLIENT, connector, &body);
                assert_eq!(status, 200, "{connector} {minor}: {answer}");
                let given = answer["session_data"]["connector_specific"][arm].as_object();
                let given = given.unwrap_or_else(|| panic!("{connector}: {answer}"));
                let mut names: Vec<_> = given.keys().map(String::as_str).collect();
                let mut wanted = members.to_vec();
                names.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(names, wanted, "{connector} {minor}");
                assert!(given.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{answer}");
                assert_eq!((&answer["audience"], &answer["status"]), (&json!("CLIENT"), &json!("SUCCESS")));
                assert_eq!(answer["merchant_client_session_id"], body["merchant_client_session_id"]);
                assert!(answer["grant"].is_string(), "{answer}");
                assert_eq!(answer["expires_at"].is_null(), answer["lifetime_seconds"].is_null(), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn wallets_and_links_have_their_arms() {
    let served = TestServer::sandboxed();
    let (_, answer) = session(&served, "types", CLIENT, "paypal", &payment("p", 1000, &json!({})));
    let paypal = &answer["session_data"]["paypal"];
    assert_eq!((&paypal["connector"], &paypal["session_token"]), (&json!("paypal"), &paypal["client_token"]));
    assert_eq!(paypal["sdk_next_action"], "SDK_NEXT_ACTION_POST_SESSION_TOKENS");
    let info = json!({"flow": "PAYPAL_FLOW_CHECKOUT", "currency_code": "USD", "total_price": "1000"});
    assert_eq!(paypal["transaction_info"], info);

    let mut credentials: Map<String, Value> =
        serde_json::from_str(fake_vendor("braintree").unwrap().credentials).unwrap();
    credentials.insert("paypal_client_id".into(), "paypal-app".into());
    let body = payment("b", 1000, &json!({"payment_method_type": "PAY_PAL"}));
    let (_, answer) = with_credentials(&served, "types", CLIENT, "braintree", &credentials.into(), &body);
    let paypal = &answer["session_data"]["paypal"];
    assert_eq!(
        (&paypal["connector"], &paypal["session_token"]),
        (&json!("braintree"), &json!("paypal-app")),
        "{answer}"
    );
    assert!(paypal["client_token"].is_string() && paypal["sdk_next_action"] == "SDK_NEXT_ACTION_CONFIRM", "{answer}");

    let body = json!({"merchant_client_session_id": "l", "test_mode": true, "authenticator":
        {"country_codes": ["US"], "locale": "en-US", "customer": {"id": "shop-1"}},
        "connector_feature_data": {"client_name": "Shop", "products": ["auth"]}});
    let (_, answer) = session(&served, "ucs.v2", CLIENT, "plaid", &body);
    let plaid = &answer["session_data"]["authenticator_connector_specific"]["plaid"];
    assert!(plaid["link_token"].as_str().unwrap().starts_with("link-"), "{answer}");
    let left: i64 = plaid["expires_in_seconds"].as_str().unwrap().parse().unwrap();
    assert!((1..=14_400).contains(&left), "a duration under each path: {answer}");
}

#[tokio::test]
async fn values_of_the_backend_need_audience_server() {
    let served = TestServer::sandboxed();
    for (connector, member, body) in [
        ("nexixpay", "security_token", payment("n", 1000, &json!({}))),
        ("revolut", "order_id", payment("r", 1000, &json!({}))),
        ("fiserv", "session_id", payment("f", 1000, &json!({}))),
    ] {
        let mut body = body;
        body["connector_feature_data"] = match connector {
            "fiserv" => json!({"audience": "server", "terminal_id": "10000001"}),
            _ => json!({"audience": "server"}),
        };
        let (status, answer) = session(&served, "types", CLIENT, connector, &body);
        assert_eq!(status, 200, "{connector}: {answer}");
        let arm = &answer["session_data"]["connector_specific"][connector];
        assert!(arm[member].as_str().is_some_and(|value| !value.is_empty()), "{connector}: {answer}");
        assert_eq!(answer["audience"], "SERVER");
    }
    let (status, error) = session(&served, "types", CLIENT, "fiserv", &payment("f2", 1000, &json!({})));
    assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("for the backend"), "{error}");
}

#[tokio::test]
async fn the_earlier_names_and_the_sessions_of_backends_answer_in_both_packages() {
    let served = TestServer::sandboxed();
    let amount = json!({"minor_amount": "1000", "currency": "USD"});
    for package in ["types", "ucs.v2"] {
        let body = json!({"merchantSdkSessionId": format!("s-{package}"), "amount": amount});
        let (status, answer) = session(&served, package, "CreateSdkSessionToken", "paypal", &body);
        assert_eq!(status, 200, "{answer}");
        assert!(answer["session_token"]["paypal"]["session_token"].is_string(), "{answer}");
        let (status, error) = session(&served, package, "CreateSdkSessionToken", "stripe", &body);
        assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{error}");

        for (method, reference, context) in [
            ("CreateSessionToken", "merchant_session_id", json!({"amount": amount})),
            (
                "CreateServerSessionAuthenticationToken",
                "merchant_server_session_id",
                json!({"payment": {"amount": amount, "customer": {"id": "shop-1"}}}),
            ),
        ] {
            for connector in ["nuvei", "authorizedotnet"] {
                let mut body = context.clone();
                body[reference] = format!("{package}-{method}").into();
                body["test_mode"] = true.into();
                let (status, answer) = session(&served, package, method, connector, &body);
                assert_eq!(status, 200, "{connector}: {answer}");
                assert!(answer["session_token"].as_str().is_some_and(|token| !token.is_empty()), "{answer}");
                assert_eq!(answer[reference], body[reference]);
            }
            let (status, error) = session(&served, package, method, "payu", &json!({reference: "payu"}));
            assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{error}");
        }
    }
}

#[tokio::test]
async fn the_code_of_a_consent_becomes_the_session_of_a_backend() {
    let served = TestServer::sandboxed();
    let amount = json!({"minor_amount": "1000", "currency": "SGD"});
    for package in ["types", "ucs.v2"] {
        for (method, reference, context) in [
            ("CreateSessionToken", "merchant_session_id", json!({"amount": amount})),
            (
                "CreateServerSessionAuthenticationToken",
                "merchant_server_session_id",
                json!({"payment": {"amount": amount}}),
            ),
        ] {
            let ask = |name: &str, more: &Value| {
                let mut body = context.clone();
                let name = format!("{package}-{method}-{name}");
                let mut data = json!({"code": name, "code_verifier": "sandbox-verifier-of-forty-three-characters0",
                    "redirect_uri": "https://shop.example/back"});
                data.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
                body[reference] = name.into();
                body["test_mode"] = true.into();
                body["connector_feature_data"] = data;
                session(&served, package, method, "grabpay", &body)
            };
            let (status, answer) = ask("server", &json!({"audience": "server"}));
            assert_eq!(status, 200, "{answer}");
            assert!(answer["session_token"].as_str().is_some_and(|token| !token.is_empty()), "{answer}");
            assert_eq!((&answer["audience"], &answer["grant"]), (&json!("SERVER"), &json!("authorization_code")));
            let (_, again) = ask("server", &json!({"audience": "server"}));
            assert_eq!(again["session_token"], answer["session_token"], "a code works once: {again}");

            let (status, error) = ask("unsaid", &json!({}));
            assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("for the backend") && !message.contains("CreateAccessToken"), "{error}");

            let (status, error) = ask("state", &json!({"audience": "server", "state": "a", "callback_state": "b"}));
            assert_eq!((status, field(&error)), (400, "connector_feature_data.callback_state"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_connector_without_an_arm_says_why() {
    let served = TestServer::sandboxed();
    let with_arms: Vec<_> = ARMS.iter().map(|(connector, ..)| *connector).collect();
    for entry in CONNECTORS {
        let connector = entry.meta.id;
        if with_arms.contains(&connector) || ["paypal", "braintree", "plaid"].contains(&connector) {
            continue;
        }
        let (status, error) = session(&served, "types", CLIENT, connector, &json!({}));
        assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{connector}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(entry.meta.name) && message.contains(": "), "{connector}: {error}");
    }
    let (status, error) = call(
        &served,
        "types.MerchantAuthenticationService/CreateClientAuthenticationToken",
        &[("x-connector", "noon")],
        &json!({}),
    );
    assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{error}");
}

#[tokio::test]
async fn references_of_sessions_and_of_tokens_are_apart() {
    let served = TestServer::sandboxed();
    let token = json!({"merchant_access_token_id": "same", "test_mode": true});
    for (method, body) in [
        ("CreateServerAuthenticationToken", &token),
        (CLIENT, &payment("same", 5, &json!({}))),
        ("CreateServerAuthenticationToken", &token),
    ] {
        let (status, answer) = session(&served, "types", method, "paypal", body);
        assert_eq!(status, 200, "{method}: {answer}");
    }
    let of = |minor| session(&served, "types", CLIENT, "stripe", &payment("same", minor, &json!({})));
    let (_, first) = of(5);
    assert_eq!(of(5).1["session_data"], first["session_data"], "a repeated call has the same answer");
    let (status, error) = of(6);
    assert_eq!((status, &error["code"]), (409, &json!("already_exists")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("merchant_client_session_id"), "{error}");
}

#[tokio::test]
async fn faults_have_the_names_of_the_request() {
    let served = TestServer::sandboxed();
    let (status, error) = session(&served, "ucs.v2", CLIENT, "stripe", &json!({}));
    assert_eq!((status, field(&error)), (400, "merchant_client_session_id"));
    let (status, answer) = session(&served, "types", CLIENT, "stripe", &json!({}));
    assert_eq!(status, 200, "under types the reference may be absent: {answer}");
    for (connector, body, at) in [
        ("adyen", json!({"payment": {"amount": {"minor_amount": 5, "currency": "EUR"}}}), "payment.return_url"),
        ("adyen", json!({"payment": {"retrun_url": "https://a.example"}}), "payment.retrun_url"),
        ("bluesnap", json!({"permissions": {"values": ["a"]}}), "permissions"),
        ("stripe", json!({"connector_feature_data": {"grant": "ephemeral_key"}}), "connector_feature_data.grant"),
        ("stripe", json!({"connector_feature_data": {"colour": "red"}}), "connector_feature_data.colour"),
    ] {
        let (status, error) = session(&served, "types", CLIENT, connector, &body);
        assert_eq!((status, field(&error)), (400, at), "{connector}: {error}");
    }
    // A refusal of the connector is an answer, as that of CreateAccessToken.
    let refused = json!({"api_key": "sk_test_revoked"});
    let body = payment("refused", 1000, &json!({}));
    let (status, answer) = with_credentials(&served, "types", CLIENT, "stripe", &refused, &body);
    assert_eq!((status, &answer["status"]), (200, &json!("AUTHENTICATION_FAILED")), "{answer}");
    assert_eq!((&answer["status_code"], &answer["session_data"]), (&json!(401), &Value::Null), "{answer}");
    assert_eq!(answer["error"]["unified_details"]["code"], "CREDENTIALS_REJECTED");
}

#[tokio::test]
async fn a_reference_keeps_its_token_after_another_one_asked_for_a_new_one() {
    let served = TestServer::sandboxed();
    let ask = |reference: &str, more: &[(&str, &str)]| {
        let credentials = r#"{"Airwallex":{"api_key":"key-7","client_id":"id-7"}}"#;
        let mut headers = vec![("x-connector", "airwallex"), ("x-connector-auth", credentials)];
        headers.extend_from_slice(more);
        let body = json!({"merchant_access_token_id": reference});
        let method = "types.MerchantAuthenticationService/CreateServerAuthenticationToken";
        let (status, token) = call(&served, method, &headers, &body);
        assert_eq!(status, 200, "{token}");
        token["access_token"].as_str().unwrap().to_owned()
    };
    let first = ask("a1", &[]);
    assert_eq!(ask("b1", &[]), first, "equal calls share a token");
    let second = ask("b1", &[("cache-control", "no-cache")]);
    assert_ne!(second, first);
    assert_eq!(ask("a1", &[]), first, "a1 has the token that it had, while that lives");
    assert_eq!(ask("b1", &[]), second);
    let third = ask("c1", &[("cache-control", "no-cache")]);
    assert_eq!([ask("a1", &[]), ask("b1", &[]), ask("d1", &[])], [first, second, third]);
}
