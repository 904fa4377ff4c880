//! Razorpay: customer sessions of Turbo UPI, orders, and OAuth for partners.
//!
//! Sessions are written from the vendor's Turbo UPI pages, orders and OAuth from npm razorpay 2.9.8
//! (types of orders, OAuth token client and its validator). The lifetime of a session is not
//! published: half an hour is invented. The calls of the SDKs and of the checkout are not published
//! either: one invented endpoint replaces each.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static RAZORPAY: FakeVendor = FakeVendor {
    name: "razorpay",
    credentials: r#"{"api_key": "rzp_test_sandbox", "api_secret": "sandbox-secret"}"#,
    secrets: &["client_secret", "refresh_token"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "turbo_customer_session",
            allowed: |client| {
                let path = "/razorpay/v1/upi/turbo/accounts";
                ClientCall::new("list the customer's UPI accounts", "GET", path).bearer(&client.token)
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "order",
            allowed: |client| {
                let body = json!({"key_id": client.starting("rzp_"), "order_id": client.token, "method": "upi"});
                ClientCall::new("pay the order", "POST", "/razorpay/v1/payments/create").json(&body)
            },
            forbidden: refund,
        },
    ],
};

fn refund(client: &ClientToken) -> ClientCall {
    let path = "/razorpay/v1/payments/pay_SOMEPAYMENT/refund";
    ClientCall::new("refund a payment", "POST", path).bearer(&client.token).json(&json!({}))
}

const EXAMPLES: &[(&str, &str)] = &[
    ("turbo_customer_session", r#"{"customer_reference": "9000090000"}"#),
    ("order", r#"{"amount": 29500, "currency": "INR"}"#),
    ("oauth_client_credentials", r#"{"client_id": "SANDBOXCLIENT", "client_secret": "sandbox-secret"}"#),
    (
        "oauth_refresh_token",
        r#"{"client_id": "SANDBOXCLIENT", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}"#,
    ),
];

const OAUTH_LIFETIME: i64 = 7_862_400;

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "description": description}}))
}

fn bad(description: &str) -> Answer {
    error(400, "BAD_REQUEST_ERROR", description)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "BAD_REQUEST_ERROR", "Authentication failed"),
        429 => error(429, "BAD_REQUEST_ERROR", "Too many requests"),
        502 | 504 => error(status, "GATEWAY_ERROR", "The gateway does not answer"),
        500.. => error(status, "SERVER_ERROR", "We are facing some trouble completing your request"),
        _ => error(status, "BAD_REQUEST_ERROR", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "upi", "turbo", "customer", "session"]) => {
            key(request)?;
            let body = request.json().unwrap_or_default();
            let customer = body.get("customer_reference").and_then(Value::as_str).filter(|it| !it.is_empty());
            let Some(customer) = customer else {
                let error = json!({"code": "BAD_REQUEST_ERROR", "description": "customer_reference is required",
                    "source": "customer", "step": "CreateSession", "reason": "customer_reference_field_is_missing",
                    "metadata": {}});
                return Err(Answer::json(400, &json!({ "error": error })));
            };
            let (token, end) = (state.random_id("", 40), state.now.saturating_add(1800));
            state.issue(&token, "session_token", Some(end), &[("customer", customer)]);
            Ok(Answer::json(200, &json!({"token": token, "expire_at": end})))
        }
        ("POST", ["v1", "orders"]) => {
            key(request)?;
            order(&request.json().unwrap_or_default(), state)
        }
        ("POST", ["v1", "payments", "create"]) => {
            let body = request.json().unwrap_or_default();
            if !text(&body, "/key_id").starts_with("rzp_") {
                return Err(failure(401));
            }
            let order = state.active(text(&body, "/order_id"), &["order"]);
            order.map_err(|_| bad("The order is not one that can be paid"))?.used = true;
            Ok(Answer::json(200, &json!({"razorpay_payment_id": state.random_id("pay_", 14)})))
        }
        ("POST", ["token"]) => oauth(request, state),
        ("GET", ["v1", "upi", "turbo", "accounts"]) => {
            let session = state.active(request.bearer().unwrap_or_default(), &["session_token"]);
            let customer = session.map_err(|_| failure(401))?.attribute("customer").to_owned();
            Ok(Answer::json(200, &json!({"customer_reference": customer, "accounts": []})))
        }
        ("POST", ["v1", "payments", id, "refund"]) => {
            let partner = state.active(request.bearer().unwrap_or_default(), &["access_token"]).is_ok();
            if !partner {
                key(request)?;
            }
            Ok(Answer::json(200, &json!({"id": state.random_id("rfnd_", 14), "payment_id": id})))
        }
        _ => Err(error(404, "BAD_REQUEST_ERROR", "The requested URL was not found on the server.")),
    }
}

/// Checks the key pair. Unlike RFC 7617, the scheme is case-sensitive: `Basic`.
fn key(request: &Request) -> Result<(), Answer> {
    let spelt = request.header("authorization").is_some_and(|value| value.starts_with("Basic "));
    let pair = request.basic().filter(|(key, secret)| spelt && key.starts_with("rzp_") && !secret.is_empty());
    pair.map(|_| ()).ok_or_else(|| failure(401))
}

