//! Square: device codes and OAuth.
//!
//! Written from npm square 46.0.0 (types of its requests and answers) and
//! <https://developer.squareup.com/docs/oauth-api/overview>. The call by which a Terminal sends its
//! code is not public: an endpoint for it is invented.

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
    credentials: r#"{"access_token": "EAAAsandbox", "application_id": "sandbox-sq0idb-sandbox", "application_secret": "sandbox-sq0csb-sandbox", "refresh_token": "EQAAsandbox"}"#,
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
            grant: "mobile_payments_token",
            allowed: |client| {
                let payment = json!({"source_id": "CASH", "idempotency_key": "1"});
                ClientCall::new("take a payment", "POST", "/square/v2/payments").bearer(&client.token).json(&payment)
            },
            forbidden: |client| {
                ClientCall::new("list bank accounts", "GET", "/square/v2/bank-accounts").bearer(&client.token)
            },
        },
    ],
};

const EXAMPLES: &[(&str, &str)] =
    &[("device_code", "{}"), ("mobile_payments_token", r#"{"location_id": "LSANDBOX"}"#), ("oauth_refresh", "{}")];

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
        ("POST", ["oauth2", "token"]) => {
            if text("/grant_type") != Some("refresh_token") {
                return Err(invalid("BAD_REQUEST", "grant_type must be refresh_token"));
            }
            let given = text("/client_id").and(text("/refresh_token")).ok_or_else(|| failure(401))?;
            // A request without a secret is of the PKCE flow: its refresh tokens work once.
            let refresh_token = if text("/client_secret").is_some() { given.to_owned() } else { next(given, state)? };
            let short = body.get("short_lived") == Some(&Value::Bool(true));
            let end = state.now.saturating_add(if short { 86_400 } else { 30 * 86_400 });
            let scopes = body.get("scopes").and_then(Value::as_array).cloned().unwrap_or_default();
            let scopes: Vec<&str> = if body.get("scopes").is_some() {
                scopes.iter().filter_map(Value::as_str).filter(|it| GRANTED.contains(it)).collect()
            } else {
                GRANTED.to_vec()
            };
            let token = match body.get("use_jwt") {
                Some(Value::Bool(true)) => state.jwt("RS256", &json!({"exp": end})),
                Some(Value::Bool(false)) | None => state.random_id("EAAA", 60),
                Some(_) => return Err(invalid("EXPECTED_BOOLEAN", "use_jwt must be true or false")),
            };
            state.issue(&token, "access_token", Some(end), &[("scopes", &scopes.join(" "))]);
            Ok(Answer::json(
                200,
                &json!({"access_token": token, "token_type": "bearer", "expires_at": date(end),
                    "merchant_id": "MSANDBOX", "refresh_token": refresh_token, "short_lived": short}),
            ))
        }
        ("POST", ["oauth2", "token", "status"]) => {
            let token = request.bearer().unwrap_or_default();
            let issued = state.active(token, &["access_token"]).map_err(|_| failure(401))?;
            let scopes: Vec<&str> = issued.attribute("scopes").split_whitespace().collect();
            let end = date(issued.expires_at.unwrap_or_default());
            Ok(Answer::json(
                200,
                &json!({"scopes": scopes, "expires_at": end, "client_id": "sandbox-sq0idb-sandbox", "merchant_id": "MSANDBOX"}),
            ))
        }
        ("POST", ["terminal", "pair"]) => {
            let code = text("/code").unwrap_or_default();
            state.active(code, &["device_code"]).map_err(|_| failure(401))?.used = true;
            Ok(Answer::json(200, &json!({"status": "PAIRED"})))
        }
        ("POST", ["v2", "payments"]) => {
            permitted(request, "PAYMENTS_WRITE", state)?;
            Ok(Answer::json(200, &json!({"payment": {"id": state.random_id("", 20), "status": "COMPLETED"}})))
        }
        ("GET", ["v2", "bank-accounts"]) => {
            permitted(request, "BANK_ACCOUNTS_READ", state)?;
            Ok(Answer::json(200, &json!({"bank_accounts": []})))
        }
        ("POST", ["v2", "refunds"]) => {
            seller(request, state)?;
            Ok(Answer::json(200, &json!({"refund": {"id": state.random_id("", 20), "status": "PENDING"}})))
        }
        _ => Err(error(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "API endpoint is invalid.")),
    }
}

/// The permissions that the seller granted to the application.
const GRANTED: &[&str] = &[
    "MERCHANT_PROFILE_READ",
    "PAYMENTS_READ",
    "PAYMENTS_WRITE",
    "PAYMENTS_WRITE_IN_PERSON",
    "BANK_ACCOUNTS_READ",
    "DEVICE_CREDENTIAL_MANAGEMENT",
];

/// Refuses every token but one of this fake with this permission.
fn permitted(request: &Request, scope: &str, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.bearer().unwrap_or_default();
    let issued = state.active(token, &["access_token"]).map_err(|_| failure(401))?;
    let has = issued.attribute("scopes").split_whitespace().any(|it| it == scope);
    has.then_some(()).ok_or_else(|| failure(403))
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
    fn scopes_limit_a_token() {
        let mut fake = Fake::new("square");
        let body = r#"{"client_id": "a", "client_secret": "b", "grant_type": "refresh_token", "refresh_token": "c", "short_lived": true, "scopes": ["PAYMENTS_WRITE", "ORDERS_READ"]}"#;
        let (_, answer) = fake.ask("POST /oauth2/token", &[], body);
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        let (_, status) = fake.ask("POST /oauth2/token/status", &[("authorization", &bearer)], "");
        assert_eq!(status["scopes"], serde_json::json!(["PAYMENTS_WRITE"]));
        fake.check_token_use("mobile_payments_token", &answer["access_token"], &[], Some(86_400));
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
