//! Paystack: the access codes of transactions.
//!
//! Written from the vendor's `OpenAPI` document and <https://paystack.com/docs/api/transaction/>,
//! the use of the code from the npm package `@paystack/inline-js` 2.22.2.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static PAYSTACK: FakeVendor = FakeVendor {
    name: "paystack",
    credentials: r#"{"api_key": "sk_test_sandbox"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "transaction_access_code",
        allowed: |client| {
            let path = format!("/paystack/transaction/verify_access_code/{}", client.token);
            ClientCall::new("resume the transaction", "GET", path)
        },
        forbidden: |client| {
            let call = ClientCall::new("refund a transaction", "POST", "/paystack/refund");
            call.bearer(&client.token).json(&json!({"transaction": client.reference}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] =
    &[("transaction_access_code", r#"{"email": "shopper@shop.example", "amount": 50000, "currency": "NGN"}"#)];

fn error(status: u16, code: &str, message: &str) -> Answer {
    let hint = json!({"nextStep": "Read the documentation and try again"});
    Answer::json(
        status,
        &json!({"status": false, "message": message, "meta": hint, "type": "validation_error", "code": code}),
    )
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "invalid_Key", "Invalid key"),
        403 => error(403, "forbidden", "This key may not do this"),
        404 => error(404, "not_found", "Not found"),
        429 => error(429, "too_many_requests", "Too many requests"),
        _ => error(status, "api_error", "Something went wrong"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.segments();
    if let ("GET", ["transaction", "verify_access_code", code]) = (request.method.as_str(), path.as_slice()) {
        let transaction = state.active(code, &["access_code"]).map_err(|_| failure(404))?;
        let data = json!({"access_code": code, "reference": transaction.attribute("reference")});
        return Ok(Answer::json(200, &json!({"status": true, "message": "Access code validated", "data": data})));
    }
    let key = request.bearer().unwrap_or_default();
    if !key.starts_with("sk_test_") && !key.starts_with("sk_live_") {
        return Err(failure(401));
    }
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["transaction", "initialize"]) => initialize(request, state),
        ("POST", ["refund"]) => Ok(Answer::json(200, &json!({"status": true, "message": "Refund has been queued"}))),
        _ => Err(failure(404)),
    }
}

fn initialize(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().ok_or_else(|| error(400, "invalid_params", "The body is not JSON"))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let amount = body.get("amount").and_then(|it| it.as_i64().or_else(|| it.as_str()?.parse().ok()));
    let channels = ["card", "bank", "ussd", "qr", "eft", "mobile_money", "bank_transfer"];
    let known = |it: &Value| it.as_str().is_some_and(|it| channels.contains(&it));
    let checks = [
        ("Email", text("email").is_some_and(|it| it.contains('@'))),
        ("Amount", amount.is_some_and(|it| it > 0)),
        ("Currency", text("currency").is_none_or(|it| ["GHS", "KES", "NGN", "ZAR", "USD"].contains(&it))),
        (
            "Reference",
            text("reference").is_none_or(|it| it.chars().all(|c| c.is_ascii_alphanumeric() || "-.=".contains(c))),
        ),
        ("Channels", body.get("channels").is_none_or(|it| it.as_array().is_some_and(|it| it.iter().all(known)))),
        ("Bearer", text("bearer").is_none_or(|it| ["account", "subaccount"].contains(&it))),
        ("Metadata", body.get("metadata").is_none_or(Value::is_object)),
    ];
    if let Some((name, _)) = checks.iter().find(|(_, valid)| !valid) {
        return Err(error(400, "invalid_params", &format!("{name} is missing or wrong")));
    }
    let reference =
        text("reference").map_or_else(|| state.random_id_of("", 10, b"0123456789abcdefghij"), str::to_owned);
    if state.find_token("reference", &reference).is_some() {
        return Err(error(400, "duplicate_reference", "Duplicate Transaction Reference"));
    }
    let code = state.random_id_of("", 15, b"0123456789abcdefghijklmnopqrstuvwxyz");
    state.issue(&code, "access_code", None, &[("reference", &reference)]);
    let url = format!("https://checkout.paystack.com/{code}");
    let data = json!({"authorization_url": url, "access_code": code, "reference": reference});
    Ok(Answer::json(200, &json!({"status": true, "message": "Authorization URL created", "data": data})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEY: (&str, &str) = ("authorization", "Bearer sk_test_madeup");
    const INITIALIZE: &str = "POST /transaction/initialize";

    #[test]
    fn an_access_code_resumes_its_transaction() {
        let valid = r#"{"email": "a@b.example", "amount": 100, "reference": "r-1"}"#;
        let mut fake = Fake::new("paystack");
        let (status, answer) = fake.ask(INITIALIZE, &[KEY], valid);
        assert_eq!((status, answer["data"]["reference"].as_str()), (200, Some("r-1")));
        fake.check_token_use("transaction_access_code", &answer["data"]["access_code"], &[], None);
        let (status, answer) = fake.ask(INITIALIZE, &[KEY], valid);
        assert_eq!((status, answer["code"].as_str()), (400, Some("duplicate_reference")));
        assert_eq!(fake.ask("POST /refund", &[KEY], "{}").0, 200);
        assert_eq!(fake.ask(INITIALIZE, &[("authorization", "Bearer pk_test_a")], valid).0, 401);
        for (from, to) in [("a@b.example", "a"), ("100", "0"), ("r-1", "r_1"), ("{", "{\"channels\": [\"cash\"], ")] {
            assert_eq!(fake.ask(INITIALIZE, &[KEY], &valid.replacen(from, to, 1)).0, 400, "{to}");
        }
    }
}
