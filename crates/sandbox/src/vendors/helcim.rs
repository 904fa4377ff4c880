//! Helcim: checkout sessions of HelcimPay.js.
//!
//! Written from <https://devdocs.helcim.com/docs/helcimpayjs-initialization>,
//! <https://devdocs.helcim.com/docs/managing-payment-details>, and for the types of the optional
//! members from public programs that make the call.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[("helcim_pay_checkout", r#"{"currency": "CAD"}"#)];

pub(super) static HELCIM: FakeVendor = FakeVendor {
    name: "helcim",
    credentials: r#"{"api_key": "sandboxHelcimToken"}"#,
    secrets: &["api-token"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "helcim_pay_checkout",
        allowed: |client| {
            ClientCall::new("open the payment modal", "GET", format!("/helcim/helcim-pay/{}", client.token))
        },
        forbidden: |client| {
            let call = ClientCall::new("refund a payment", "POST", "/helcim/v2/payment/refund");
            call.header("api-token", &client.token).json(&json!({"originalTransactionId": 1, "amount": 1.0}))
        },
    }],
};

fn failure(status: u16) -> Answer {
    let errors = match status {
        401 => json!("Unauthorized"),
        403 => json!("No access permission"),
        429 => json!("Too many requests"),
        500.. => json!(["The service is not available"]),
        _ => json!(["The request was refused"]),
    };
    Answer::json(status, &json!({"errors": errors}))
}

type Fits = fn(&Value) -> bool;

/// The members of the body and their types: 0 or 1, text, number, boolean or object.
const MEMBERS: &[(&str, Fits)] = &[
    ("paymentType", Value::is_string),
    ("amount", Value::is_number),
    ("currency", Value::is_string),
    ("customerCode", Value::is_string),
    ("invoiceNumber", Value::is_string),
    ("paymentMethod", |it| it.as_str().is_some_and(|it| ["cc", "ach", "cc-ach"].contains(&it))),
    ("allowPartial", bit),
    ("hasConvenienceFee", bit),
    ("taxAmount", Value::is_number),
    ("hideExistingPaymentDetails", bit),
    ("setAsDefaultPaymentMethod", bit),
    ("confirmationScreen", Value::is_boolean),
    ("displayContactFields", bit),
    ("terminalId", Value::is_number),
    ("digitalWallet", Value::is_string),
    ("customStyling", Value::is_object),
    ("customerRequest", Value::is_object),
    ("invoiceRequest", Value::is_object),
];

fn bit(value: &Value) -> bool {
    value.as_u64().is_some_and(|value| value <= 1)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let merchant = request.header("api-token").is_some_and(|token| !state.was_issued(token));
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["helcim-pay", token]) => match state.active(token, &["helcim_pay_checkout"]) {
            Ok(_) => Ok(Answer::of(200, "text/html", "<html><body>HelcimPay.js</body></html>".to_owned())),
            Err(_) => Err(Answer::json(400, &json!({"errors": "Invalid checkout token"}))),
        },
        ("POST", ["v2", "helcim-pay", "initialize"]) if merchant => initialize(request, state),
        ("POST", ["v2", "payment", "refund"]) if merchant => Ok(Answer::json(200, &json!({"status": "APPROVED"}))),
        ("POST", ["v2", ..]) if !merchant => Err(failure(401)),
        _ => Err(Answer::json(404, &json!({"errors": "Not found"}))),
    }
}

fn initialize(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let Some(asked) = body.as_object() else { return Err(Answer::json(400, &json!({"errors": ["Invalid JSON"]}))) };
    let refuse = |name: &str| Err(Answer::json(400, &json!({"errors": {(name): format!("Invalid {name}")}})));
    let valid = |name: &str, value: &Value| MEMBERS.iter().any(|(known, fits)| *known == name && fits(value));
    if let Some((name, _)) = asked.iter().find(|(name, value)| !valid(name, value)) {
        return refuse(name);
    }
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    if !["purchase", "preauth", "verify"].contains(&text("paymentType")) {
        return refuse("paymentType");
    }
    if !["CAD", "USD"].contains(&text("currency")) {
        return refuse("currency");
    }
    let amount = asked.get("amount").and_then(Value::as_f64).unwrap_or(-1.0);
    if (text("paymentType") == "verify" && amount != 0.0) || (text("paymentType") != "verify" && amount <= 0.0) {
        return refuse("amount");
    }
    let token = state.random_id_of("", 22, HEX_DIGITS);
    state.issue(&token, "helcim_pay_checkout", Some(state.now.saturating_add(3_600)), &[]);
    Ok(Answer::json(200, &json!({"checkoutToken": token, "secretToken": state.random_id_of("", 22, HEX_DIGITS)})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEY: (&str, &str) = ("api-token", "t");
    const MAKE: &str = "POST /v2/helcim-pay/initialize";

    #[test]
    fn a_checkout_token_opens_the_modal_for_an_hour() {
        for body in [
            r#"{"paymentType": "verify", "amount": 0, "currency": "CAD"}"#,
            r#"{"paymentType": "purchase", "amount": 9.5, "currency": "USD", "allowPartial": 1}"#,
        ] {
            let mut fake = Fake::new("helcim");
            let (_, made) = fake.ask(MAKE, &[KEY], body);
            assert!(made["secretToken"].is_string());
            fake.check_token_use("helcim_pay_checkout", &made["checkoutToken"], &[], Some(3_600));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, body, status) in [
            (&[][..], r#"{"paymentType": "verify", "amount": 0, "currency": "CAD"}"#, 401),
            (&[KEY], "{", 400),
            (&[KEY], r#"{"paymentType": "verify", "amount": 0, "currency": "EUR"}"#, 400),
            (&[KEY], r#"{"paymentType": "verify", "amount": "0", "currency": "CAD"}"#, 400),
            (&[KEY], r#"{"paymentType": "purchase", "amount": 0, "currency": "CAD"}"#, 400),
            (&[KEY], r#"{"paymentType": "verify", "amount": 0, "currency": "CAD", "colour": 1}"#, 400),
        ] {
            let (got, answer) = Fake::new("helcim").ask(MAKE, headers, body);
            assert_eq!((got, answer["errors"].is_null()), (status, false), "{body}");
        }
    }
}
