//! Trust Payments: the JWT of the JavaScript library.
//!
//! Written from the help pages "JSON Web Token" and "3DS API Field Specification". There is no
//! token call. The endpoint of the library is not described: the invented one takes the JWT and the
//! request types, and refuses with the published error codes and status 400. The library itself is a stub.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    signing::hmac_sha256,
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const SECRET: &str = "sandbox-jwt-secret";

const EXAMPLES: &[(&str, &str)] =
    &[("jwt", r#"{"jwt_username": "jwt.sandbox", "jwt_secret": "sandbox-jwt-secret", "currencyiso3a": "GBP"}"#)];

pub(super) static TRUSTPAYMENTS: FakeVendor = FakeVendor {
    name: "trustpayments",
    credentials: r#"{"site_reference": "test_sandbox12345", "username": "ws.sandbox", "password": "sandbox-password"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| error(status, "60010", "Bank System Error"),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "jwt",
        allowed: |client| run("check a card", &["ACCOUNTCHECK"], client),
        forbidden: |client| run("refund a payment", &["REFUND"], client),
    }],
};

fn run(title: &'static str, requests: &[&str], client: &ClientToken) -> ClientCall {
    let request = json!({"requesttypedescriptions": requests, "pan": "4111111111111111", "expirydate": "12/2030"});
    ClientCall::new(title, "POST", "/trustpayments/jwt/").json(&json!({"jwt": client.token, "request": [request]}))
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let response = json!({"errorcode": code, "errormessage": message, "requesttypedescription": "ERROR"});
    Answer::json(status, &json!({"version": "1.00", "response": [response]}))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) == ("GET", "/js/latest/st.js") {
        let script = "window.SecureTrading = (config) => ({ Components() {}, updateJWT(jwt) { config.jwt = jwt; } });";
        return Ok(Answer::of(200, "text/javascript", script.to_owned()));
    }
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/jwt/") {
        return Err(error(404, "60034", "No such path"));
    }
    let body = request.json().unwrap_or_default();
    let claims = claims(text(&body, "/jwt")).ok_or_else(|| error(400, "10300", "JWT decode error"))?;
    let issued = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
    if text(&claims, "/iss") != "jwt.sandbox" || !(0..3_600).contains(&state.now.saturating_sub(issued)) {
        return Err(error(400, "10300", "JWT decode error"));
    }
    let payload = claims.get("payload").cloned().unwrap_or_default();
    for name in ["sitereference", "currencyiso3a", "accounttypedescription"] {
        if text(&payload, &format!("/{name}")).is_empty() {
            return Err(error(400, "30000", &format!("Invalid field: {name}")));
        }
    }
    if text(&payload, "/baseamount").parse::<u64>().is_err() {
        return Err(error(400, "30000", "Invalid field: baseamount"));
    }
    if text(&payload, "/orderreference").chars().count() > 25 || text(&payload, "/sitereference").len() > 50 {
        return Err(error(400, "30000", "Invalid field: orderreference"));
    }
    let list = |value: &Value, at: &str| value.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
    let allowed = list(&payload, "/requesttypedescriptions");
    let asked = list(&body, "/request/0/requesttypedescriptions");
    if asked.is_empty() || asked.iter().any(|it| !allowed.contains(it)) {
        return Err(error(400, "30000", "Invalid field: requesttypedescriptions"));
    }
    let done: Vec<Value> = asked
        .iter()
        .map(|it| json!({"errorcode": "0", "requesttypedescription": it, "transactionreference": state.random_id("", 12)}))
        .collect();
    Ok(Answer::json(200, &json!({"version": "1.00", "response": done})))
}

/// The claims, if the published secret signed them.
fn claims(jwt: &str) -> Option<Value> {
    let (to_sign, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = to_sign.split_once('.')?;
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let valid = text(&read(header)?, "/alg") == "HS256"
        && BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, to_sign)) == signature;
    read(claims).filter(|_| valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    fn jwt(secret: &str, iat: i64, payload: &Value) -> Value {
        let claims = json!({"iat": iat, "iss": "jwt.sandbox", "payload": payload}).to_string();
        let parts = [r#"{"alg":"HS256","typ":"JWT"}"#, &claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let to_sign = parts.join(".");
        json!(format!("{to_sign}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(secret, &to_sign))))
    }

    #[test]
    fn a_jwt_runs_its_request_types_for_an_hour() {
        let payload = json!({"accounttypedescription": "ECOM", "currencyiso3a": "GBP", "sitereference": "test_1",
            "baseamount": "0", "requesttypedescriptions": ["ACCOUNTCHECK"]});
        let mut long = payload.clone();
        long["orderreference"] = json!("r".repeat(26));
        assert_eq!(Fake::new("trustpayments").send("GET /js/latest/st.js", &[], "").status, 200);
        Fake::new("trustpayments").check_token_use("jwt", &jwt(SECRET, NOW, &payload), &[], Some(3_600));
        for (token, code) in [
            (jwt("other", NOW, &payload), "10300"),
            (jwt(SECRET, NOW + 1, &payload), "10300"),
            (jwt(SECRET, NOW, &json!({"requesttypedescriptions": ["ACCOUNTCHECK"]})), "30000"),
            (jwt(SECRET, NOW, &long), "30000"),
        ] {
            let body = json!({"jwt": token, "request": [{"requesttypedescriptions": ["ACCOUNTCHECK"]}]}).to_string();
            let (status, answer) = Fake::new("trustpayments").ask("POST /jwt/", &[], &body);
            assert_eq!((status, text(&answer, "/response/0/errorcode")), (400, code));
        }
    }
}
