//! `GrabPay`: the access token of a customer's consent, for servers.
//!
//! Written from the vendor's SDK (repository grab/grabpay-merchant-sdk): a code is exchanged for a
//! token, and the charge is completed with the token and a proof signed with the client's secret. A
//! code works once, but those of the examples, so that the playground can repeat them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    dates::is_fresh,
    http::{Answer, Handled, Request, text},
    oauth::{self, AccessToken},
    signing::hmac_sha256,
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static GRABPAY: FakeVendor = FakeVendor {
    name: "grabpay",
    credentials: r#"{"partner_id": "sandbox-partner", "partner_secret": "sandbox-partner-secret", "client_id": "sandbox-client", "client_secret": "sandbox-secret", "merchant_id": "sandbox-merchant"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[(
    "authorization_code",
    r#"{"code": "sandbox-code", "code_verifier": "sandbox-verifier-of-forty-three-characters0", "redirect_uri": "https://shop.example/back"}"#,
)];

const LIFETIME_SECONDS: i64 = 3_600;

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Client authentication failed"),
        403 => oauth::error(403, "unauthorized_client", "The client may not do this"),
        500.. => oauth::error(status, "server_error", "Something went wrong"),
        _ => oauth::error(status, "invalid_request", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/grabid/v1/oauth2/token") => token(request, state),
        ("POST", "/grabpay/partner/v2/charge/complete" | "/mocapay/partner/v2/charge/complete") => {
            complete(request, state)
        }
        _ => Err(oauth::error(404, "not_found", "Not found")),
    }
}

fn token(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").ok_or_else(|| failure(400))?;
    let [client, secret, code, verifier, redirect, grant_type] =
        ["/client_id", "/client_secret", "/code", "/code_verifier", "/redirect_uri", "/grant_type"]
            .map(|at| text(&body, at));
    if client.is_empty() || secret.is_empty() {
        return Err(failure(401));
    }
    if grant_type != "authorization_code" {
        return Err(oauth::error(400, "unsupported_grant_type", "The grant type is not supported"));
    }
    // RFC 7636 section 4.1; the SDK fills shorter ones up.
    if !(43..=128).contains(&verifier.len()) || redirect.is_empty() || code.is_empty() {
        return Err(failure(400));
    }
    let spent = format!("code {code}");
    if state.was_issued(&spent) {
        return Err(oauth::error(400, "invalid_grant", "The code is not valid"));
    }
    if !code.starts_with("sandbox-") {
        state.issue(&spent, "code", None, &[]);
    }
    let id_token = state.jwt("RS256", &json!({"aud": client, "iat": state.now, "exp": state.now + LIFETIME_SECONDS}));
    let token = state.random_id("", 48);
    let issued = AccessToken { token: token.clone(), token_type: "Bearer", lifetime_seconds: LIFETIME_SECONDS };
    let answer = issued.issue("access_token", json!({"id_token": id_token}), state);
    state.issue(&token, "access_token", Some(state.now + LIFETIME_SECONDS), &[("secret", secret)]);
    Ok(answer)
}

/// Completes a charge: the token alone is not enough.
fn complete(request: &Request, state: &mut VendorState) -> Handled {
    let unauthorized = || oauth::error(401, "unauthorized", "The token or its proof is not valid");
    let token = request.bearer().unwrap_or_default();
    let now = state.now;
    let issued = state.active(token, &["access_token"]).map_err(|_| unauthorized())?;
    let proof = request.header("x-gid-aux-pop").and_then(|proof| BASE64_URL_SAFE_NO_PAD.decode(proof).ok());
    let proof: Value = proof.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let time = proof.get("time_since_epoch").and_then(Value::as_i64).unwrap_or_default();
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(issued.attribute("secret"), format!("{time}{token}")));
    if text(&proof, "/sig") != signature || !is_fresh(time, now) {
        return Err(unauthorized());
    }
    let body = request.json().unwrap_or_default();
    match text(&body, "/partnerTxID") {
        "" => Err(failure(400)),
        id => Ok(Answer::json(200, &json!({"txID": id, "status": "success", "txStatus": "success"}))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    const TOKEN: &str = "POST /grabid/v1/oauth2/token";
    const BODY: &str = r#"{"grant_type":"authorization_code","client_id":"a","client_secret":"test-client-secret","code":"c","code_verifier":"0000000000000000000000000000000000000000000","redirect_uri":"https://shop.example/r"}"#;

    fn proof(secret: &str, token: &str, time: i64) -> String {
        let sig = BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(secret, format!("{time}{token}")));
        BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"time_since_epoch":{time},"sig":"{sig}"}}"#))
    }

    #[test]
    fn a_token_completes_a_charge_with_its_proof_only() {
        let mut fake = Fake::new("grabpay");
        let (_, answer) = fake.ask(TOKEN, &[], BODY);
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        for (secret, time, status) in
            [("test-client-secret", NOW, 200), ("test-client-secret", NOW - 301, 401), ("another secret", NOW, 401)]
        {
            let headers = [("authorization", bearer.as_str()), ("x-gid-aux-pop", &proof(secret, &token, time))];
            let charge = "POST /grabpay/partner/v2/charge/complete";
            assert_eq!(fake.ask(charge, &headers, r#"{"partnerTxID":"t"}"#).0, status, "{secret} {time}");
        }
    }

    #[test]
    fn the_proof_is_that_of_an_independent_test() {
        let want = "eyJ0aW1lX3NpbmNlX2Vwb2NoIjoxNzkwODQ4ODAwLCJzaWciOiJzUXFMdWhSekF1WW5jdXl3aWFsc3B1RWJfSzNPR3dHc0ZlcEllZGtOU3FJIn0";
        assert_eq!(proof("test-client-secret", "tok-abc", 1_790_848_800), want);
    }

    #[test]
    fn a_code_works_once_and_faulty_requests_are_refused() {
        let mut fake = Fake::new("grabpay");
        assert_eq!(fake.ask(TOKEN, &[], BODY).0, 200);
        assert_eq!(fake.ask(TOKEN, &[], BODY).1["error"], "invalid_grant");
        for (body, status, code) in [
            (BODY.replace("test-client-secret", ""), 401, "invalid_client"),
            (BODY.replace("authorization_code", "password"), 400, "unsupported_grant_type"),
            (BODY.replace("00000", ""), 400, "invalid_request"),
            ("grant_type=authorization_code".to_owned(), 400, "invalid_request"),
        ] {
            let (got, answer) = fake.ask(TOKEN, &[], &body);
            assert_eq!((got, &answer["error"]), (status, &code.into()), "{body}");
        }
    }
}
