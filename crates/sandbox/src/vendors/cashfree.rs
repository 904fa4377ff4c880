//! Cashfree: payment sessions of orders.
//!
//! Written from the vendor's OpenAPI document 2025-01-01, with the version that npm cashfree-pg 6.0.6
//! sends.

use jiff::{Timestamp, tz};
use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

/// The versions that the vendor's SDKs sent one after the other.
const VERSIONS: &[&str] = &["2022-09-01", "2023-08-01", "2025-01-01", "2026-01-01"];

const EXAMPLES: &[(&str, &str)] = &[(
    "payment_session",
    r#"{"order_amount": "10.15", "order_currency": "INR", "customer_id": "cust1", "customer_phone": "9876543210"}"#,
)];

pub(super) static CASHFREE: FakeVendor = FakeVendor {
    name: "cashfree",
    credentials: r#"{"app_id": "TESTsandbox", "secret_key": "cfsk_ma_test_sandbox"}"#,
    secrets: &["x-client-id", "x-client-secret"],
    request_id: Some("x-request-id"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "payment_session",
        allowed: |client| {
            let method = json!({"upi": {"channel": "link"}});
            call("pay the order", "/cashfree/pg/orders/sessions")
                .json(&json!({"payment_session_id": client.token, "payment_method": method}))
        },
        forbidden: |client: &ClientToken| {
            call("refund the order", "/cashfree/pg/orders/some_order/refunds")
                .header("x-client-id", "TESTsandbox")
                .header("x-client-secret", &client.token)
                .json(&json!({"refund_amount": 1, "refund_id": "r_1"}))
        },
    }],
};

fn call(title: &'static str, path: &str) -> ClientCall {
    ClientCall::new(title, "POST", path).header("x-api-version", "2025-01-01")
}

fn error(status: u16, kind: &str, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message, "code": code, "type": kind}))
}

fn invalid(what: &str) -> Answer {
    error(400, "invalid_request_error", &format!("{what}_invalid"), &format!("{what} : invalid value provided"))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "authentication_error", "request_failed", "authentication Failed"),
        429 => error(429, "rate_limit_error", "request_failed", "Too many requests from IP. Check headers"),
        500.. => error(status, "api_error", "internal_error", "internal Server Error"),
        _ => error(status, "invalid_request_error", "request_failed", "bad URL, please check API documentation"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if request.header("x-api-version").is_none_or(|version| !VERSIONS.contains(&version)) {
        return Err(invalid("x-api-version"));
    }
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["pg", "orders", "sessions"]) => {
            let session = state.active(text(&body, "/payment_session_id"), &["session"]);
            session.map_err(|_| invalid("payment_session_id"))?.used = true;
            Ok(Answer::json(200, &json!({"cf_payment_id": state.random_id_of("", 10, b"123456789"), "action": "link"})))
        }
        ("POST", ["pg", "orders"]) => {
            merchant(request, state)?;
            let make = |state: &mut VendorState| order(&body, state).unwrap_or_else(|refusal| refusal);
            match state.idempotent(request.header("x-idempotency-key").map(str::to_owned), 86_400, request, make) {
                Idempotent::First(answer) => Ok(answer),
                Idempotent::Replay(answer) => Ok(answer.with("x-idempotency-replayed", "true")),
                Idempotent::Conflict => {
                    Err(error(422, "idempotency_error", "request_invalid", "something is not found"))
                }
            }
        }
        ("POST", ["pg", "orders", order, "refunds"]) => {
            merchant(request, state)?;
            Ok(Answer::json(200, &json!({"order_id": order, "refund_status": "PENDING"})))
        }
        _ => Err(failure(404)),
    }
}

/// Accepts any pair of keys, but no token of this fake.
fn merchant(request: &Request, state: &VendorState) -> Result<(), Answer> {
    let secret = request.header("x-client-secret").filter(|secret| !state.was_issued(secret));
    request.header("x-client-id").and(secret).map(|_| ()).ok_or_else(|| failure(401))
}

