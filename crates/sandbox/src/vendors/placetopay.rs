//! PlacetoPay: checkout sessions.
//!
//! Written from the vendor's public PHP library (GitHub dnetix/redirection), with the SHA-256 digest of
//! docs.placetopay.dev. The bounds on references and lives are from memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    dates::{is_fresh, timestamp},
    http::{Answer, Handled, Request},
    signing::sha256,
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const LOGIN: &str = "sandbox_placetopay_login";
const TRAN_KEY: &str = "sandbox_placetopay_key";

pub(super) static PLACETOPAY: FakeVendor = FakeVendor {
    name: "placetopay",
    credentials: r#"{"login": "sandbox_placetopay_login", "tran_key": "sandbox_placetopay_key"}"#,
    secrets: &["/auth/login"],
    request_id: None,
    serve,
    failure: |status, state| failure(status, state),
    examples: EXAMPLES,
    clients: &[
        TokenUse { grant: "subscription_session", allowed: open, forbidden: read },
        TokenUse { grant: "payment_session", allowed: open, forbidden: read },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    (
        "subscription_session",
        r#"{"return_url": "https://shop.example/back", "ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"}"#,
    ),
    (
        "payment_session",
        r#"{"return_url": "https://shop.example/back", "ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0", "payment": {"amount": {"currency": "COP", "total": 10000}}}"#,
    ),
];

/// The path of the page: the token is the page's address on the vendor's host.
fn page(client: &ClientToken) -> &str {
    client.token.split_once("/session/").map_or(client.token.as_str(), |(_, page)| page)
}

fn open(client: &ClientToken) -> ClientCall {
    ClientCall::new("open the hosted page", "GET", format!("/placetopay/session/{}", page(client)))
}

fn read(client: &ClientToken) -> ClientCall {
    let id = page(client).split('/').next().unwrap_or_default();
    let call = ClientCall::new("read the session's payments", "POST", format!("/placetopay/api/session/{id}"));
    call.json(&json!({"auth": {"login": LOGIN, "tranKey": page(client), "nonce": "", "seed": ""}}))
}

fn date(seconds: i64) -> String {
    timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn error(status: u16, reason: Value, message: &str, state: &VendorState) -> Answer {
    let body = json!({"status": "FAILED", "reason": reason, "message": message, "date": date(state.now)});
    Answer::json(status, &json!({"status": body}))
}

fn failure(status: u16, state: &VendorState) -> Answer {
    match status {
        401 => unauthorized(101, state),
        500.. => error(status, json!("XA"), "Error interno", state),
        _ => error(status, json!("BR"), "La petición no es válida", state),
    }
}

fn unauthorized(number: u16, state: &VendorState) -> Answer {
    error(401, json!(401), &format!("Autenticación fallida {number}"), state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["session", id, key]) => {
            state
                .active(&format!("{id}/{key}"), &["session"])
                .map_err(|_| Answer::text(404, "Sesión no encontrada"))?;
            Ok(Answer::of(200, "text/html", "<!DOCTYPE html><title>Checkout</title>".to_owned()))
        }
        ("POST", ["api", "session"]) => {
            authenticate(&body, state)?;
            session(&body, state)
        }
        ("POST", ["api", "session", id]) => {
            authenticate(&body, state)?;
            let known = state.find_token("id", id).is_some();
            let status = json!({"status": "PENDING", "reason": "PC", "message": "", "date": date(state.now)});
            known
                .then(|| Answer::json(200, &json!({"requestId": id, "status": status})))
                .ok_or_else(|| failure(404, state))
        }
        _ => Err(Answer::text(404, "Not Found")),
    }
}

/// Checks the digest over nonce, time and key. The refusals have the numbers of PlacetoPay's
/// messages.
fn authenticate(body: &Value, state: &VendorState) -> Result<(), Answer> {
    let auth = |name: &str| body.pointer(&format!("/auth/{name}")).and_then(Value::as_str).unwrap_or_default();
    let (nonce, seed) = (BASE64_STANDARD.decode(auth("nonce")).unwrap_or_default(), auth("seed"));
    let digest = BASE64_STANDARD.encode(sha256([&nonce, seed.as_bytes(), TRAN_KEY.as_bytes()].concat()));
    let fresh = seed.parse::<Timestamp>().is_ok_and(|seed| is_fresh(seed.as_second(), state.now));
    let number = match () {
        () if !body.get("auth").is_some_and(Value::is_object) => 100,
        () if auth("login") != LOGIN => 101,
        () if nonce.is_empty() || auth("tranKey") != digest => 102,
        () if !fresh => 103,
        () => return Ok(()),
    };
    Err(unauthorized(number, state))
}

fn session(body: &Value, state: &mut VendorState) -> Handled {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let named = |pointer: &str| {
        let reference = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        (1..=32).contains(&reference.chars().count()) && !reference.contains(' ')
    };
    let pays = body.pointer("/payment/amount/total").is_some_and(|total| total.is_number() || total.is_string())
        && text("/payment/amount/currency")
        && named("/payment/reference");
    let expires_at = body.get("expiration").and_then(Value::as_str).and_then(|it| it.parse::<Timestamp>().ok());
    let expires_at = expires_at.map(Timestamp::as_second).filter(|end| *end >= state.now.saturating_add(300));
    let complete = ["/returnUrl", "/ipAddress", "/userAgent"].iter().all(|pointer| text(pointer));
    let Some(expires_at) = expires_at.filter(|_| complete && (pays || named("/subscription/reference"))) else {
        return Err(failure(400, state));
    };
    let (id, key) = (state.random_id_of("1", 6, b"0123456789"), state.random_id_of("", 32, HEX_DIGITS));
    state.issue(&format!("{id}/{key}"), "session", Some(expires_at), &[("id", &id)]);
    let message = "La petición se ha procesado correctamente";
    let status = json!({"status": "OK", "reason": "PC", "message": message, "date": date(state.now)});
    let number: u64 = id.parse().unwrap_or_default();
    let url = format!("https://checkout-test.placetopay.com/session/{id}/{key}");
    Ok(Answer::json(200, &json!({"status": status, "requestId": number, "processUrl": url})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    fn ask(fake: &mut Fake, purpose: Value, login: &str, key: &str, seconds: i64) -> (u16, Value) {
        let (nonce, seed) = ("made up", date(NOW + seconds));
        let digest = BASE64_STANDARD.encode(sha256(format!("{nonce}{seed}{key}").as_bytes()));
        let mut body = purpose;
        body["auth"] = json!({"login": login, "tranKey": digest, "nonce": BASE64_STANDARD.encode(nonce), "seed": seed});
        body["expiration"] = json!(date(NOW + 1800));
        body["returnUrl"] = json!("https://a.example");
        body["ipAddress"] = json!("203.0.113.7");
        body["userAgent"] = json!("a");
        fake.ask("POST /api/session", &[], &body.to_string())
    }

    #[test]
    fn a_session_opens_its_page_until_its_end() {
        for (grant, purpose) in [
            ("subscription_session", json!({"subscription": {"reference": "r"}})),
            ("payment_session", json!({"payment": {"reference": "r", "amount": {"currency": "COP", "total": 1}}})),
        ] {
            let mut fake = Fake::new("placetopay");
            let (status, made) = ask(&mut fake, purpose, LOGIN, TRAN_KEY, 0);
            assert_eq!((status, &made["status"]["status"]), (200, &json!("OK")), "{made}");
            fake.check_token_use(grant, &made["processUrl"], &[], Some(1800));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        let valid = || json!({"subscription": {"reference": "r"}});
        for (purpose, login, key, seconds, status, end) in [
            (valid(), "another", TRAN_KEY, 0, 401, "101"),
            (valid(), LOGIN, "another", 0, 401, "102"),
            (valid(), LOGIN, TRAN_KEY, -301, 401, "103"),
            (json!({}), LOGIN, TRAN_KEY, 0, 400, "válida"),
            (json!({"subscription": {"reference": "r 1"}}), LOGIN, TRAN_KEY, 0, 400, "válida"),
        ] {
            let (got, answer) = ask(&mut Fake::new("placetopay"), purpose, login, key, seconds);
            assert_eq!(got, status);
            assert!(answer["status"]["message"].as_str().unwrap().ends_with(end), "{answer}");
        }
    }
}
