//! PAYONE Commerce Platform: authentication tokens, and the tokenizer that they start.
//!
//! Written from PyPI pcp_serversdk_python 1.15.0: the signed text, the path and the body are its own.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    dates::{http_date, is_fresh, timestamp},
    http::{Answer, Handled, Request},
    signing::hmac_sha256,
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const MERCHANT: &str = "SANDBOX_P1";
const API_KEY: &str = "sandbox_payone_key";
const SECRET: &str = "sandbox_payone_secret";

pub(super) static PAYONE: FakeVendor = FakeVendor {
    name: "payone",
    credentials: r#"{"api_key": "sandbox_payone_key", "api_secret": "sandbox_payone_secret", "merchant_id": "SANDBOX_P1"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "authentication_token",
        allowed: |client| {
            let path = format!("/payone/v1/{MERCHANT}/hosted-tokenization/cards");
            let card = json!({"cardPan": "4111111111111111", "expiryDate": "1230"});
            ClientCall::new("tokenize a card", "POST", path).bearer(&client.token).json(&card)
        },
        forbidden: |client| {
            let path = format!("/payone/v1/{MERCHANT}/commerce-cases/1/checkouts/1/refund");
            ClientCall::new("refund a checkout", "POST", path).bearer(&client.token).json(&json!({}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[("authentication_token", "{}")];

fn failure(status: u16) -> Answer {
    let (code, id) = match status {
        401 => ("9002", "missing-or-invalid-authorization"),
        403 => ("9007", "access-to-merchant-not-allowed"),
        404 => ("1002", "resource-not-found"),
        429 => ("9010", "too-many-requests"),
        500.. => ("50001130", "general-error-technical-fault-internal"),
        _ => ("1000", "request-refused"),
    };
    let message = id.replace('-', "_").to_ascii_uppercase();
    let error = json!({"errorCode": code, "category": "COMMERCE_PLATFORM_ERROR", "httpStatusCode": status, "id": id, "message": message});
    Answer::json(status, &json!({"errorId": "4f3c0000-0000-4000-8000-000000000001", "errors": [error]}))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if request.method != "POST" {
        return Err(failure(404));
    }
    match request.segments().as_slice() {
        ["v1", merchant, "authentication-tokens"] => {
            signed(request, state)?;
            if request.json().is_none_or(|body| !body.is_object()) {
                return Err(failure(400));
            }
            if *merchant != MERCHANT {
                return Err(failure(403));
            }
            let expires_at = state.now.saturating_add(600);
            let claims = json!({"sub": merchant, "iat": state.now, "exp": expires_at, "jti": state.random_id("", 16)});
            let token = state.jwt("ES256", &claims);
            state.issue(&token, "authentication_token", Some(expires_at), &[]);
            let date = |seconds| timestamp(seconds).to_string();
            let id = state.random_id("", 32);
            let dates = (date(state.now), date(expires_at));
            Ok(Answer::json(
                200,
                &json!({"token": token, "id": id, "creationDate": dates.0, "expirationDate": dates.1}),
            ))
        }
        ["v1", _, "hosted-tokenization", "cards"] => {
            state.active(request.bearer().unwrap_or_default(), &["authentication_token"]).map_err(|_| failure(401))?;
            Ok(Answer::json(200, &json!({"paymentProcessingToken": state.random_id("", 32)})))
        }
        ["v1", _, "commerce-cases", _, "checkouts", _, "refund"] => {
            signed(request, state)?;
            Ok(Answer::json(200, &json!({"paymentResponse": {"status": "REFUND_REQUESTED"}})))
        }
        _ => Err(failure(404)),
    }
}

/// Checks a signature of `GCS v1HMAC`. It covers the method, the content type, the date, the X-GCS
/// headers by name, and the path, each on a line.
fn signed(request: &Request, state: &VendorState) -> Result<(), Answer> {
    let header = |name| request.header(name).unwrap_or_default();
    let own = request.headers.iter().filter(|(name, _)| name.starts_with("x-gcs-"));
    let own: String = own.map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let text = format!("{}\n{}\n{}\n{own}{}\n", request.method, header("content-type"), header("date"), request.path);
    let want =
        format!("GCS v1HMAC:{API_KEY}:{}", BASE64_STANDARD.encode(hmac_sha256(SECRET.as_bytes(), text.as_bytes())));
    let fresh = http_date(header("date")).is_some_and(|date| is_fresh(date, state.now));
    (fresh && header("authorization") == want).then_some(()).ok_or_else(|| failure(401))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    fn ask(fake: &mut Fake, merchant: &str, date: &str, secret: &str) -> (u16, serde_json::Value) {
        let path = format!("/v1/{merchant}/authentication-tokens");
        let text = format!("POST\napplication/json\n{date}\nx-gcs-a:b\n{path}\n");
        let authorization =
            format!("GCS v1HMAC:{API_KEY}:{}", BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), text.as_bytes())));
        let headers =
            [("content-type", "application/json"), ("date", date), ("x-gcs-a", "b"), ("authorization", &authorization)];
        fake.ask(&format!("POST {path}"), &headers, "{}")
    }

    #[test]
    fn a_token_starts_the_tokenizer_for_ten_minutes() {
        let mut fake = Fake::new("payone");
        let (status, made) = ask(&mut fake, MERCHANT, "Fri, 15 Jan 2027 08:00:00 GMT", SECRET);
        assert_eq!((status, &made["expirationDate"]), (200, &json!("2027-01-15T08:10:00Z")), "{made}");
        fake.check_token_use("authentication_token", &made["token"], &[], Some(600));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("payone");
        for (merchant, date, secret, status) in [
            (MERCHANT, "Fri, 15 Jan 2027 08:00:00 GMT", "another", 401),
            (MERCHANT, "Fri, 15 Jan 2027 08:05:01 GMT", SECRET, 401),
            (MERCHANT, "2027-01-15T08:00:00Z", SECRET, 401),
            ("other", "Fri, 15 Jan 2027 08:00:00 GMT", SECRET, 403),
        ] {
            let (got, answer) = ask(&mut fake, merchant, date, secret);
            assert_eq!((got, &answer["errors"][0]["httpStatusCode"]), (status, &json!(status)));
        }
    }
}
