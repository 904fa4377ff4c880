//! Fiserv Commerce Hub: security credentials and their use by a card form.
//!
//! Written from the vendor's OpenAPI document 1.24.11 (paths, headers, members) and from
//! <https://github.com/Fiserv/Commerce-Hub> (signature, digest, idempotency). Fiserv's older
//! credentials reach the same API.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    dates::{is_fresh, timestamp},
    http::{Answer, Handled, Request},
    signing::{hmac_sha256, sha256},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

const API_KEY: &str = "sandbox_api_key";
const SECRET: &str = "sandbox_fiserv_secret";

/// The fake without its name, the names of its credentials and its token uses.
pub(super) const API: FakeVendor = FakeVendor {
    name: "fiservcommercehub",
    credentials: r#"{"api_key": "sandbox_api_key", "secret": "sandbox_fiserv_secret", "merchant_id": "100000000000001", "terminal_id": "10000001"}"#,
    secrets: &["api-key"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "security_credentials",
        allowed: |client| capture("fiservcommercehub", client),
        forbidden: |client| refund("fiservcommercehub", client),
    }],
};

pub(super) static FISERVCOMMERCEHUB: FakeVendor = API;

const EXAMPLES: &[(&str, &str)] = &[("security_credentials", "{}")];

/// A call of the Checkout SDK: it has no HMAC, but the token and a digest without a secret.
pub(super) fn capture(name: &str, client: &ClientToken) -> ClientCall {
    let body = json!({"source": {"sourceType": "PaymentCard", "encryptionData": {"encryptionBlock": "Y2FyZA=="}}});
    let digest = BASE64_STANDARD.encode(sha256(format!("{API_KEY}id1{body}").as_bytes()));
    ClientCall::new("capture a card in the form", "POST", format!("/{name}/ch/payments-vas/v1/card-capture"))
        .bearer(&client.token)
        .header("auth-token-type", "AccessToken")
        .header("api-key", API_KEY)
        .header("client-request-id", "id")
        .header("timestamp", "1")
        .header("message-digest", digest)
        .json(&body)
}

pub(super) fn refund(name: &str, client: &ClientToken) -> ClientCall {
    ClientCall::new("refund a payment", "POST", format!("/{name}/ch/payments/v1/refunds"))
        .bearer(&client.token)
        .header("auth-token-type", "AccessToken")
        .header("api-key", API_KEY)
        .json(&json!({"amount": {"total": 1, "currency": "USD"}}))
}

fn error(status: u16, kind: &str, code: Option<&str>, field: Option<&str>, message: &str) -> Answer {
    let mut fault = json!({"type": kind, "code": code, "field": field, "message": message});
    fault.as_object_mut().into_iter().for_each(|fault| fault.retain(|_, value| !value.is_null()));
    let details = json!({"transactionProcessingDetails": {"apiTraceId": "7027b61dbf7645399d204dbfa0de0870"}});
    Answer::json(status, &json!({"gatewayResponse": details, "error": [fault]}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "APIM", None, None, "ApiKey and/or Authentication supplied are invalid."),
        403 => error(403, "APIM", None, None, "Not allowed."),
        404 => error(404, "APIM", None, None, "Resource not found."),
        429 => error(429, "APIM", None, None, "Request volume is too high."),
        500.. => error(status, "APIM", None, None, "Service unavailable."),
        _ => error(status, "GATEWAY", Some("104"), None, "The request was refused"),
    }
}

fn date(seconds: i64) -> String {
    timestamp(seconds).to_string()
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/ch/payments-vas/v1/security/credentials") => once(request, state),
        ("POST", "/ch/payments-vas/v1/card-capture") => card_capture(request, state),
        ("POST", "/ch/payments/v1/refunds") => {
            signed(request, state)?;
            Ok(Answer::json(201, &json!({"gatewayResponse": {"transactionState": "CAPTURED"}})))
        }
        _ => Err(failure(404)),
    }
}

/// Checks a signature. A request id works once in five minutes.
fn once(request: &Request, state: &mut VendorState) -> Handled {
    signed(request, state)?;
    let body = request.json().filter(|_| request.content_type() == "application/json");
    let body = body.ok_or_else(|| error(400, "GATEWAY", Some("121"), None, "Malformed JSON"))?;
    if !body.pointer("/merchantDetails/merchantId").is_some_and(Value::is_string) {
        let message = "Missing or invalid merchant";
        return Err(error(400, "GATEWAY", Some("104"), Some("merchantDetails.merchantId"), message));
    }
    match state.idempotent(request.header("client-request-id").map(str::to_owned), 300, request, security_credentials) {
        Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
        Idempotent::Conflict => Err(error(400, "GATEWAY", Some("105"), Some("Client-Request-Id"), "Duplicate request")),
    }
}

