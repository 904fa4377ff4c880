//! Tesouro: widget tokens of a user's page, and access tokens for servers.
//!
//! Written from <https://docs.tesouro.com>: client credentials, user token, widget tokens. The pages
//! do not name the path to which components give a widget token; the one here is made up.

use aes::{
    Aes256, Block,
    cipher::{BlockDecrypt, KeyInit},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    oauth::{self, AccessToken, ClientAuth, TokenEndpoint, TokenRequestError},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static TESOURO: FakeVendor = FakeVendor {
    name: "tesouro",
    credentials: r#"{"api_key": "sandbox-client", "api_secret": "sandbox-secret", "key1": "sandbox-acceptor", "widget_secret": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "widget_token",
        allowed: |client| {
            ClientCall::new("load the user's accounts", "POST", "/tesouro/widget/session")
                .json(&json!({"widgetToken": client.token}))
        },
        forbidden: |client| {
            ClientCall::new("act as the application", "GET", "/tesouro/v1/organizations").bearer(&client.token)
        },
    }],
};

/// A user's JWT without a signature, as some set-ups have it: `sub` is user-1, `email`
/// user@shop.example.
const USER: &str =
    r#"{"subject_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyLTEiLCJlbWFpbCI6InVzZXJAc2hvcC5leGFtcGxlIn0."}"#;
const EXAMPLES: &[(&str, &str)] = &[("widget_token", USER), ("access_token", "{}"), ("user_token", USER)];

const WIDGET_SECRET: [u8; 32] = [0x5A; 32];
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const LIFETIME_SECONDS: i64 = 3_600;

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "The client is unknown or its secret is wrong"),
        _ => Answer::json(status, &json!({"error": {"message": "The request was refused."}})),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Form,
    grant_types: &[("client_credentials", &[]), (TOKEN_EXCHANGE, &["subject_token", "subject_token_type"])],
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::UnsupportedGrantType => oauth::error(400, "unsupported_grant_type", "Not supported"),
        TokenRequestError::MissingField(name) => oauth::error(400, "invalid_request", &format!("{name} is missing")),
        _ => oauth::error(400, "invalid_request", "The request is not valid"),
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/openid/connect/token") => {
            let asked = TOKEN.check(request)?;
            if asked.grant_type != TOKEN_EXCHANGE {
                return Ok(issue(&asked.client_id, "access_token", state));
            }
            if asked.field("subject_token_type") != Some(ACCESS_TOKEN) {
                return Err(oauth::error(400, "invalid_request", "subject_token_type is not supported"));
            }
            let user = user(asked.field("subject_token").unwrap_or_default())?;
            Ok(issue(&user, "user_token", state))
        }
        ("POST", "/widget/session") => widget(request, state),
        ("GET", "/v1/organizations") => {
            let token = request.bearer().unwrap_or_default();
            match state.active(token, &["access_token"]) {
                Ok(_) => Ok(Answer::json(200, &json!({"data": []}))),
                Err(_) => Err(Answer::json(400, &json!({"error": {"message": "The token has been expired."}}))),
            }
        }
        _ => Err(failure(404)),
    }
}

fn issue(subject: &str, kind: &'static str, state: &mut VendorState) -> Answer {
    let claims = json!({"sub": subject, "iat": state.now, "exp": state.now.saturating_add(LIFETIME_SECONDS)});
    let token = state.jwt("RS256", &claims);
    let more = if kind == "user_token" { json!({"issued_token_type": ACCESS_TOKEN}) } else { json!({}) };
    AccessToken { token, token_type: "Bearer", lifetime_seconds: LIFETIME_SECONDS }.issue(kind, more, state)
}

/// The user of a JWT with `sub` and `email`. Its signature is not checked.
fn user(jwt: &str) -> Result<String, Answer> {
    let claims = jwt.split('.').nth(1).and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    match (text(&claims, "/sub"), text(&claims, "/email")) {
        ("", _) | (_, "") => Err(oauth::error(400, "invalid_grant", "subject_token has no sub or no email")),
        (sub, _) => Ok(sub.to_owned()),
    }
}

