//! Billwerk+ (Frisbii, Reepay): checkout sessions.
//!
//! Written from the models of reepay/reepay-checkout-python, which is generated from the vendor's
//! definition, and <https://docs.frisbii.com/reference/createchargesession>.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static BILLWERK: FakeVendor = FakeVendor {
    name: "billwerk",
    credentials: r#"{"api_key": "priv_sandbox", "public_api_key": "pub_sandbox"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse { grant: "recurring_session", allowed: window, forbidden: refund },
        TokenUse { grant: "charge_session", allowed: window, forbidden: refund },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("recurring_session", r#"{"create_customer": {"generate_handle": true, "email": "shopper@shop.example"}}"#),
    ("charge_session", r#"{"amount": 1000, "currency": "EUR", "customer_handle": "customer-1"}"#),
];

fn window(client: &ClientToken) -> ClientCall {
    ClientCall::new("open the checkout window", "GET", format!("/billwerk/checkout/{}", client.token))
}

fn refund(client: &ClientToken) -> ClientCall {
    let pair = BASE64_STANDARD.encode(format!("{}:", client.token));
    let call = ClientCall::new("refund an invoice", "POST", "/billwerk/v1/refund");
    call.header("authorization", format!("Basic {pair}")).json(&json!({"invoice": client.reference}))
}

fn error(status: u16, code: Option<u16>, message: &str) -> Answer {
    let mut body = json!({"error": message, "http_status": status, "http_reason": "made up", "path": "/v1/session",
        "timestamp": "2026-01-01T00:00:00.000+00:00", "request_id": "made-up"});
    body.as_object_mut().and_then(|body| body.insert("code".to_owned(), json!(code?)));
    Answer::json(status, &body)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, None, "Unauthorized"),
        403 => error(403, None, "Forbidden"),
        404 => error(404, None, "Not found"),
        429 => error(429, None, "Too many requests"),
        _ => error(status, None, "Internal error"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.segments();
    if let ("GET", ["checkout", id]) = (request.method.as_str(), path.as_slice()) {
        state.active(id, &["session"]).map_err(|_| failure(404))?;
        return Ok(Answer::of(200, "text/html", "<h1>Checkout</h1>".to_owned()));
    }
    if !request.basic().is_some_and(|(key, password)| key.starts_with("priv_") && password.is_empty()) {
        return Err(failure(401));
    }
    let body = request.json().unwrap_or_default();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["v1", "session", "recurring"]) => {
            match (body.get("customer").and_then(Value::as_str), body.get("create_customer")) {
                (Some(handle), _) if !handle.contains("missing") => {}
                (Some(_), _) => return Err(error(404, Some(18), "Customer not found")),
                (None, Some(new)) if named(new) => {}
                _ => return Err(error(400, Some(1), "customer or create_customer is required")),
            }
        }
        ("POST", ["v1", "session", "charge"]) => {
            let order = body.get("order").unwrap_or(&Value::Null);
            let text = |name: &str| order.get(name).and_then(Value::as_str).is_some_and(|it| !it.is_empty());
            let amount = order.get("amount").and_then(Value::as_i64).is_some_and(|it| it >= 0);
            let payable = amount || order.get("order_lines").is_some_and(Value::is_array);
            let handle = order.get("handle").and_then(Value::as_str).unwrap_or_default();
            if !is_handle(handle) || !text("currency") || !payable || !order.get("customer").is_some_and(named) {
                return Err(error(400, Some(1), "The order is not complete"));
            }
        }
        ("POST", ["v1", "refund"]) => return Ok(Answer::json(200, &json!({"state": "refunded"}))),
        _ => return Err(failure(404)),
    }
    let words = body.get("button_text").and_then(Value::as_str).unwrap_or_default();
    if words.chars().count() > 32 {
        return Err(error(400, Some(1), "button_text is too long"));
    }
    let ttl = body.get("ttl").and_then(Value::as_str).unwrap_or("PT2160H").parse();
    let ttl: SignedDuration = ttl.map_err(|_| error(400, Some(1), "ttl is no duration"))?;
    let id = state.random_id_of("cs_", 32, HEX_DIGITS);
    state.issue(&id, "session", Some(state.now.saturating_add(ttl.as_secs())), &[]);
    Ok(Answer::json(200, &json!({"id": id, "url": format!("https://checkout.reepay.com/#/{id}")})))
}

/// At most 255 of these signs.
fn is_handle(handle: &str) -> bool {
    (1..=255).contains(&handle.len()) && handle.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-@".contains(&it))
}

/// Whether a customer has a handle, or asks for a generated one.
fn named(customer: &Value) -> bool {
    customer.get("handle").and_then(Value::as_str).is_some_and(is_handle)
        || customer.get("generate_handle") == Some(&json!(true))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Basic authentication with `priv_a:`.
    const KEY: (&str, &str) = ("authorization", "Basic cHJpdl9hOg==");
    const CHARGE: &str =
        r#"{"ttl": "PT60S", "order": {"handle": "o", "amount": 1, "currency": "EUR", "customer": {"handle": "c"}}}"#;

    #[test]
    fn a_session_opens_the_window_only() {
        let mut fake = Fake::new("billwerk");
        for (grant, path, body) in [
            ("recurring_session", "recurring", r#"{"ttl": "PT60S", "create_customer": {"generate_handle": true}}"#),
            ("recurring_session", "recurring", r#"{"ttl": "PT60S", "customer": "c"}"#),
            ("charge_session", "charge", CHARGE),
        ] {
            let call = format!("POST /v1/session/{path}");
            let (status, session) = fake.ask(&call, &[KEY], body);
            assert_eq!(status, 200, "{session}");
            fake.check_token_use(grant, &session["id"], &[], Some(60));
            assert_eq!(fake.ask(&call, &[("authorization", "Basic cHViX2E6")], body).0, 401);
            assert_eq!(fake.ask(&call, &[KEY], "{}").0, 400);
        }
        let (status, answer) = fake.ask("POST /v1/session/recurring", &[KEY], r#"{"customer": "missing"}"#);
        assert_eq!((status, answer["code"].as_i64()), (404, Some(18)));
        for odd in ["order 1", "ö", &"o".repeat(256)] {
            let order = CHARGE.replacen(r#""o""#, &format!("{odd:?}"), 1);
            assert_eq!(fake.ask("POST /v1/session/charge", &[KEY], &order).0, 400, "{odd}");
        }
        assert_eq!(fake.ask("POST /v1/refund", &[KEY], "{}").0, 200);
    }
}
