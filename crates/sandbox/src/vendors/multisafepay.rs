//! `MultiSafepay`: API tokens for Payment Components.
//!
//! Written from the vendor's PHP SDK and its repository `payment-components-examples`. The lifetime
//! is not published: ten minutes, as its plugin for Magento keeps a token for nine.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static MULTISAFEPAY: FakeVendor = FakeVendor {
    name: "multisafepay",
    credentials: r#"{"api_key": "sandbox_multisafepay_key"}"#,
    secrets: &["api_key"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "api_token",
        allowed: |client| {
            let path = format!("/multisafepay/v1/json/payment-methods?api_token={}", client.token);
            ClientCall::new("fetch the payment methods", "GET", path)
        },
        forbidden: |client| {
            let call = ClientCall::new("refund an order", "POST", "/multisafepay/v1/json/orders/o1/refunds");
            call.header("api_key", &client.token).json(&json!({"currency": "EUR", "amount": 100}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[("api_token", "{}")];

fn error(status: u16, code: u16, info: &str) -> Answer {
    Answer::json(status, &json!({"success": false, "data": {}, "error_code": code, "error_info": info}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, 1032, "Invalid API key"),
        403 => error(403, 1032, "This API key may not do this"),
        404 => error(404, 1000, "Not found"),
        429 => error(429, 1001, "Too many requests"),
        _ => error(status, 9999, "Unknown error"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.segments();
    if let ("GET", ["v1", "json", "payment-methods"]) = (request.method.as_str(), path.as_slice()) {
        let token = request.query.value("api_token").unwrap_or_default();
        state.active(token, &["api_token"]).map_err(|_| failure(401))?;
        return Ok(Answer::json(200, &json!({"success": true, "data": [{"id": "VISA", "name": "Visa"}]})));
    }
    request.header("api_key").filter(|key| !key.starts_with("pub.")).ok_or_else(|| failure(401))?;
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["v1", "json", "auth", "api_token"]) => {
            let token = state.random_id("pub.v2.1234.", 60);
            state.issue(&token, "api_token", Some(state.now + 600), &[]);
            Ok(Answer::json(200, &json!({"success": true, "data": {"api_token": token}})))
        }
        ("POST", ["v1", "json", "orders", id, "refunds"]) => {
            Ok(Answer::json(200, &json!({"success": true, "data": {"transaction_id": id}})))
        }
        _ => Err(failure(404)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const TOKEN: &str = "GET /v1/json/auth/api_token";

    #[test]
    fn a_token_expires_after_10_minutes_and_allows_no_refund() {
        let mut fake = Fake::new("multisafepay");
        let (status, answer) = fake.ask(TOKEN, &[("api_key", "madeup")], "");
        assert_eq!((status, answer["success"].as_bool()), (200, Some(true)));
        fake.check_token_use("api_token", &answer["data"]["api_token"], &[], Some(600));
        assert_eq!(fake.ask("POST /v1/json/orders/o1/refunds", &[("api_key", "madeup")], "{}").0, 200);
        let (status, answer) = fake.ask("GET /v1/json/auth/api_token?api_key=madeup", &[], "");
        assert_eq!((status, answer["error_code"].as_i64()), (401, Some(1032)), "keys in a query end up in logs");
    }
}
