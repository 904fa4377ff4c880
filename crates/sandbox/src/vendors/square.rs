//! Square: device codes, mobile authorization codes and OAuth.
//!
//! Written from the vendor's OpenAPI file and
//! <https://developer.squareup.com/docs/oauth-api/overview>. The calls by which a Terminal and the
//! Reader SDK send their codes are not public: two endpoints for them are invented.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

pub(super) static SQUARE: FakeVendor = FakeVendor {
    name: "square",
    credentials: r#"{"access_token": "EAAAsandbox", "application_id": "sandbox-sq0idp-sandbox", "application_secret": "sandbox-sq0csp-sandbox", "refresh_token": "EQAAsandbox"}"#,
    secrets: &["client_secret", "refresh_token"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "device_code",
            allowed: |client| {
                let call = ClientCall::new("pair the Terminal", "POST", "/square/terminal/pair");
                call.json(&json!({"code": client.token}))
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "mobile_authorization_code",
            allowed: |client| {
                let call = ClientCall::new("authorize the Reader SDK", "POST", "/square/reader/authorize");
                call.json(&json!({"code": client.token}))
            },
            forbidden: refund,
        },
    ],
};

const EXAMPLES: &[(&str, &str)] =
    &[("device_code", "{}"), ("mobile_authorization_code", r#"{"location_id": "LSANDBOX"}"#), ("oauth_refresh", "{}")];

fn refund(client: &ClientToken) -> ClientCall {
    ClientCall::new("refund a payment", "POST", "/square/v2/refunds").bearer(&client.token).json(&json!({}))
}

fn error(status: u16, category: &str, code: &str, detail: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"category": category, "code": code, "detail": detail}]}))
}

fn invalid(code: &str, detail: &str) -> Answer {
    error(400, "INVALID_REQUEST_ERROR", code, detail)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized."),
        403 => error(403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES", "The token lacks a permission."),
        429 => error(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", "Too many requests."),
        500.. => error(status, "API_ERROR", "INTERNAL_SERVER_ERROR", "An internal error occurred."),
        _ => error(status, "INVALID_REQUEST_ERROR", "BAD_REQUEST", "The request was refused."),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = |place: &str| body.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v2", "devices", "codes"]) => {
            let seller = seller(request, state)?;
            let key = text("/idempotency_key").filter(|key| key.chars().count() <= 128);
            let key = key.ok_or_else(|| invalid("BAD_REQUEST", "idempotency_key must have 1 to 128 characters"))?;
            if text("/device_code/product_type") != Some("TERMINAL_API") {
                return Err(invalid("INVALID_VALUE", "product_type must be TERMINAL_API"));
            }
            let place = body.pointer("/device_code/location_id").cloned().unwrap_or_default();
            match state
                .idempotent(Some(format!("{seller}\n{key}")), 86_400, request, |state| device_code(&place, state))
            {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => {
                    Err(invalid("IDEMPOTENCY_KEY_REUSED", "The key came with another request before."))
                }
            }
        }
        ("POST", ["mobile", "authorization-code"]) => {
            seller(request, state)?;
            text("/location_id").ok_or_else(|| invalid("BAD_REQUEST", "location_id is missing"))?;
            let code = state.random_id("sq0acp-", 40);
            let end = state.now.saturating_add(3600);
            state.issue(&code, "mobile_authorization_code", Some(end), &[]);
            Ok(Answer::json(200, &json!({"authorization_code": code, "expires_at": date(end)})))
        }
        ("POST", ["oauth2", "token"]) => {
            if text("/grant_type") != Some("refresh_token") {
                return Err(invalid("BAD_REQUEST", "grant_type must be refresh_token"));
            }
            let given = text("/client_id").and(text("/refresh_token")).ok_or_else(|| failure(401))?;
            // A request without a secret is of the PKCE flow: its refresh tokens work once.
            let refresh_token = if text("/client_secret").is_some() { given.to_owned() } else { next(given, state)? };
            let short = body.get("short_lived") == Some(&Value::Bool(true));
            let end = state.now.saturating_add(if short { 86_400 } else { 30 * 86_400 });
            let token = state.random_id("EAAA", 60);
            state.issue(&token, "access_token", Some(end), &[]);
            Ok(Answer::json(
                200,
                &json!({"access_token": token, "token_type": "bearer", "expires_at": date(end),
                    "merchant_id": "MSANDBOX", "refresh_token": refresh_token, "short_lived": short}),
            ))
        }
        ("POST", [place @ ("terminal" | "reader"), "pair" | "authorize"]) => {
            let kind = if *place == "terminal" { "device_code" } else { "mobile_authorization_code" };
            let code = text("/code").unwrap_or_default();
            state.active(code, &[kind]).map_err(|_| failure(401))?.used = true;
            Ok(Answer::json(200, &json!({"status": "PAIRED"})))
        }
        ("POST", ["v2", "refunds"]) => {
            seller(request, state)?;
            Ok(Answer::json(200, &json!({"refund": {"id": state.random_id("", 20), "status": "PENDING"}})))
        }
        _ => Err(error(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "API endpoint is invalid.")),
    }
}

