//! Checkout.com: payment sessions of Flow, access tokens, and cardholder tokens of Issuing.
//!
//! Written from PyPI checkout-sdk 4.8.1 (members of a session), npm checkout-sdk-node 5.2.1 (paths) and
//! the vendor's pages on OAuth and Issuing. The calls of Flow are not public: one invented endpoint
//! replaces them.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static CHECKOUT: FakeVendor = FakeVendor {
    name: "checkout",
    credentials: r#"{"api_key": "pk_sbox_sandbox", "api_secret": "sk_sbox_sandbox", "processing_channel_id": "pc_sandbox00000000000000000000"}"#,
    secrets: &["client_secret"],
    request_id: Some("cko-request-id"),
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "payment_session",
            allowed: |client| {
                let call = ClientCall::new("tokenize a card in Flow", "POST", "/checkout/flow/tokenize");
                call.json(&json!({"payment_session_token": client.token, "number": "4242424242424242"}))
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "cardholder_access_token",
            allowed: |client| {
                let path = "/checkout/issuing/cards/crd_made0up/credentials";
                ClientCall::new("show the card's number", "GET", path).bearer(&client.token)
            },
            forbidden: refund,
        },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("payment_session", r#"{"currency": "GBP", "billing": {"address": {"country": "GB"}}}"#),
    (
        "cardholder_access_token",
        r#"{"client_id": "ack_sandbox", "client_secret": "sandbox-secret", "cardholder_id": "crh_sandbox"}"#,
    ),
    (
        "oauth_client_credentials",
        r#"{"client_id": "ack_sandbox", "client_secret": "sandbox-secret", "scopes": ["payment-sessions"]}"#,
    ),
];

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/checkout/payments/pay_made0up/refunds");
    call.bearer(&client.token).json(&json!({"amount": 100}))
}

/// The answer to a refused key has an empty body.
fn failure(status: u16, state: &mut VendorState) -> Answer {
    match status {
        401 | 403 => Answer::text(status, ""),
        422 => refused("request_invalid", state),
        429 => error(429, "too_many_requests", "rate_limited", state),
        _ => error(status, "processing_error", "internal_error", state),
    }
}

fn error(status: u16, kind: &str, code: &str, state: &mut VendorState) -> Answer {
    let id = state.random_id_of("", 13, b"0123456789ABCDEF");
    Answer::json(status, &json!({"request_id": id, "error_type": kind, "error_codes": [code]}))
}

fn refused(code: &str, state: &mut VendorState) -> Answer {
    error(422, "request_invalid", code, state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["payment-sessions"]) => payment_session(request, state),
        ("POST", ["connect", "token"]) => access_token(request, state),
        ("POST", ["issuing", "access", "connect", "token"]) => cardholder_token(request, state),
        ("POST", ["flow", "tokenize"]) => {
            let body = request.json().unwrap_or_default();
            let token = body.get("payment_session_token").and_then(Value::as_str).unwrap_or_default();
            state.active(token, &["payment_session"]).map_err(|_| Answer::text(401, ""))?;
            Ok(Answer::json(201, &json!({"type": "card", "token": state.random_id("tok_", 26), "last4": "4242"})))
        }
        ("GET", ["issuing", "cards", id, "credentials"]) => {
            let token = request.bearer().unwrap_or_default();
            let kinds = ["cardholder_access_token", "single_use_cardholder_token"];
            let issued = state.active(token, &kinds).map_err(|_| Answer::text(401, ""))?;
            issued.used = issued.kind == "single_use_cardholder_token";
            Ok(Answer::json(200, &json!({"id": id, "number": "4242424242424242"})))
        }
        ("POST", ["payments", _, "refunds"]) => {
            key(request)?;
            Ok(Answer::json(202, &json!({"action_id": state.random_id("act_", 26)})))
        }
        _ => Err(Answer::text(404, "")),
    }
}

fn key(request: &Request) -> Result<(), Answer> {
    match request.bearer() {
        Some(key) if key.starts_with("sk_") => Ok(()),
        _ => Err(Answer::text(401, "")),
    }
}

/// The members of a session's request (PyPI checkout-sdk 4.8.1).
const MEMBERS: &[&str] = &[
    "amount",
    "currency",
    "billing",
    "success_url",
    "failure_url",
    "payment_type",
    "billing_descriptor",
    "reference",
    "description",
    "customer",
    "shipping",
    "recipient",
    "processing",
    "instruction",
    "processing_channel_id",
    "payment_method_configuration",
    "items",
    "amount_allocations",
    "risk",
    "display_name",
    "metadata",
    "locale",
    "3ds",
    "sender",
    "capture",
    "capture_on",
    "expires_on",
    "enabled_payment_methods",
    "disabled_payment_methods",
    "customer_retry",
    "ip_address",
    "authorization_type",
    "payment_plan",
];