fn order(body: &Value, state: &mut VendorState) -> Handled {
    let wrong = |field: &str, description: &str| {
        let error = json!({"code": "BAD_REQUEST_ERROR", "description": description, "source": "business",
            "step": "payment_initiation", "reason": "input_validation_failed", "metadata": {}, "field": field});
        Err(Answer::json(400, &json!({ "error": error })))
    };
    let (currency, receipt) = (text(body, "/currency"), text(body, "/receipt"));
    let amount = body.get("amount").and_then(Value::as_i64).unwrap_or_default();
    // One rupee; other currencies have bounds of their own.
    if amount < if currency == "INR" { 100 } else { 1 } {
        return wrong("amount", "Order amount less than minimum amount allowed");
    }
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return wrong("currency", "The currency is not supported");
    }
    if receipt.chars().count() > 40 {
        return wrong("receipt", "The receipt may not be greater than 40 characters.");
    }
    if body.get("notes").and_then(Value::as_object).is_some_and(|notes| notes.len() > 15) {
        return wrong("notes", "Number of fields in notes should be less than or equal to 15");
    }
    let id = state.random_id("order_", 14);
    state.issue(&id, "order", None, &[]);
    Ok(Answer::json(
        200,
        &json!({"id": id, "entity": "order", "amount": amount, "amount_paid": 0, "amount_due": amount,
            "currency": currency, "receipt": body.get("receipt"), "status": "created", "attempts": 0,
            "notes": body.get("notes").cloned().unwrap_or_else(|| json!([])), "created_at": state.now}),
    ))
}

fn oauth(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("client_id").ok_or_else(|| bad("The client id is missing"))?;
    // The SDK's validator refuses any other form.
    if id.len() > 14 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad("The client id is not valid"));
    }
    text("client_secret").ok_or_else(|| bad("Access denied"))?;
    let mode = match text("grant_type") {
        Some("client_credentials") => match text("mode").unwrap_or("live") {
            mode @ ("test" | "live") => mode,
            _ => return Err(bad("The mode is not valid")),
        },
        Some("refresh_token") => {
            let old = text("refresh_token").ok_or_else(|| bad("The refresh token is missing"))?;
            if state.was_issued(old) && state.active(old, &["refresh_token"]).is_err() {
                return Err(bad("The refresh token is not valid"));
            }
            // The fake accepts an unknown refresh token once, too.
            state.issue(old, "used_refresh_token", None, &[]);
            "live"
        }
        _ => return Err(bad("The grant type is not supported")),
    };
    let end = state.now.saturating_add(OAUTH_LIFETIME);
    let (token, refresh) = (state.jwt("RS256", &json!({"exp": end})), state.random_id("", 64));
    state.issue(&token, "access_token", Some(end), &[]);
    state.issue(&refresh, "refresh_token", None, &[]);
    Ok(Answer::json(
        200,
        &json!({"public_token": state.random_id(&format!("rzp_{mode}_oauth_"), 14), "token_type": "Bearer",
            "expires_in": OAUTH_LIFETIME, "access_token": token, "refresh_token": refresh,
            "razorpay_account_id": state.random_id("acc_", 14)}),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const SESSION: &str = "POST /v1/upi/turbo/customer/session";
    /// Basic authentication with `rzp_test_a:b`.
    const KEY: (&str, &str) = ("authorization", "Basic cnpwX3Rlc3RfYTpi");

    #[test]
    fn a_session_is_for_one_customer() {
        let mut fake = Fake::new("razorpay");
        let (_, answer) = fake.ask(SESSION, &[KEY], r#"{"customer_reference": "9"}"#);
        assert_eq!(answer["expire_at"], crate::testing::NOW + 1800);
        fake.check_token_use("turbo_customer_session", &answer["token"], &[], Some(1800));
        assert_eq!(fake.ask(SESSION, &[KEY], "{}").0, 400);
        assert_eq!(fake.ask(SESSION, &[("authorization", "basic cnpwX3Rlc3RfYTpi")], "{}").0, 401);
        assert_eq!(fake.ask(SESSION, &[("authorization", "Basic YTpi")], "{}").0, 401);
    }

    #[test]
    fn an_order_is_paid_once() {
        let mut fake = Fake::new("razorpay");
        let (status, made) = fake.ask("POST /v1/orders", &[KEY], r#"{"amount": 29500, "currency": "INR"}"#);
        assert_eq!((status, &made["status"]), (200, &"created".into()), "{made}");
        fake.check_token_use("order", &made["id"], &["rzp_test_a"], None);
        let receipt = format!(r#"{{"amount": 100, "currency": "INR", "receipt": "{}"}}"#, "r".repeat(41));
        for body in [r#"{"amount": 99, "currency": "INR"}"#, r#"{"amount": 100, "currency": "inr"}"#, &receipt] {
            assert_eq!(fake.ask("POST /v1/orders", &[KEY], body).0, 400, "{body}");
        }
        assert_eq!(fake.ask("POST /v1/orders", &[], "{}").0, 401);
    }

    #[test]
    fn a_refresh_token_works_once() {
        let mut fake = Fake::new("razorpay");
        let body = |rest: &str| format!(r#"{{"client_id": "a", "client_secret": "b", {rest}}}"#);
        let (_, first) = fake.ask("POST /token", &[], &body(r#""grant_type": "client_credentials", "mode": "test""#));
        let again = body(&format!(r#""grant_type": "refresh_token", "refresh_token": {}"#, first["refresh_token"]));
        assert_eq!(fake.ask("POST /token", &[], &again).0, 200);
        assert_eq!(fake.ask("POST /token", &[], &again).0, 400);
        let (status, answer) =
            fake.ask("POST /token", &[], &body(r#""grant_type": "client_credentials", "mode": "x""#));
        assert_eq!((status, &answer["error"]["code"]), (400, &"BAD_REQUEST_ERROR".into()));
    }
}