fn order(body: &Value, state: &mut VendorState) -> Handled {
    let amount = body.get("order_amount").and_then(Value::as_f64).unwrap_or_default();
    if amount < 1.0 || ((amount * 100.0).round() - amount * 100.0).abs() > 1e-6 {
        return Err(invalid("order_amount"));
    }
    let length = |at: &str| text(body, at).chars().count();
    if length("/order_currency") != 3 {
        return Err(invalid("order_currency"));
    }
    if !(3..=50).contains(&length("/customer_details/customer_id")) {
        return Err(invalid("customer_details.customer_id"));
    }
    if length("/customer_details/customer_phone") != 10 {
        return Err(invalid("customer_details.customer_phone"));
    }
    let wanted = text(body, "/order_id");
    let plain = wanted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if body.get("order_id").is_some() && (!plain || !(3..=45).contains(&wanted.len())) {
        return Err(invalid("order_id"));
    }
    let id = if wanted.is_empty() { state.random_id("order_", 20) } else { wanted.to_owned() };
    if state.find_token("order", &id).is_some() {
        let message = "order with same id is already present";
        return Err(error(409, "invalid_request_error", "order_already_exists", message));
    }
    if body.get("order_tags").and_then(Value::as_object).is_some_and(|tags| tags.len() > 10) {
        return Err(invalid("order_tags"));
    }
    let month = state.now.saturating_add(30 * 86_400);
    let asked = body.get("order_expiry_time").map(|_| text(body, "/order_expiry_time").parse::<Timestamp>());
    let expires_at =
        asked.map_or(Ok(month), |it| it.map(Timestamp::as_second)).map_err(|_| invalid("order_expiry_time"))?;
    if !(900..=30 * 86_400).contains(&expires_at.saturating_sub(state.now)) {
        return Err(invalid("order_expiry_time"));
    }
    let session = state.random_id("session_", 60);
    state.issue(&session, "session", Some(expires_at), &[("order", &id)]);
    Ok(Answer::json(
        200,
        &json!({"cf_order_id": state.random_id_of("", 10, b"123456789"), "order_id": id, "entity": "order",
            "order_status": "ACTIVE", "payment_session_id": session, "order_expiry_time": in_india(expires_at),
            "created_at": in_india(state.now), "order_amount": amount, "order_currency": text(body, "/order_currency"),
            "customer_details": body.get("customer_details")}),
    ))
}

/// A time with a numeric offset, never `Z`, as Cashfree writes it.
fn in_india(seconds: i64) -> String {
    let offset = tz::Offset::from_seconds(19_800).unwrap_or(tz::Offset::UTC);
    format!("{}+05:30", offset.to_datetime(timestamp(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    const KEYS: [(&str, &str); 3] = [("x-client-id", "a"), ("x-client-secret", "b"), ("x-api-version", "2025-01-01")];

    fn body(changes: Value) -> String {
        let mut body = json!({"order_id": "o-1", "order_amount": 10.15, "order_currency": "INR",
            "customer_details": {"customer_id": "cust1", "customer_phone": "9876543210"},
            "order_expiry_time": Timestamp::from_second(NOW + 900).unwrap().to_string()});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body.to_string()
    }

    #[test]
    fn a_session_pays_its_order_until_it_expires() {
        let mut fake = Fake::new("cashfree");
        let (status, made) = fake.ask("POST /pg/orders", &KEYS, &body(json!({})));
        assert_eq!((status, text(&made, "/order_status")), (200, "ACTIVE"), "{made}");
        assert!(text(&made, "/order_expiry_time").ends_with("+05:30"));
        assert_eq!(fake.ask("POST /pg/orders", &KEYS, &body(json!({}))).0, 409);
        fake.check_token_use("payment_session", &made["payment_session_id"], &[], Some(900));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("cashfree");
        for changes in [
            json!({"order_amount": 1.005}),
            json!({"order_id": "o 1"}),
            json!({"customer_details": {"customer_id": "cust1"}}),
            json!({"order_expiry_time": "2027-01-15T08:00:00"}),
            json!({"order_tags": (0..11).map(|nth| (nth.to_string(), json!("t"))).collect::<serde_json::Map<_, _>>()}),
        ] {
            assert_eq!(fake.ask("POST /pg/orders", &KEYS, &body(changes.clone())).0, 400, "{changes}");
        }
        assert_eq!(fake.ask("POST /pg/orders", &KEYS[1..], "{}").0, 401);
        let unknown = [KEYS[0], KEYS[1], ("x-api-version", "2024-01-01")];
        assert_eq!(fake.ask("POST /pg/orders", &unknown, &body(json!({}))).0, 400);
        let keyed = [KEYS[0], KEYS[1], KEYS[2], ("x-idempotency-key", "k")];
        let (_, first) = fake.ask("POST /pg/orders", &keyed, &body(json!({})));
        assert_eq!(fake.ask("POST /pg/orders", &keyed, &body(json!({}))), (200, first));
        assert_eq!(fake.ask("POST /pg/orders", &keyed, &body(json!({"order_note": "n"}))).0, 422);
    }
}
