//! Worldline Connect: client sessions.
//!
//! Written from the pages "Authentication" of the vendor's Server and Client API references.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    signing::hmac_sha256,
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, Idempotent, TokenError, VendorState},
};

const KEY: &str = "0a1b2c3d4e5f6071";
const SECRET: &str = "sandboxSecret+0001=";

pub(super) static WORLDLINE: FakeVendor = FakeVendor {
    name: "worldline",
    credentials: r#"{"api_key": "0a1b2c3d4e5f6071", "api_secret": "sandboxSecret+0001=", "merchant_account_id": "1234"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "client_session",
        allowed: |client| {
            let customer =
                client.client_parameters.get("customer_id").map_or_else(|| client.starting("1234-"), String::as_str);
            let path = format!("/worldline/client/v1/{customer}/products?countryCode=NL&currencyCode=EUR");
            as_client(ClientCall::new("list the payment products", "GET", path), client)
        },
        forbidden: |client| {
            as_client(ClientCall::new("refund a payment", "POST", "/worldline/v1/1234/payments/P1/refund"), client)
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[("client_session", "{}")];

fn as_client(call: ClientCall, client: &ClientToken) -> ClientCall {
    call.header("authorization", format!("GCS v1Client:{}", client.token))
}

fn error(status: u16, code: &str, id: &str, message: &str) -> Answer {
    let error = json!({"code": code, "category": "CONNECT_PLATFORM_ERROR", "httpStatusCode": status, "id": id,
        "message": message, "propertyName": null, "requestId": "1"});
    Answer::json(status, &json!({"errorId": "sandbox", "errors": [error]}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "9007", "AUTHENTICATION_FAILED", "The request could not be authenticated"),
        403 => error(403, "9002", "ACCESS_TO_MERCHANT_NOT_ALLOWED", "Access to this merchant is not allowed"),
        429 => error(429, "9429", "TOO_MANY_REQUESTS", "Too many requests"),
        500.. => error(status, "9999", "INTERNAL_SERVER_ERROR", "An internal error occurred"),
        _ => error(status, "9000", "REQUEST_REFUSED", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", merchant, "sessions"]) => {
            signed(request)?;
            let body = request.json().filter(Value::is_object).ok_or_else(|| failure(400))?;
            if body.get("tokens").is_some_and(|tokens| !tokens.is_array()) {
                return Err(error(400, "21000020", "VALUE_OF_FIELD_INVALID", "tokens must be a list"));
            }
            let key = request.header("x-gcs-idempotence-key").map(str::to_owned);
            match state.idempotent(key, 86_400, request, |state| session(merchant, state)) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => {
                    Err(error(409, "1409", "DUPLICATE_REQUEST", "The key came with another request before"))
                }
            }
        }
        ("GET", ["client", "v1", customer, "products"]) => {
            let token = request.header("authorization").and_then(|it| it.strip_prefix("GCS v1Client:"));
            let session =
                state.active(token.unwrap_or_default(), &["client_session"]).map_err(|reason| match reason {
                    TokenError::Expired => {
                        error(403, "9010", "CLIENT_SESSION_EXPIRED", "The client session has expired")
                    }
                    TokenError::Unknown | TokenError::Used => failure(403),
                })?;
            if session.attribute("customer") != *customer {
                return Err(failure(403));
            }
            Ok(Answer::json(200, &json!({"paymentProducts": [{"id": 1, "paymentMethod": "card"}]})))
        }
        ("POST", ["v1", _, "payments", id, "refund"]) => {
            signed(request)?;
            Ok(Answer::json(201, &json!({"id": format!("{id}-refund"), "status": "CREATED"})))
        }
        _ => Err(failure(404)),
    }
}

/// Checks the signature over method, content type, date, `X-GCS-` headers and path.
fn signed(request: &Request) -> Result<(), Answer> {
    let date = request.header("date").ok_or_else(|| failure(401))?;
    DateTimeParser::new().parse_timestamp(date).map_err(|_| failure(401))?;
    let kind = request.header("content-type").unwrap_or_default();
    let own = request.headers.iter().filter(|(name, _)| name.starts_with("x-gcs-"));
    let own: String = own.map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let text = format!("{}\n{kind}\n{date}\n{own}{}\n", request.method, request.path);
    let want = format!("GCS v1HMAC:{KEY}:{}", BASE64_STANDARD.encode(hmac_sha256(SECRET, text)));
    if request.header("authorization") == Some(want.as_str()) { Ok(()) } else { Err(failure(401)) }
}

fn session(merchant: &str, state: &mut VendorState) -> Answer {
    let id = state.random_id_of("", 32, HEX_DIGITS);
    let customer = state.random_id_of(&format!("{merchant}-"), 32, HEX_DIGITS);
    state.issue(&id, "client_session", Some(state.now.saturating_add(7200)), &[("customer", &customer)]);
    let host = "preprod.connect.worldline-solutions.com";
    Answer::json(
        200,
        &json!({"clientSessionId": id, "customerId": customer, "region": "EU", "invalidTokens": [],
            "clientApiUrl": format!("https://clientapi.{host}/client"), "assetUrl": format!("https://assets.{host}/")}),
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Another program made the signature.
    const SIGNED: &[(&str, &str)] = &[
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("authorization", "GCS v1HMAC:0a1b2c3d4e5f6071:dOG272Hc97JpALsSkebQqgvuYy79z/y6Va4bXA0Dcsk="),
        ("x-gcs-idempotence-key", "key-1"),
    ];

    #[test]
    fn a_session_lists_products_for_its_customer() {
        let mut fake = Fake::new("worldline");
        let (status, session) = fake.ask("POST /v1/1234/sessions", SIGNED, "{}");
        assert_eq!(status, 200);
        assert_eq!(fake.ask("POST /v1/1234/sessions", SIGNED, "{}").1, session);
        let customer = session["customerId"].as_str().unwrap();
        fake.check_token_use("client_session", &session["clientSessionId"], &[customer], Some(7200));
    }

    #[test]
    fn a_changed_request_has_no_valid_signature() {
        for changed in
            [("date", "Thu, 01 Jan 2026 00:00:01 GMT"), ("x-gcs-idempotence-key", "key-2"), ("date", "today")]
        {
            let headers: Vec<_> = SIGNED.iter().copied().chain([changed]).collect();
            assert_eq!(Fake::new("worldline").ask("POST /v1/1234/sessions", &headers, "{}").0, 401);
        }
        assert_eq!(Fake::new("worldline").ask("POST /v1/4321/sessions", SIGNED, "{}").0, 401);
    }
}
