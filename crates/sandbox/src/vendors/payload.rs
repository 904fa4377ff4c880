//! Payload: client tokens.
//!
//! Written from <https://docs.payload.com/ui/authentication>, the vendor's page on intents and
//! payload-api (npm) 1.1.1: the header `X-API-Version`, under which intents have other members.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static PAYLOAD: FakeVendor = FakeVendor {
    name: "payload",
    credentials: r#"{"auth_key_map": {"USD": {"api_key": "test_secret_key_sandbox", "processing_account_id": "acct_sandbox"}}}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "payment_method_form",
            allowed: |client| with_token("store a payment method", "payment_methods", "card", client),
            forbidden: |client| with_token("make a payment", "transactions", "payment", client),
        },
        TokenUse { grant: "payment_form", allowed: pay, forbidden: refund },
        TokenUse { grant: "checkout_plugin", allowed: pay, forbidden: refund },
        TokenUse { grant: "checkout_page", allowed: pay, forbidden: refund },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("payment_method_form", "{}"),
    ("payment_form", r#"{"amount": "10.50"}"#),
    ("checkout_plugin", r#"{"amount": "10.50"}"#),
    ("checkout_page", r#"{"invoice_id": "inv_1"}"#),
];

fn with_token(title: &'static str, path: &str, kind: &str, client: &ClientToken) -> ClientCall {
    let pair = BASE64_STANDARD.encode(format!("{}:", client.token));
    let call = ClientCall::new(title, "POST", format!("/payload/{path}"));
    call.header("authorization", format!("Basic {pair}")).json(&json!({"type": kind}))
}

fn pay(client: &ClientToken) -> ClientCall {
    with_token("make the payment", "transactions", "payment", client)
}

fn refund(client: &ClientToken) -> ClientCall {
    with_token("refund a payment", "transactions", "refund", client)
}

fn error(status: u16, kind: &str, description: &str, details: &Value) -> Answer {
    Answer::json(
        status,
        &json!({"object": "error", "error_type": kind, "error_description": description, "details": details}),
    )
}

fn failure(status: u16) -> Answer {
    let refused = |kind, description| error(status, kind, description, &Value::Null);
    match status {
        401 => refused("Unauthorized", "Incorrect API key"),
        403 => refused("Forbidden", "This key may not do this"),
        404 => refused("NotFound", "Not found"),
        429 => refused("TooManyRequests", "Too many requests"),
        503 => refused("ServiceUnavailable", "Try again later"),
        500.. => Answer::text(status, "Internal Server Error"),
        _ => refused("BadRequest", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let (key, _) = request.basic().filter(|(_, password)| password.is_empty()).ok_or_else(|| failure(401))?;
    let body = request.json().unwrap_or_default();
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    let path = request.segments();
    let environ = match key.split_once("secret_key_") {
        Some(("test_", _)) => "test",
        Some(("", _)) => "live",
        _ => {
            let token = state.active(&key, &["client_token"]).map_err(|_| failure(401))?;
            let stores = token.attribute("intent") == "payment_method_form";
            return match (path.as_slice(), kind) {
                (["payment_methods"], _) if stores => Ok(Answer::json(200, &json!({"object": "payment_method"}))),
                (["transactions"], "payment") if !stores => Ok(Answer::json(200, &json!({"object": "transaction"}))),
                _ => Err(failure(403)),
            };
        }
    };
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["access_tokens"]) => {
            let wrong =
                |what: &str| error(400, "InvalidAttributes", "There are invalid attributes", &json!({what: "Invalid"}));
            if kind != "client" {
                return Err(wrong("type"));
            }
            let intent = body.get("intent").and_then(Value::as_object).ok_or_else(|| wrong("intent"))?;
            let version = request.header("x-api-version").unwrap_or("v1");
            if !["v1", "v2"].contains(&version) {
                return Err(wrong("X-API-Version"));
            }
            let name = sound(intent, version == "v2").ok_or_else(|| wrong("intent"))?;
            let id = state.random_id("client_key_", 20);
            state.issue(&id, "client_token", None, &[("intent", name)]);
            Ok(Answer::json(
                200,
                &json!({"id": id, "object": "access_token", "type": "client", "status": "active", "environ": environ}),
            ))
        }
        ("POST", ["transactions" | "payment_methods"]) => Ok(Answer::json(200, &json!({"object": "transaction"}))),
        _ => Err(failure(404)),
    }
}

/// The name of the only intent, if it is complete by the version of the API.
fn sound(intent: &Map<String, Value>, v2: bool) -> Option<&str> {
    let (name, details) = intent.iter().next().filter(|_| intent.len() == 1)?;
    let payable =
        |details: &Value| details.get("amount").is_some_and(|amount| amount.as_f64().is_some_and(|it| it > 0.0));
    let complete = match name.as_str() {
        "payment_method_form" if v2 => details.get("payment_method_template").is_some_and(Value::is_object),
        "payment_method_form" => details.get("payment_method").is_some_and(Value::is_object),
        "payment_form" => details.get(if v2 { "payment_template" } else { "payment" }).is_some_and(payable),
        "checkout_plugin" | "checkout_page" => {
            payable(details) || details.get("invoice_id").is_some_and(Value::is_string)
        }
        _ => false,
    };
    complete.then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Basic authentication with `test_secret_key_a:`.
    const KEY: (&str, &str) = ("authorization", "Basic dGVzdF9zZWNyZXRfa2V5X2E6");
    const TOKENS: &str = "POST /access_tokens";

    #[test]
    fn a_client_token_allows_the_call_of_its_intent() {
        for (grant, details) in [
            ("payment_method_form", r#"{"payment_method": {}}"#),
            ("payment_form", r#"{"payment": {"amount": 10.5}}"#),
            ("checkout_plugin", r#"{"amount": 10.5}"#),
            ("checkout_page", r#"{"invoice_id": "i"}"#),
        ] {
            let mut fake = Fake::new("payload");
            let body = format!(r#"{{"type": "client", "intent": {{"{grant}": {details}}}}}"#);
            let (status, token) = fake.ask(TOKENS, &[KEY], &body);
            assert_eq!((status, token["environ"].as_str()), (200, Some("test")), "{grant}");
            fake.check_token_use(grant, &token["id"], &[], None);
            assert_eq!(fake.ask("POST /transactions", &[KEY], r#"{"type": "refund"}"#).0, 200);
            let of_version = |fake: &mut Fake, body: &str| fake.ask(TOKENS, &[KEY, ("x-api-version", "v2")], body).0;
            let template = body.replace(r#""payment""#, r#""payment_template""#);
            let template = template.replace(r#""payment_method""#, r#""payment_method_template""#);
            assert_eq!(of_version(&mut fake, &template), 200);
            assert_eq!(of_version(&mut fake, &body), if template == body { 200 } else { 400 });
            assert_eq!(fake.ask(TOKENS, &[KEY, ("x-api-version", "v3")], &body).0, 400);
            assert_eq!(fake.ask(TOKENS, &[], &body).0, 401);
            assert_eq!(fake.ask(TOKENS, &[KEY], &body.replace(details, "{}")).0, 400);
            assert_eq!(fake.ask(TOKENS, &[KEY], &body.replace("client", "secret")).0, 400);
        }
    }
}