/// Opens a widget token and makes the exchange that it holds.
fn widget(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    let refused = || oauth::error(401, "invalid_token", "The widget token is not valid");
    let payload = open(text(&body, "/widgetToken"), &WIDGET_SECRET).ok_or_else(refused)?;
    let alive = payload.get("exp").and_then(Value::as_i64).is_some_and(|end| end > state.now);
    let client = !text(&payload, "/client_id").is_empty() && !text(&payload, "/client_secret").is_empty();
    let exchange =
        text(&payload, "/grant_type") == TOKEN_EXCHANGE && text(&payload, "/subject_token_type") == ACCESS_TOKEN;
    if !(alive && client && exchange) {
        return Err(refused());
    }
    let user = user(text(&payload, "/subject_token"))?;
    Ok(issue(&user, "user_token", state))
}

/// The payload of a JWE with `A256KW` and `A256GCM` (RFC 7516 section 5.2).
fn open(jwe: &str, key: &[u8; 32]) -> Option<Value> {
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header, sealed_key, vector, content, tag] = parts.as_slice() else { return None };
    let bytes = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let algorithms: Value = serde_json::from_slice(&bytes(header)?).ok()?;
    if (text(&algorithms, "/alg"), text(&algorithms, "/enc")) != ("A256KW", "A256GCM") {
        return None;
    }
    let opening = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &unwrap_key(key, &bytes(sealed_key)?)?).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&bytes(vector)?).ok()?;
    let mut content = [bytes(content)?, bytes(tag)?].concat();
    serde_json::from_slice(opening.open_in_place(nonce, Aad::from(header.as_bytes()), &mut content).ok()?).ok()
}

/// The content key of an AES key wrap (RFC 3394 section 2.2.2).
fn unwrap_key(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256::new(key.into());
    let mut registers: Vec<[u8; 8]> = sealed.chunks(8).map(|part| part.try_into().ok()).collect::<Option<_>>()?;
    if registers.len() != 5 {
        return None;
    }
    let mut check = registers.remove(0);
    for step in (1..=24_u64).rev() {
        let register = registers.get_mut(usize::try_from((step - 1) % 4).ok()?)?;
        let masked = (u64::from_be_bytes(check) ^ step).to_be_bytes();
        let mut block = Block::clone_from_slice(&[masked, *register].concat());
        cipher.decrypt_block(&mut block);
        let (head, tail) = block.split_at(8);
        (check, *register) = (head.try_into().ok()?, tail.try_into().ok()?);
    }
    (check == [0xA6; 8]).then(|| registers.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    const PATH: &str = "POST /openid/connect/token";
    const CLIENT: &str = "client_id=a&client_secret=b";

    #[test]
    fn an_application_and_a_user_get_tokens() {
        let mut fake = Fake::new("tesouro");
        let (_, application) = fake.ask(PATH, &[], &format!("grant_type=client_credentials&{CLIENT}"));
        let jwt = format!("e30.{}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"u","email":"u@shop.example"}"#));
        let form =
            format!("grant_type={TOKEN_EXCHANGE}&{CLIENT}&subject_token={jwt}&subject_token_type={ACCESS_TOKEN}");
        let (_, of_user) = fake.ask(PATH, &[], &form);
        assert_eq!(of_user["issued_token_type"], ACCESS_TOKEN);
        for (token, status) in [(&application, 200), (&of_user, 400)] {
            let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
            assert_eq!(fake.ask("GET /v1/organizations", &[("authorization", &bearer)], "").0, status);
        }
        assert_eq!(fake.ask(PATH, &[], &form.replace(&jwt, "e30.e30.")).1["error"], "invalid_grant");
    }

    /// RFC 3394 section 4.6.
    #[test]
    fn a_key_is_unwrapped_as_the_standard_says() {
        let bytes = |text: &str| hex::decode(text).unwrap();
        let key = bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").try_into().unwrap();
        let mut sealed = bytes("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
        let want = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f";
        assert_eq!(unwrap_key(&key, &sealed), Some(bytes(want)));
        sealed[0] ^= 1;
        assert_eq!(unwrap_key(&key, &sealed), None);
    }

    #[test]
    fn refuses_faulty_requests() {
        for (body, status, code) in [
            ("grant_type=client_credentials", 401, "invalid_client"),
            ("grant_type=password&client_id=a&client_secret=b", 400, "unsupported_grant_type"),
            ("client_id=a&client_secret=b", 400, "invalid_request"),
        ] {
            let (got, answer) = Fake::new("tesouro").ask(PATH, &[], body);
            assert_eq!((got, &answer["error"]), (status, &code.into()));
        }
        assert_eq!(Fake::new("tesouro").ask("POST /widget/session", &[], r#"{"widgetToken": "a.b.c.d.e"}"#).0, 401);
    }
}