fn payment_session(request: &Request, state: &mut VendorState) -> Handled {
    key(request)?;
    let body = request.json().filter(Value::is_object).ok_or_else(|| refused("request_body_malformed", state))?;
    let text = |place: &str| body.pointer(place).and_then(Value::as_str);
    if body.get("amount").and_then(Value::as_i64).is_none_or(|amount| amount < 0) {
        return Err(refused("amount_invalid", state));
    }
    let capitals = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase());
    match (text("/currency"), text("/billing/address/country")) {
        (None, _) => return Err(refused("currency_required", state)),
        (_, None) => return Err(refused("address_country_required", state)),
        (Some(currency), _) if !capitals(currency, 3) => return Err(refused("currency_invalid", state)),
        (_, Some(country)) if !capitals(country, 2) => return Err(refused("address_country_invalid", state)),
        _ => {}
    }
    if text("/processing_channel_id").is_some_and(|id| !id.starts_with("pc_")) {
        return Err(refused("processing_channel_id_invalid", state));
    }
    let expires_on = match body.get("expires_on").map(|value| value.as_str().and_then(|text| text.parse().ok())) {
        None => state.now.saturating_add(3600),
        Some(moment) => moment.map_or(0, Timestamp::as_second),
    };
    if text("/reference").is_some_and(|reference| reference.chars().count() > 80) {
        return Err(refused("reference_invalid", state));
    }
    if let Some(name) = body.as_object().and_then(|it| it.keys().find(|name| !MEMBERS.contains(&name.as_str()))) {
        return Err(refused(&format!("{name}_unknown"), state));
    }
    if expires_on <= state.now {
        return Err(refused("expires_on_invalid", state));
    }
    let token = BASE64_STANDARD.encode(state.bytes(90));
    state.issue(&token, "payment_session", Some(expires_on), &[]);
    let id = state.random_id_of("ps_", 26, b"0123456789abcdefghijklmnopqrstuvwxyz");
    let secret = state.random_id("pss_", 32);
    Ok(Answer::json(201, &json!({"id": id, "payment_session_token": token, "payment_session_secret": secret})))
}

fn oauth_error(code: &str) -> Answer {
    Answer::json(400, &json!({"error": code}))
}

const SCOPES: &str = "gateway vault vault:tokenization vault:instruments payment-sessions sessions:app sessions:browser \
    issuing:client issuing:card-mgmt disputes balances transfers files reports forward";

fn access_token(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let pair = request
        .basic()
        .or_else(|| Some((form.value("client_id")?.to_owned(), form.value("client_secret")?.to_owned())));
    pair.filter(|(id, secret)| !id.is_empty() && !secret.is_empty()).ok_or_else(|| oauth_error("invalid_client"))?;
    let scope = form.value("scope").unwrap_or_default();
    if form.value("grant_type") != Some("client_credentials") {
        return Err(oauth_error("unsupported_grant_type"));
    }
    if scope.is_empty() || !scope.split(' ').all(|scope| SCOPES.split_whitespace().any(|known| known == scope)) {
        return Err(oauth_error("invalid_scope"));
    }
    issue("access_token", scope, state)
}

fn cardholder_token(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let given = |name| form.value(name).filter(|value| !value.is_empty());
    given("client_id").and(given("client_secret")).ok_or_else(|| oauth_error("invalid_client"))?;
    if form.value("grant_type") != Some("client_credentials") {
        return Err(oauth_error("unsupported_grant_type"));
    }
    given("cardholder_id").filter(|id| id.starts_with("crh_")).ok_or_else(|| oauth_error("invalid_request"))?;
    match given("single_use") {
        Some("true") => issue("single_use_cardholder_token", "issuing:card-management-read", state),
        Some("false") | None => issue("cardholder_access_token", "issuing:card-management-read", state),
        Some(_) => Err(oauth_error("invalid_request")),
    }
}

fn issue(kind: &'static str, scope: &str, state: &mut VendorState) -> Handled {
    let token = state.jwt("RS256", &json!({"exp": state.now.saturating_add(3600), "scope": scope}));
    state.issue(&token, kind, Some(state.now.saturating_add(3600)), &[]);
    Ok(Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": scope})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn a_session_is_for_flow_and_a_cardholder_for_one_card() {
        let mut fake = Fake::new("checkout");
        let key = [("authorization", "Bearer sk_sbox_a")];
        let body = r#"{"amount": 0, "currency": "GBP", "billing": {"address": {"country": "GB"}}}"#;
        let (status, session) = fake.ask("POST /payment-sessions", &key, body);
        assert_eq!(status, 201);
        fake.check_token_use("payment_session", &session["payment_session_token"], &[], Some(3600));
        assert_eq!(fake.ask("POST /payment-sessions", &[], body).0, 401);
        let (status, answer) = fake.ask("POST /payment-sessions", &key, r#"{"amount": 0}"#);
        assert_eq!((status, &answer["error_codes"][0]), (422, &"currency_required".into()));
        let form = "grant_type=client_credentials&client_id=ack_a&client_secret=b&cardholder_id=crh_a";
        let (_, answer) = fake.ask("POST /issuing/access/connect/token", &[], form);
        fake.check_token_use("cardholder_access_token", &answer["access_token"], &[], Some(3600));
        let basic = [("authorization", "Basic YTpi")];
        for (scope, status) in [("gateway", 200), ("everything", 400)] {
            let form = format!("grant_type=client_credentials&scope={scope}");
            assert_eq!(fake.ask("POST /connect/token", &basic, &form).0, status);
        }
    }
}
