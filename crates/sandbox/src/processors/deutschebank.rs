//! Deutsche Bank's directPOS. The vendor's pages are not public, so this is what integrators report of its token call.

use crate::{Answer, Desk, Processor, Request, processor::Served};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

const CLIENT_KEY: &str = "sandbox-client-key";

pub static DEUTSCHEBANK: Processor = Processor {
    name: "deutschebank",
    credentials: r#"{"client_id": "sandbox-client", "client_key": "sandbox-client-key", "merchant_id": "sandbox-merchant"}"#,
    secrets: &["client_id"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

pub const EXAMPLES: &[(&str, &str)] = &[("client_credentials", "{}")];

fn failure(status: u16, _: &mut Desk) -> Answer {
    match status {
        401 => {
            Answer::json(401, &json!({"error": "invalid_client", "error_description": "Invalid client credentials"}))
        }
        _ => Answer::json(status, &json!({"rc": status.to_string(), "message": "The request was refused"})),
    }
}

fn serve(request: &Request, desk: &mut Desk) -> Served {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/rest-api/security/v1/token") {
        return Err(failure(404, desk));
    }
    let form = request.form();
    if request.content_type() != "application/x-www-form-urlencoded"
        || form.value("grant_type") != Some("client_credentials")
        || form.value("scope") != Some("ftx")
    {
        return Err(failure(400, desk));
    }
    signed(request).ok_or_else(|| failure(401, desk))?;
    let token = desk.jwt("RS256", &json!({"iat": desk.now, "exp": desk.now + 3_600}));
    desk.issue(&token, "access_token", Some(desk.now + 3_600), &[]);
    let expires_on = desk.now + 3_600;
    let granted = json!({"access_token": token, "expires_in": 3_600, "expires_on": expires_on, "scope": "ftx", "token_type": "bearer"});
    Ok(Answer::json(200, &granted))
}

/// The form's secret is `V1:` and an HMAC over the client's id and the two headers.
fn signed(request: &Request) -> Option<()> {
    let form = request.form();
    let (id, date, random) =
        (form.value("client_id")?, request.header("x-request-date")?, request.header("x-random-value")?);
    Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", date.replace("GMT", "+0000")).ok()?;
    let signature = BASE64_STANDARD.decode(form.value("client_secret")?.strip_prefix("V1:")?).ok()?;
    let mac = Hmac::<Sha256>::new_from_slice(CLIENT_KEY.as_bytes()).ok()?;
    let random_is_good = random.len() == 50 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let good = mac.chain_update(id).chain_update(date).chain_update(random).verify_slice(&signature);
    (good.is_ok() && random_is_good).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn gives_a_token_for_the_right_signature_only() {
        const TOKEN: &str = "POST /rest-api/security/v1/token";
        let random = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghij";
        let headers = [("x-request-date", "Fri, 15 Jan 2027 08:00:00 GMT"), ("x-random-value", random)];
        // HMAC-SHA-256 by another implementation.
        let good = "grant_type=client_credentials&scope=ftx&client_id=sandbox-client&client_secret=V1%3AybIetex1OmvbFgPBNKD6jgW1mGVz8lR5VlGvW0BvY5I%3D";
        let mut bench = Bench::new("deutschebank");
        let (status, token) = bench.ask(TOKEN, &headers, good);
        assert_eq!((status, &token["expires_on"]), (200, &1_800_003_600.into()));
        assert_eq!(bench.ask(TOKEN, &headers, &good.replace("sandbox-client", "other-client")).0, 401);
        assert_eq!(bench.ask(TOKEN, &headers[..1], good).0, 401);
        assert_eq!(bench.ask(TOKEN, &headers, &good.replace("ftx", "all")).0, 400);
    }
}
