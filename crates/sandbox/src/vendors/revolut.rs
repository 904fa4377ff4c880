//! Revolut Merchant: orders.
//!
//! Written from the vendor's `OpenAPI` documents 2024-09-01 to 2026-04-20 and its web SDK
//! (@revolut/checkout 1.1.25). The sandbox's payment page is on a host of its own.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static REVOLUT: FakeVendor = FakeVendor {
    name: "revolut",
    credentials: r#"{"secret_api_key": "sk_sandbox_revolut", "signing_secret": null}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "order_token",
        allowed: |client| {
            ClientCall::new("pay the order", "POST", format!("/revolut/api/public/orders/{}/pay", client.token))
        },
        forbidden: |client| {
            let call = ClientCall::new("refund an order", "POST", "/revolut/api/orders/o1/refund");
            call.header("revolut-api-version", "2026-04-20").bearer(&client.token).json(&json!({"amount": 100}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[("order_token", r#"{"currency": "GBP"}"#)];

const VERSIONS: &str = "2023-09-01 2024-05-01 2024-09-01 2025-10-16 2025-12-04 2026-03-12 2026-04-20 2026-09-22";

fn error(status: u16, code: &str, message: &str, state: &VendorState) -> Answer {
    Answer::json(status, &json!({"code": code, "message": message, "timestamp": state.now * 1_000 + 123}))
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    match status {
        401 => error(401, "unauthenticated", "Authentication failed", state),
        403 => error(403, "forbidden", "The requested operation is forbidden", state),
        404 => error(404, "not_found", "Not found", state),
        429 => error(429, "too_many_requests", "Too many requests", state),
        500.. => error(status, "internal_error", "Something went wrong", state),
        _ => error(status, "bad_request", "The request was refused", state),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.segments();
    if let ("POST", ["api", "public", "orders", token, "pay"]) = (request.method.as_str(), path.as_slice()) {
        return match state.active(token, &["order"]) {
            Ok(order) => {
                order.used = true;
                Ok(Answer::json(200, &json!({"state": "authorised"})))
            }
            Err(_) => Err(failure(404, state)),
        };
    }
    let known = request.bearer().is_some_and(|key| key.starts_with("sk_"));
    if !known {
        return Err(failure(401, state));
    }
    if !request.header("revolut-api-version").is_some_and(|it| VERSIONS.split(' ').any(|version| version == it)) {
        return Err(error(400, "bad_request", "The header Revolut-Api-Version is missing or unknown", state));
    }
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["api", "orders"]) => order(request, state),
        ("POST", ["api", "orders", _, "refund"]) => Ok(Answer::json(201, &json!({"type": "refund"}))),
        _ => Err(failure(404, state)),
    }
}

fn order(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().ok_or_else(|| error(400, "bad_request", "Could not parse JSON", state))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let after = text("expire_pending_after").map(|it| it.parse().as_ref().map_or(0, SignedDuration::as_secs));
    let key = |it: &String| {
        it.len() <= 40
            && it.starts_with(|first: char| first.is_ascii_alphabetic())
            && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let value = |it: &Value| it.as_str().is_some_and(|it| it.chars().count() <= 500);
    let pairs =
        |it: &Value| it.as_object().is_some_and(|it| it.len() <= 50 && it.keys().all(key) && it.values().all(value));
    let checks = [
        ("amount", body.get("amount").and_then(Value::as_i64).is_some_and(|it| it >= 0)),
        ("currency", text("currency").is_some_and(|it| it.len() == 3 && it.chars().all(char::is_uppercase))),
        ("expire_pending_after", after.is_none_or(|it| (60..=2_592_000).contains(&it))),
        ("metadata", body.get("metadata").is_none_or(pairs)),
        ("redirect_url", text("redirect_url").is_none_or(|it| it.chars().count() <= 2_000)),
        ("capture_mode", text("capture_mode").is_none_or(|it| ["automatic", "manual"].contains(&it))),
    ];
    if let Some((name, _)) = checks.iter().find(|(_, valid)| !valid) {
        return Err(error(422, "validation", &format!("{name} is missing or wrong"), state));
    }
    let [id, token] = [uuid(state), uuid(state)];
    state.issue(&token, "order", after.map(|seconds| state.now + seconds), &[("id", &id)]);
    let created_at = timestamp(state.now).to_string().replace('Z', ".123456Z");
    let url = format!("https://sandbox-checkout.revolut.com/payment-link/{token}");
    Ok(Answer::json(
        201,
        &json!({"id": id, "token": token, "type": "payment", "state": "pending", "created_at": created_at,
            "amount": body.get("amount"), "currency": text("currency"), "checkout_url": url}),
    ))
}

fn uuid(state: &mut VendorState) -> String {
    let groups = [8, 4, 4, 4, 12].map(|length| state.random_id_of("", length, HEX_DIGITS));
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const HEADERS: [(&str, &str); 2] = [("authorization", "Bearer sk_madeup"), ("revolut-api-version", "2026-04-20")];
    const ORDERS: &str = "POST /api/orders";

    #[test]
    fn an_order_is_paid_before_its_end() {
        let valid = r#"{"amount": 0, "currency": "GBP", "expire_pending_after": "PT60M"}"#;
        let mut fake = Fake::new("revolut");
        let (status, order) = fake.ask(ORDERS, &HEADERS, valid);
        assert_eq!((status, order["created_at"].as_str()), (201, Some("2027-01-15T08:00:00.123456Z")));
        fake.check_token_use("order_token", &order["token"], &[], Some(3_600));
        assert_eq!(fake.ask("POST /api/orders/o1/refund", &HEADERS, "{}").0, 201);
        assert_eq!(fake.ask(ORDERS, &HEADERS[1..], valid).0, 401);
        assert_eq!(fake.ask(ORDERS, &HEADERS[..1], valid).0, 400);
        let unknown = [HEADERS[0], ("revolut-api-version", "2026-01-01")];
        assert_eq!(fake.ask(ORDERS, &unknown, valid).0, 400);
        assert!(order["checkout_url"].as_str().unwrap().starts_with("https://sandbox-checkout.revolut.com/"));
        let key = r#"GBP", "metadata": {"1st": "x"}"#;
        let faults = [("PT60M", "PT721H"), ("PT60M", "an hour"), ("GBP", "gbp"), ("0,", "-1,"), (r#"GBP""#, key)];
        for (from, to) in faults {
            assert_eq!(fake.ask(ORDERS, &HEADERS, &valid.replacen(from, to, 1)).0, 422, "{to}");
        }
    }
}
