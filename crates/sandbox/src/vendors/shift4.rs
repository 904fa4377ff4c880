//! Shift4: checkout sessions.
//!
//! Written from the vendor's Java SDK (`CheckoutSessionRequest`, `CheckoutSession`,
//! `Shift4Gateway`) and <https://dev.shift4.com/docs/api>. The documents do not describe the calls
//! of the widget: `/checkout/pay` is invented.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[("checkout_session", r#"{"amount": 1000, "currency": "USD"}"#)];

/// The members of a session that the SDK knows, and `redirectUrl`, which later models have.
const MEMBERS: [&str; 12] = [
    "customer",
    "paymentLinkId",
    "locale",
    "lineItems",
    "collectBillingAddress",
    "collectShippingAddress",
    "metadata",
    "customFieldsTitle",
    "customFields",
    "capture",
    "merchantAccountId",
    "redirectUrl",
];

pub(super) static SHIFT4: FakeVendor = FakeVendor {
    name: "shift4",
    credentials: r#"{"api_key": "sk_test_sandbox"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "checkout_session",
        allowed: |client| pay(&json!({"clientSecret": client.token})),
        forbidden: refund,
    }],
};

fn pay(body: &Value) -> ClientCall {
    ClientCall::new("pay in the checkout", "POST", "/shift4/checkout/pay").json(body)
}

fn refund(client: &ClientToken) -> ClientCall {
    let basic = BASE64_STANDARD.encode(format!("{}:", client.token));
    let call = ClientCall::new("refund a charge", "POST", "/shift4/refunds");
    call.header("authorization", format!("Basic {basic}")).json(&json!({"chargeId": "char_some"}))
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let mut error = json!({"type": kind, "code": code, "message": message});
    if let Some(error) = error.as_object_mut() {
        error.retain(|_, value| !value.is_null());
    }
    Answer::json(status, &json!({"error": error}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "invalid_request", None, "Provided API key is invalid"),
        429 => error(429, "rate_limit_error", None, "Too many requests"),
        500.. => error(status, "gateway_error", None, "An error occurred in the gateway"),
        _ => error(status, "invalid_request", None, "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/checkout/pay") => {
            let session = state.active(text(&body, "/clientSecret"), &["session"]).map_err(|_| failure(401))?;
            session.used = true;
            Ok(Answer::json(200, &json!({"id": state.random_id("char_", 24), "status": "successful"})))
        }
        ("POST", "/checkout-sessions" | "/refunds") => {
            request
                .basic()
                .filter(|(key, password)| password.is_empty() && (key.starts_with("sk_") || key.starts_with("pr_")))
                .ok_or_else(|| failure(401))?;
            if request.path == "/refunds" {
                return Ok(Answer::json(200, &json!({"id": state.random_id("re_", 24), "status": "successful"})));
            }
            let make = |state: &mut VendorState| session(&body, state).unwrap_or_else(|refusal| refusal);
            match state.idempotent(request.header("idempotency-key").map(str::to_owned), 86_400, request, make) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => {
                    Err(error(400, "invalid_request", None, "Idempotency-Key was used for another request"))
                }
            }
        }
        _ => Err(error(404, "invalid_request", None, "Requested resource does not exist")),
    }
}

fn session(body: &Value, state: &mut VendorState) -> Handled {
    let unknown = body.as_object().and_then(|body| body.keys().find(|key| !MEMBERS.contains(&key.as_str())));
    if let Some(name) = unknown {
        return Err(error(400, "invalid_request", None, &format!("Unknown parameter: {name}")));
    }
    let product = body.pointer("/lineItems/0/product").cloned().unwrap_or_default();
    if product.get("amount").and_then(Value::as_i64).is_none_or(|amount| amount < 0) {
        return Err(error(400, "invalid_request", Some("invalid_amount"), "The amount is missing or not valid"));
    }
    if text(&product, "/currency").len() != 3 || text(&product, "/name").is_empty() {
        return Err(error(400, "invalid_request", None, "The line item needs a name and a currency"));
    }
    let (id, secret) = (state.random_id("chse_", 24), state.random_id("chse_secret_", 32));
    state.issue(&secret, "session", None, &[]);
    let url = format!("https://pay.shift4.com/{id}");
    Ok(Answer::json(
        200,
        &json!({"id": id, "clientSecret": secret, "lineItems": body.get("lineItems"),
        "capture": true, "deleted": false, "expired": false, "status": "OPEN", "url": url}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    const AUTH: (&str, &str) = ("authorization", "Basic c2tfdGVzdF8xOg==");

    #[test]
    fn a_session_is_paid_once() {
        let mut fake = Fake::new("shift4");
        let body = r#"{"lineItems":[{"product":{"name":"Payment","amount":1000,"currency":"USD"},"quantity":1}]}"#;
        let (status, made) = fake.ask("POST /checkout-sessions", &[AUTH], body);
        assert_eq!(status, 200, "{made}");
        fake.check_token_use("checkout_session", &made["clientSecret"], &[], None);
        let unknown = body.replacen('{', r#"{"charge":{},"#, 1);
        assert_eq!(fake.ask("POST /checkout-sessions", &[AUTH], &unknown).0, 400);
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("shift4");
        let no_key = [("authorization", "Basic YTpi")];
        assert_eq!(fake.ask("POST /checkout-sessions", &no_key, "{}").0, 401);
        let (status, body) = fake.ask("POST /checkout-sessions", &[AUTH], r#"{"lineItems":[]}"#);
        assert_eq!((status, text(&body, "/error/code")), (400, "invalid_amount"));
        let made_up = json!({"clientSecret": "made up"}).to_string();
        assert_eq!(fake.ask("POST /checkout/pay", &[], &made_up).0, 401);
    }
}
