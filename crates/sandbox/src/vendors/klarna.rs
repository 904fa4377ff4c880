//! Klarna Payments: sessions.
//!
//! Written from the vendor's `OpenAPI` document and
//! <https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/>.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static KLARNA: FakeVendor = FakeVendor {
    name: "klarna",
    credentials: r#"{"username": "PK0000000_sandbox", "password": "sandbox_password"}"#,
    secrets: &[],
    request_id: Some("klarna-correlation-id"),
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "payments_session",
        allowed: |client| {
            ClientCall::new("authorize the purchase", "POST", "/klarna/payments/v1/authorize")
                .bearer(&client.token)
                .json(&json!({"payment_method_category": "pay_later"}))
        },
        forbidden: |client| {
            let call = ClientCall::new("refund an order", "POST", "/klarna/ordermanagement/v1/orders/o1/refunds");
            call.bearer(&client.token).json(&json!({"refunded_amount": 100}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[(
    "payments_session",
    r#"{"purchase_country": "GB", "purchase_currency": "GBP", "locale": "en-GB", "order_amount": 1000,
        "order_lines": [{"name": "Shoe", "quantity": 1, "unit_price": 1000, "total_amount": 1000}]}"#,
)];

fn error(status: u16, code: &str, message: &str, state: &mut VendorState) -> Answer {
    let id = state.random_id("", 36);
    Answer::json(status, &json!({"error_code": code, "error_messages": [message], "correlation_id": id}))
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    match status {
        401 => error(401, "UNAUTHORIZED", "Unauthorized", state),
        403 => error(403, "NOT_ALLOWED", "The account may not do this", state),
        429 => error(429, "TOO_MANY_REQUESTS", "Too many requests", state),
        500.. => error(status, "INTERNAL_ERROR", "Something went wrong", state),
        _ => error(status, "BAD_REQUEST", "The request was refused", state),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["payments", "v1", "authorize"]) => {
            let token = request.bearer().unwrap_or_default();
            match state.active(token, &["client_token"]) {
                Ok(_) => {
                    Ok(Answer::json(200, &json!({"approved": true, "authorization_token": state.random_id("", 36)})))
                }
                Err(_) => Err(failure(401, state)),
            }
        }
        ("POST", ["payments", "v1", "sessions"]) => {
            merchant(request, state)?;
            session(request, state)
        }
        ("POST", ["ordermanagement", "v1", "orders", _, "refunds"]) => {
            merchant(request, state)?;
            Ok(Answer::text(201, ""))
        }
        _ => Err(error(404, "NOT_FOUND", "Not found", state)),
    }
}

fn merchant(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    let known = request.basic().is_some_and(|(user, password)| !user.is_empty() && !password.is_empty());
    if known { Ok(()) } else { Err(failure(401, state)) }
}

fn session(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let letters = |name: &str, count| {
        body.get(name)
            .and_then(Value::as_str)
            .is_some_and(|it| it.len() == count && it.chars().all(char::is_alphabetic))
    };
    let one_of = |name: &str, values: &[&str]| {
        body.get(name).is_none_or(|value| value.as_str().is_some_and(|value| values.contains(&value)))
    };
    let lines = body.get("order_lines").and_then(Value::as_array).filter(|lines| (1..=1000).contains(&lines.len()));
    let number = |line: &Value, name: &str| line.get(name).and_then(Value::as_i64);
    let sum = lines.and_then(|lines| {
        let complete = |line: &Value| number(line, "quantity").and(number(line, "unit_price")).is_some();
        let whole = lines.iter().all(|line| complete(line) && line.get("name").is_some_and(Value::is_string));
        whole.then(|| lines.iter().filter_map(|line| number(line, "total_amount")).sum::<i64>())
    });
    let amount = number(&body, "order_amount").filter(|amount| *amount >= 0);
    let fault = [
        ("purchase_country", letters("purchase_country", 2)),
        ("purchase_currency", letters("purchase_currency", 3)),
        ("order_amount", amount.is_some()),
        ("order_lines", sum.is_some() && sum == amount),
        ("intent", one_of("intent", &["buy", "tokenize", "buy_and_tokenize"])),
        (
            "merchant_reference1",
            body.get("merchant_reference1").is_none_or(|it| it.as_str().is_some_and(|it| it.chars().count() <= 255)),
        ),
        ("acquiring_channel", one_of("acquiring_channel", &["ECOMMERCE", "IN_STORE", "TELESALES"])),
    ];
    if let Some((name, _)) = fault.iter().find(|(_, valid)| !valid) {
        return Err(error(400, "BAD_VALUE", &format!("Bad value: {name}"), state));
    }
    let id = state.random_id_of("", 36, HEX_DIGITS);
    let token = state.jwt("RS256", &json!({"session_id": id, "intent": body.get("intent")}));
    state.issue(&token, "client_token", Some(state.now + 172_800), &[]);
    let categories =
        json!([{"identifier": "pay_later", "name": "Pay later"}, {"identifier": "pay_now", "name": "Pay now"}]);
    Ok(Answer::json(200, &json!({"session_id": id, "client_token": token, "payment_method_categories": categories})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Basic authentication with `a:b`.
    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");
    const SESSIONS: &str = "POST /payments/v1/sessions";

    #[test]
    fn a_session_is_for_its_shopper_and_its_lines() {
        let mut fake = Fake::new("klarna");
        let valid = r#"{"purchase_country": "GB", "purchase_currency": "GBP", "order_amount": 1000,
            "order_lines": [{"name": "Shoe", "quantity": 1, "unit_price": 1000, "total_amount": 1000}]}"#;
        let (status, session) = fake.ask(SESSIONS, &[PAIR], valid);
        assert_eq!(status, 200);
        fake.check_token_use("payments_session", &session["client_token"], &[], Some(172_800));
        assert_eq!(fake.ask("POST /ordermanagement/v1/orders/o1/refunds", &[PAIR], "{}").0, 201);
        assert_eq!(fake.ask(SESSIONS, &[], valid).0, 401);
        for (from, to) in
            [("\"GB\"", "1"), ("\"total_amount\": 1000", "\"total_amount\": 999"), ("\"GBP\"", "\"pounds\"")]
        {
            let (status, answer) = fake.ask(SESSIONS, &[PAIR], &valid.replacen(from, to, 1));
            assert_eq!((status, answer["error_code"].as_str()), (400, Some("BAD_VALUE")), "{to}");
        }
    }
}
