//! Coinbase Onramp: session tokens, and addresses that work once.
//!
//! Written from <https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication> and the
//! types of the vendor's client @coinbase/cdp-sdk 1.57.0. The fake accepts the published Ed25519 key
//! only. An address ends after five minutes, which is invented: none is published.

use std::net::Ipv4Addr;

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{TokenError, VendorState},
};

const KEY_ID: &str = "00000000-0000-4000-8000-00000000c01b";
/// The seed and the public key.
const KEY: &str = "t61WdHfIN1aquaVCsr4E93264lEV2F8iBw102MxHedyG/DRIP0f3M/tzVTePBwPGo1YJB7qw2Smdv9d2l/hKuA==";
const URI: &str = "POST api.developer.coinbase.com/onramp/v1/token";

const SESSION_URI: &str = "POST api.cdp.coinbase.com/platform/v2/onramp/sessions";

const EXAMPLES: &[(&str, &str)] = &[
    (
        "onramp_session_token",
        r#"{"addresses": [{"address": "0xabc1", "blockchains": ["base"]}], "clientIp": "203.0.113.7"}"#,
    ),
    ("onramp_session", r#"{"destinationAddress": "0xabc1", "purchaseCurrency": "USDC", "destinationNetwork": "base"}"#),
];

pub(super) static COINBASE: FakeVendor = FakeVendor {
    name: "coinbase",
    credentials: r#"{"api_key_id": "00000000-0000-4000-8000-00000000c01b",
        "api_key_secret": "t61WdHfIN1aquaVCsr4E93264lEV2F8iBw102MxHedyG/DRIP0f3M/tzVTePBwPGo1YJB7qw2Smdv9d2l/hKuA=="}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "onramp_session_token",
            allowed: |client| {
                let path = format!("/coinbase/buy/select-asset?sessionToken={}", client.token);
                ClientCall::new("open the Onramp", "GET", path)
            },
            forbidden: transactions,
        },
        TokenUse {
            grant: "onramp_session",
            allowed: |client| {
                let session = client.token.rsplit('=').next().unwrap_or_default();
                ClientCall::new("open the Onramp", "GET", format!("/coinbase/buy?sessionToken={session}"))
            },
            forbidden: transactions,
        },
    ],
};

fn transactions(client: &ClientToken) -> ClientCall {
    let path = "/coinbase/onramp/v1/buy/user/some-user/transactions";
    ClientCall::new("read a user's transactions", "GET", path).bearer(&client.token)
}

