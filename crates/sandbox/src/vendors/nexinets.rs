//! Nexinets (Nexi's `PayEngine`): orders.
//!
//! Written from the vendor's specification (concardis/Docs, public.yaml, 2022-05) and its widget's
//! examples: members, bounds, the error list `elements`, code 20 for an order id that was used.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static NEXINETS: FakeVendor = FakeVendor {
    name: "nexinets",
    credentials: r#"{"merchant_id": "merchant_sandbox", "api_key": "sandbox_nexinets_key"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "order",
        allowed: |client| widget("pay the order", "pay", client),
        forbidden: |client| widget("refund the order", "refund", client),
    }],
};

const EXAMPLES: &[(&str, &str)] =
    &[("order", r#"{"amount": 1000, "currency": "EUR", "return_url": "https://shop.example/r"}"#)];

/// The authorization of the widget: the public id of the merchant.
fn widget(title: &'static str, action: &str, client: &ClientToken) -> ClientCall {
    let call = ClientCall::new(title, "POST", format!("/nexinets/v1/orders/{}/{action}", client.token));
    call.bearer(client.starting("merchant_")).json(&json!({}))
}

fn error(status: u16, code: u16, message: &str, fields: &[&str]) -> Answer {
    let errors: Vec<Value> =
        fields.iter().map(|field| json!({"code": code, "message": "Invalid value", "field": field})).collect();
    Answer::json(status, &json!({"status": status, "code": code, "message": message, "elements": errors}))
}

/// Optional; for card payments at most 30 letters and digits.
fn is_order_id(id: Option<&Value>) -> bool {
    let Some(id) = id else { return true };
    id.as_str().is_some_and(|id| (1..=30).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, 2001, "Unauthorized", &[]),
        403 => error(403, 2002, "Forbidden", &[]),
        404 => error(404, 2004, "Not found", &[]),
        429 => error(429, 2009, "Too many requests", &[]),
        _ => error(status, 9000, "Something went wrong", &[]),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let merchant = || {
        let pair = request.basic().filter(|(merchant, key)| !merchant.is_empty() && !key.is_empty());
        pair.map(|(merchant, _)| merchant).ok_or_else(|| failure(401))
    };
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "orders", id, "pay"]) => {
            let order = state.active(id, &["order"]).map_err(|_| failure(404))?;
            if request.bearer() != Some(order.attribute("merchant")) {
                return Err(failure(401));
            }
            order.used = true;
            Ok(Answer::json(200, &json!({"orderId": id, "status": "SUCCESS"})))
        }
        ("POST", ["v1", "orders", id, "refund"]) => {
            merchant()?;
            Ok(Answer::json(200, &json!({"orderId": id, "status": "SUCCESS"})))
        }
        ("POST", ["v1", "orders"]) => {
            let merchant = merchant()?;
            let body = request.json().filter(Value::is_object).ok_or_else(|| error(400, 3000, "No JSON", &[]))?;
            let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let url = |name: &str| text(&format!("/async/{name}")).contains("://");
            let checks = [
                ("initialAmount", body.get("initialAmount").and_then(Value::as_i64).is_some_and(|it| it >= 0)),
                ("currency", text("/currency").len() == 3 && text("/currency").chars().all(char::is_uppercase)),
                ("channel", body.get("channel").is_none() || ["ECOM", "MOTO"].contains(&text("/channel"))),
                ("transactionType", ["PREAUTH", "DEBIT"].contains(&text("/transactionType"))),
                ("async", url("successUrl") && url("cancelUrl") && url("failureUrl")),
                ("merchantOrderId", is_order_id(body.get("merchantOrderId"))),
            ];
            let wrong: Vec<&str> = checks.into_iter().filter(|(_, valid)| !valid).map(|(name, _)| name).collect();
            if !wrong.is_empty() {
                return Err(error(400, 3001, "An error occurred", &wrong));
            }
            let name = format!("{merchant}\n{}", text("/merchantOrderId"));
            if body.get("merchantOrderId").is_some() && state.find_token("name", &name).is_some() {
                return Err(error(400, 20, "The merchantOrderId was used before", &["merchantOrderId"]));
            }
            let id = state.random_id_of("", 10, b"0123456789abcdefghijklmnopqrstuvwxyz");
            state.issue(&id, "order", None, &[("merchant", &merchant), ("name", &name)]);
            Ok(Answer::json(200, &json!({"orderId": id, "transactions": []})))
        }
        _ => Err(failure(404)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Basic authentication with `merchant_a:b`.
    const PAIR: (&str, &str) = ("authorization", "Basic bWVyY2hhbnRfYTpi");

    #[test]
    fn an_order_is_paid_by_its_merchants_shopper() {
        let valid = r#"{"initialAmount": 1, "currency": "EUR", "channel": "ECOM", "transactionType": "PREAUTH",
            "async": {"successUrl": "https://a.example", "cancelUrl": "https://a.example", "failureUrl": "https://a.example"}}"#;
        let mut fake = Fake::new("nexinets");
        let (status, order) = fake.ask("POST /v1/orders", &[PAIR], valid);
        assert_eq!(status, 200);
        fake.check_token_use("order", &order["orderId"], &["merchant_a"], None);
        assert_eq!(fake.ask("POST /v1/orders/o/refund", &[PAIR], "{}").0, 200);
        assert_eq!(fake.ask("POST /v1/orders", &[], valid).0, 401);
        let (status, answer) = fake.ask("POST /v1/orders", &[PAIR], &valid.replace("EUR", "euro"));
        assert_eq!((status, answer["elements"][0]["field"].as_str()), (400, Some("currency")));
        let order_id = |id: &str| valid.replace(r#""channel""#, &format!(r#""merchantOrderId": "{id}", "channel""#));
        for (id, status) in [("a1", 200), ("a1", 400), ("tok_1", 400), (&"a".repeat(31), 400)] {
            assert_eq!(fake.ask("POST /v1/orders", &[PAIR], &order_id(id)).0, status, "{id}");
        }
    }
}