/// The seller's token: any unknown token, or a valid access token of this fake, but no code.
fn seller(request: &Request, state: &mut VendorState) -> Result<String, Answer> {
    let token = request.bearer().filter(|token| !token.is_empty()).ok_or_else(|| failure(401))?;
    if state.was_issued(token) && state.active(token, &["access_token"]).is_err() {
        return Err(failure(401));
    }
    Ok(token.to_owned())
}

/// The refresh token that replaces this one.
fn next(given: &str, state: &mut VendorState) -> Result<String, Answer> {
    if !state.was_issued(given) {
        state.issue(given, "refresh_token", None, &[]);
    }
    state.active(given, &["refresh_token"]).map_err(|_| failure(401))?.used = true;
    let token = state.random_id("EQAA", 60);
    state.issue(&token, "refresh_token", None, &[]);
    Ok(token)
}

fn device_code(place: &Value, state: &mut VendorState) -> Answer {
    let (id, code) = (state.random_id("", 13), state.random_id_of("", 6, b"ABCDEFGHJKLMNPQRSTUVWXYZ"));
    let end = state.now.saturating_add(300);
    state.issue(&code, "device_code", Some(end), &[]);
    let device = json!({"id": id, "code": code, "product_type": "TERMINAL_API", "location_id": place,
        "status": "UNPAIRED", "pair_by": date(end), "created_at": date(state.now)});
    Answer::json(200, &json!({ "device_code": device }))
}

fn date(seconds: i64) -> String {
    timestamp(seconds).to_string()
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEY: (&str, &str) = ("authorization", "Bearer EAAAa");
    const CODES: &str = "POST /v2/devices/codes";

    #[test]
    fn a_code_pairs_one_device() {
        let mut fake = Fake::new("square");
        let body = r#"{"idempotency_key": "k", "device_code": {"product_type": "TERMINAL_API"}}"#;
        let (_, answer) = fake.ask(CODES, &[KEY], body);
        assert_eq!(fake.ask(CODES, &[KEY], body).1, answer);
        fake.check_token_use("device_code", &answer["device_code"]["code"], &[], Some(300));
        let (status, answer) = fake.ask(CODES, &[KEY], &body.replace("}}", r#", "name": "x"}}"#));
        assert_eq!((status, &answer["errors"][0]["code"]), (400, &"IDEMPOTENCY_KEY_REUSED".into()));
        assert_eq!(fake.ask(CODES, &[], body).0, 401);
        let (_, answer) = fake.ask("POST /mobile/authorization-code", &[KEY], r#"{"location_id": "L"}"#);
        fake.check_token_use("mobile_authorization_code", &answer["authorization_code"], &[], Some(3600));
    }

    #[test]
    fn a_short_lived_token_expires_after_a_day() {
        let mut fake = Fake::new("square");
        let body = r#"{"client_id": "a", "client_secret": "b", "grant_type": "refresh_token", "refresh_token": "c", "short_lived": true}"#;
        let (_, answer) = fake.ask("POST /oauth2/token", &[], body);
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        for (seconds, status) in [(86_399, 200), (1, 401)] {
            fake.state.now += seconds;
            assert_eq!(fake.ask("POST /v2/refunds", &[("authorization", &bearer)], "{}").0, status);
        }
    }

    #[test]
    fn a_refresh_token_without_a_secret_works_once() {
        let mut fake = Fake::new("square");
        let body = |token: &str| {
            let json = r#"{"client_id": "a", "grant_type": "refresh_token", "refresh_token": "TOKEN"}"#;
            json.replace("TOKEN", token)
        };
        let (_, answer) = fake.ask("POST /oauth2/token", &[], &body("c"));
        let second = answer["refresh_token"].as_str().unwrap().to_owned();
        for (token, status) in [("c", 401), (second.as_str(), 200), (second.as_str(), 401)] {
            assert_eq!(fake.ask("POST /oauth2/token", &[], &body(token)).0, status, "{token}");
        }
    }
}