fn error(status: u16, code: i64, message: &str) -> Answer {
    Answer::json(status, &json!({"code": code, "message": message, "details": []}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => {
            Answer::json(401, &json!({"errorType": "unauthorized", "errorMessage": "The key or the JWT is not valid"}))
        }
        429 => error(429, 8, "too many requests"),
        500.. => error(status, 13, "internal error"),
        _ => error(status, 3, "the request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["buy", "select-asset"] | ["buy"]) => {
            let token = request.query.value("sessionToken").unwrap_or_default();
            let session = state.active(token, &["session"]).map_err(|reason| match reason {
                TokenError::Expired | TokenError::Used => error(400, 9, "the session token has expired or was used"),
                TokenError::Unknown => failure(401),
            })?;
            session.used = true;
            Ok(Answer::of(200, "text/html", "<h1>Onramp</h1>".to_owned()))
        }
        ("GET", ["onramp", "v1", "buy", "user", _, "transactions"]) => {
            let path = request.path.trim_start_matches('/');
            signed(request, &format!("GET api.developer.coinbase.com/{path}"), state.now)?;
            Ok(Answer::json(200, &json!({"transactions": [], "total_count": "0"})))
        }
        ("POST", ["onramp", "v1", "token"]) => {
            signed(request, URI, state.now)?;
            session(&request.json().unwrap_or_default(), state)
        }
        ("POST", ["platform", "v2", "onramp", "sessions"]) => {
            signed(request, SESSION_URI, state.now)?;
            onramp(&request.json().unwrap_or_default(), state)
        }
        _ => Err(error(404, 5, "not found")),
    }
}

/// Checks the JWT of a request: it is valid for one method, host and path, for two minutes.
fn signed(request: &Request, uri: &str, now: i64) -> Result<(), Answer> {
    let claims = request.bearer().and_then(claims).unwrap_or_default();
    let moment = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (nbf, exp) = (moment("nbf"), moment("exp"));
    let timely = nbf <= now && now < exp && exp.saturating_sub(nbf) <= 120;
    let uris = claims.get("uris").and_then(Value::as_array).is_some_and(|uris| uris.contains(&json!(uri)));
    let valid = timely && uris && text(&claims, "/sub") == KEY_ID && text(&claims, "/iss") == "cdp";
    valid.then_some(()).ok_or_else(|| failure(401))
}

/// The claims, if the published key signed them.
fn claims(jwt: &str) -> Option<Value> {
    let (to_sign, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = to_sign.split_once('.')?;
    let bytes = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let header: Value = serde_json::from_slice(&bytes(header)?).ok()?;
    let key = SigningKey::from_keypair_bytes(&BASE64_STANDARD.decode(KEY).ok()?.try_into().ok()?).ok()?;
    let known =
        text(&header, "/alg") == "EdDSA" && text(&header, "/kid") == KEY_ID && !text(&header, "/nonce").is_empty();
    key.verify(to_sign.as_bytes(), &Signature::from_slice(&bytes(signature)?).ok()?).ok()?;
    serde_json::from_slice(&bytes(claims)?).ok().filter(|_| known)
}

fn session(body: &Value, state: &mut VendorState) -> Handled {
    let addresses = body.get("addresses").and_then(Value::as_array).filter(|list| !list.is_empty());
    let complete = |it: &Value| !text(it, "/address").is_empty() && !text(it, "/blockchains/0").is_empty();
    if !addresses.is_some_and(|list| list.iter().all(complete)) {
        return Err(error(400, 3, "addresses must name an address and its blockchains"));
    }
    let ip = text(body, "/clientIp");
    let private = ip.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_private() || ip.is_loopback());
    if private || ip.parse::<std::net::IpAddr>().is_err() {
        return Err(error(400, 3, "private IP addresses are not allowed"));
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(state.random_id("", 36));
    state.issue(&token, "session", Some(state.now.saturating_add(300)), &[]);
    Ok(Answer::json(200, &json!({"token": token, "channel_id": ""})))
}

/// The members of a request for an address.
const ONRAMP: &str = "destinationAddress purchaseCurrency destinationNetwork paymentAmount purchaseAmount \
    paymentCurrency paymentMethod country subdivision redirectUrl clientIp partnerUserRef";

fn onramp(body: &Value, state: &mut VendorState) -> Handled {
    let refuse = |name: &str| {
        let message = format!("{name} is missing or not valid");
        Answer::json(400, &json!({"errorType": "invalid_request", "errorMessage": message, "correlationId": "sandbox"}))
    };
    let members = body.as_object().into_iter().flatten();
    let valid = |(name, value): &(&String, &Value)| {
        value.is_string() && ONRAMP.split_whitespace().any(|known| known == name.as_str())
    };
    if let Some((name, _)) = members.clone().find(|member| !valid(member)) {
        return Err(refuse(name));
    }
    let needed = ["destinationAddress", "purchaseCurrency", "destinationNetwork"];
    if let Some(name) = needed.iter().find(|name| body.get(**name).is_none_or(|value| value == "")) {
        return Err(refuse(name));
    }
    let session = state.random_id("", 36);
    state.issue(&session, "session", Some(state.now.saturating_add(300)), &[]);
    let url = format!("https://pay.coinbase.com/buy?sessionToken={session}");
    Ok(Answer::json(201, &json!({"session": {"onrampUrl": url}})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};
    use ed25519_dalek::Signer;

    fn ask(fake: &mut Fake, seed: Option<[u8; 32]>, nbf: i64, uri: &str, body: &str) -> (u16, Value) {
        ask_at(fake, "POST /onramp/v1/token", seed, nbf, uri, body)
    }

    fn ask_at(fake: &mut Fake, call: &str, seed: Option<[u8; 32]>, nbf: i64, uri: &str, body: &str) -> (u16, Value) {
        let key = SigningKey::from_keypair_bytes(&BASE64_STANDARD.decode(KEY).unwrap().try_into().unwrap()).unwrap();
        let key = seed.map_or(key, |seed| SigningKey::from_bytes(&seed));
        let header = json!({"alg": "EdDSA", "kid": KEY_ID, "nonce": "1", "typ": "JWT"}).to_string();
        let claims = json!({"sub": KEY_ID, "iss": "cdp", "nbf": nbf, "exp": nbf + 120, "uris": [uri]}).to_string();
        let to_sign = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(to_sign.as_bytes()).to_bytes());
        let bearer = format!("Bearer {to_sign}.{signature}");
        fake.ask(call, &[("authorization", &bearer)], body)
    }

    #[test]
    fn a_session_opens_once_within_five_minutes() {
        let body = r#"{"addresses":[{"address":"0x1","blockchains":["base"]}],"clientIp":"203.0.113.7"}"#;
        let mut fake = Fake::new("coinbase");
        let (status, made) = ask(&mut fake, None, NOW, URI, body);
        assert_eq!(status, 200, "{made}");
        fake.check_token_use("onramp_session_token", &made["token"], &[], Some(300));
        let mut fake = Fake::new("coinbase");
        let call = "POST /platform/v2/onramp/sessions";
        let onramp = r#"{"destinationAddress": "0x1", "purchaseCurrency": "USDC", "destinationNetwork": "base"}"#;
        let (status, made) = ask_at(&mut fake, call, None, NOW, SESSION_URI, onramp);
        assert_eq!(status, 201, "{made}");
        fake.check_token_use("onramp_session", &made["session"]["onrampUrl"], &[], Some(300));
        for (uri, body, status) in [
            (URI, onramp.to_owned(), 401),
            (SESSION_URI, onramp.replace("0x1", ""), 400),
            (SESSION_URI, onramp.replace("\"base\"", "\"base\", \"colour\": \"red\""), 400),
        ] {
            assert_eq!(ask_at(&mut Fake::new("coinbase"), call, None, NOW, uri, &body).0, status, "{body}");
        }
        let private = body.replace("203.0.113.7", "10.0.0.1");
        for (seed, nbf, uri, body, status) in [
            (Some([1; 32]), NOW, URI, body, 401),
            (None, NOW - 120, URI, body, 401),
            (None, NOW, "POST api.developer.coinbase.com/other", body, 401),
            (None, NOW, URI, &*private, 400),
            (None, NOW, URI, r#"{"addresses":[],"clientIp":"203.0.113.7"}"#, 400),
        ] {
            assert_eq!(ask(&mut Fake::new("coinbase"), seed, nbf, uri, body).0, status, "{uri} {body}");
        }
    }
}