fn signed(request: &Request, state: &VendorState) -> Result<(), Answer> {
    let header = |name| request.header(name).unwrap_or_default();
    let (id, timestamp) = (header("client-request-id"), header("timestamp"));
    let message = [API_KEY.as_bytes(), id.as_bytes(), timestamp.as_bytes(), &request.body].concat();
    let valid = header("api-key") == API_KEY
        && header("auth-token-type") == "HMAC"
        && !id.is_empty()
        && timestamp.parse::<i64>().is_ok_and(|milliseconds| is_fresh(milliseconds.div_euclid(1000), state.now))
        && header("authorization") == BASE64_STANDARD.encode(hmac_sha256(SECRET.as_bytes(), &message));
    valid.then_some(()).ok_or_else(|| failure(401))
}

fn security_credentials(state: &mut VendorState) -> Answer {
    let (token, expires_at) = (state.random_id("tKn", 25), state.now.saturating_add(1800));
    state.issue(&token, "security_credentials", Some(expires_at), &[]);
    let answer = json!({"keyId": state.random_id("key-", 32), "publicKey": state.random_id("MIIBIj", 386), "keyLength": 392,
        "accessToken": token, "accessTokenType": "JWT", "sessionId": state.random_id("session-", 28),
        "accessTokenIssuedTime": date(state.now), "accessTokenTimeToLive": 1800,
        "asymmetricEncryptionAlgorithm": "RSA", "expiresAt": date(expires_at)});
    Answer::json(201, &answer)
}

fn card_capture(request: &Request, state: &mut VendorState) -> Handled {
    let header = |name| request.header(name).unwrap_or_default();
    let message = ["api-key", "client-request-id", "timestamp"].map(|name| header(name).as_bytes()).concat();
    let digest = BASE64_STANDARD.encode(sha256([&message, request.body.as_ref()].concat()));
    let is_valid = state.active(request.bearer().unwrap_or_default(), &["security_credentials"]).is_ok();
    if !is_valid || header("auth-token-type") != "AccessToken" || header("message-digest") != digest {
        return Err(failure(401));
    }
    Ok(Answer::json(201, &json!({"gatewayResponse": {"transactionState": "CAPTURED_CARD"}})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    fn ask(fake: &mut Fake, path: &str, timestamp: i64, secret: &str) -> (u16, Value) {
        let body = r#"{"merchantDetails":{"merchantId":"1","terminalId":"1"}}"#;
        let timestamp = (timestamp * 1000).to_string();
        let signature =
            BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), format!("{API_KEY}id1{timestamp}{body}").as_bytes()));
        let headers = [
            ("api-key", API_KEY),
            ("client-request-id", "id1"),
            ("timestamp", &timestamp),
            ("auth-token-type", "HMAC"),
            ("authorization", &signature),
        ];
        fake.ask(&format!("POST /ch{path}"), &headers, body)
    }

    #[test]
    fn credentials_are_for_half_an_hour_and_one_form() {
        for name in ["fiserv", "fiservcommercehub"] {
            let mut fake = Fake::new(name);
            let (status, made) = ask(&mut fake, "/payments-vas/v1/security/credentials", NOW, SECRET);
            assert_eq!((status, &made["expiresAt"]), (201, &json!("2027-01-15T08:30:00Z")), "{made}");
            assert_eq!(ask(&mut fake, "/payments-vas/v1/security/credentials", NOW, SECRET).1, made, "a repetition");
            fake.check_token_use("security_credentials", &made["accessToken"], &[], Some(1800));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("fiservcommercehub");
        let path = "/payments-vas/v1/security/credentials";
        for (timestamp, secret) in [(NOW, "another"), (NOW - 301, SECRET), (NOW + 301, SECRET)] {
            let (status, answer) = ask(&mut fake, path, timestamp, secret);
            assert_eq!((status, &answer["error"][0]["type"]), (401, &json!("APIM")));
        }
        assert_eq!(ask(&mut fake, "/payments/v1/refunds", NOW, SECRET).0, 201, "a server may refund");
    }
}
