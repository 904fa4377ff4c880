//! Worldline Connect: client sessions.
//!
//! Written from the request schema and the signature of the vendor's client connect-sdk-nodejs 5.2.0,
//! and the paths that connect-sdk-client-js 6.0.6 calls.

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
            if let Some(name) = faulty_member(&body) {
                return Err(error(400, "21000020", "VALUE_OF_FIELD_INVALID", &format!("{name} is not valid")));
            }
            let key = request.header("x-gcs-idempotence-key").map(str::to_owned);
            match state.idempotent(key, 86_400, request, |state| session(merchant, state)) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => {
                    Err(error(409, "1409", "DUPLICATE_REQUEST", "The key came with another request before"))
                }
            }
        }
        ("GET", ["client", "v1", customer, asked @ ..]) => {
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
            match asked {
                ["products"] => Ok(Answer::json(200, &json!({"paymentProducts": [product()]}))),
                ["products", "1"] => Ok(Answer::json(200, &product())),
                ["crypto", "publickey"] => Ok(Answer::json(
                    200,
                    &json!({"keyId": "86b64e4e-f43e-4a27-9863-9bbd5b499f82", "publicKey": PUBLIC_KEY}),
                )),
                _ => Err(failure(404)),
            }
        }
        ("POST", ["v1", _, "payments", id, "refund"]) => {
            signed(request)?;
            Ok(Answer::json(201, &json!({"id": format!("{id}-refund"), "status": "CREATED"})))
        }
        _ => Err(failure(404)),
    }
}

/// A made-up RSA key, with which the client's SDK encrypts card data. Its private half is nowhere.
const PUBLIC_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzt/xW/+P49ejo0mkYqyI9tk6fY6mEMkqzcv73bc3w2g2Y0wIo3xUJ/s3\
    7hTuEJdOLWsxjjLwp5gKv65fXlyTbQ4RvPI/mL5W+aqDhWeoHQ8y5zk1EVBsj0FdwoxHbIjjBfr5eICYV6E/ZVtZ8i5rFA7hEj0l\
    vJ6Eq459RtI/39sUTm88+QG4y0aaBeIss31W10QYxKRZRR1uroAnTjvR60AW7xlFkPPlbdSaFTse4yzTw2tqgqSKGWSq7BNCBkge\
    KDW0Vu71KrkxO5SpY7UhYWFTV0phVq5XlD7WL6NX1XEeXZUA++n0mCyjMztDS3okh3K5VyMrdIuiRMooCknRPQIDAQAB";

/// A card product in the shape that the client's SDK reads.
fn product() -> Value {
    let card_number = json!({"id": "cardNumber", "type": "numericstring",
        "dataRestrictions": {"isRequired": true, "validators": {"luhn": {}, "length": {"minLength": 13, "maxLength": 19}}},
        "displayHints": {"displayOrder": 0, "label": "Card number", "formElement": {"type": "text"},
            "mask": "{{9999}} {{9999}} {{9999}} {{9999}} {{999}}", "alwaysShow": false, "obfuscate": false,
            "preferredInputType": "IntegerKeyboard"}});
    json!({"id": 1, "paymentMethod": "card", "paymentProductGroup": "cards", "usesRedirectionTo3rdParty": false,
        "allowsRecurring": true, "allowsTokenization": true, "autoTokenized": false, "fields": [card_number],
        "displayHints": {"displayOrder": 0, "label": "VISA", "logo": "pp_logo_1_v1.png"}})
}

/// The first member of a request for a session that the schema does not allow.
fn faulty_member(body: &Value) -> Option<&str> {
    let list_of =
        |value: &Value, is_item: fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(is_item));
    let is_filter = |filter: &Value| {
        filter.as_object().is_some_and(|members| {
            members.iter().all(|(name, value)| match name.as_str() {
                "groups" => list_of(value, Value::is_string),
                "products" => list_of(value, Value::is_i64),
                _ => false,
            })
        })
    };
    let is_valid = |name: &str, value: &Value| match name {
        "tokens" => list_of(value, Value::is_string),
        "paymentProductFilters" => value.as_object().is_some_and(|filters| {
            filters.iter().all(|(name, filter)| ["exclude", "restrictTo"].contains(&name.as_str()) && is_filter(filter))
        }),
        _ => false,
    };
    body.as_object()?.iter().find(|(name, value)| !is_valid(name, value)).map(|(name, _)| name.as_str())
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
        let bearer = format!("GCS v1Client:{}", session["clientSessionId"].as_str().unwrap());
        for path in ["products", "products/1", "crypto/publickey"] {
            let call = format!("GET /client/v1/{customer}/{path}?countryCode=NL");
            assert_eq!(fake.ask(&call, &[("authorization", &bearer)], "").0, 200, "{path}");
        }
        fake.check_token_use("client_session", &session["clientSessionId"], &[customer], Some(7200));
    }

    #[test]
    fn a_member_that_the_schema_has_not_is_refused() {
        for (body, valid) in [
            (
                r#"{"tokens": ["a"], "paymentProductFilters": {"restrictTo": {"groups": ["cards"], "products": [1]}}}"#,
                true,
            ),
            (r#"{"tokens": [1]}"#, false),
            (r#"{"paymentProductFilters": {"restrictTo": {"products": ["1"]}}}"#, false),
            (r#"{"paymentProductFilters": {"only": {}}}"#, false),
            (r#"{"colour": "red"}"#, false),
        ] {
            assert_eq!(super::faulty_member(&serde_json::from_str(body).unwrap()).is_none(), valid, "{body}");
        }
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
