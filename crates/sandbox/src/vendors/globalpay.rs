//! Global Payments' GP API: access tokens with permissions.
//!
//! Written from the vendor's OpenAPI document AccessToken 2021-03-22 and the tests of its Node SDK.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::{
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{TokenError, VendorState},
};

const KEY: &str = "sandboxAppKey";
/// The permissions of the fake's app.
const PERMISSIONS: &[&str] = &[
    "PMT_POST_Create_Single",
    "PMT_POST_Create",
    "BIN_GET_Details",
    "INS_POST_Query",
    "CCS_POST_DCC",
    "TRN_POST_Authorize",
    "TRN_POST_Refund",
];

const EXAMPLES: &[(&str, &str)] = &[("restricted_token", "{}"), ("access_token", r#"{"audience": "server"}"#)];

pub(super) static GLOBALPAY: FakeVendor = FakeVendor {
    name: "globalpay",
    credentials: r#"{"app_id": "sandboxAppId", "app_key": "sandboxAppKey"}"#,
    secrets: &["app_id"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "restricted_token",
        allowed: |client| {
            let card = json!({"usage_mode": "SINGLE", "card": {"number": "4263970000005262", "expiry_month": "12"}});
            call("make a single-use card token", "/globalpay/ucp/payment-methods", client).json(&card)
        },
        forbidden: |client| {
            call("refund a transaction", "/globalpay/ucp/transactions/TRN_1/refund", client).json(&json!({}))
        },
    }],
};

fn call(title: &'static str, path: &str, client: &ClientToken) -> ClientCall {
    ClientCall::new(title, "POST", path).bearer(&client.token).header("x-gp-version", "2021-03-22")
}

fn error(status: u16, code: &str, detail: &str, description: &str) -> Answer {
    let body = json!({"error_code": code, "detailed_error_code": detail, "detailed_error_description": description});
    Answer::json(status, &body)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(403, "ACTION_NOT_AUTHORIZED", "40004", "App credentials not recognized"),
        403 => error(403, "ACTION_NOT_AUTHORIZED", "40003", "Permission not enabled to execute action"),
        500.. => error(status, "SYSTEM_ERROR_DOWNSTREAM", "50011", "Processor Configuration error"),
        _ => error(status, "INVALID_REQUEST_DATA", "40000", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if request.header("x-gp-version") != Some("2021-03-22") || request.content_type() != "application/json" {
        return Err(error(400, "MANDATORY_DATA_MISSING", "40005", "X-GP-Version and Content-Type are mandatory"));
    }
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["ucp", "accesstoken"]) => access_token(&request.json().unwrap_or_default(), state),
        ("POST", ["ucp", "payment-methods"]) => {
            holder(request, "PMT_POST_Create", state)?;
            Ok(Answer::json(
                200,
                &json!({"id": state.random_id("PMT_", 36), "usage_mode": "SINGLE", "status": "ACTIVE"}),
            ))
        }
        ("POST", ["ucp", "transactions", id, "refund"]) => {
            holder(request, "TRN_POST_Refund", state)?;
            Ok(Answer::json(200, &json!({"id": id, "status": "CAPTURED"})))
        }
        _ => Err(error(404, "RESOURCE_NOT_FOUND", "40118", "No such resource")),
    }
}

fn holder(request: &Request, permission: &str, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.bearer().ok_or(TokenError::Unknown).and_then(|token| state.active(token, &["token"]));
    let token = token.map_err(|_| error(401, "NOT_AUTHENTICATED", "40001", "Invalid Access Token"))?;
    let may = token.attribute("permissions").split(' ').any(|it| it.starts_with(permission));
    may.then_some(()).ok_or_else(|| failure(403))
}

fn access_token(body: &Value, state: &mut VendorState) -> Handled {
    let nonce = text(body, "/nonce");
    if text(body, "/app_id").is_empty() || text(body, "/grant_type") != "client_credentials" {
        return Err(error(400, "MANDATORY_DATA_MISSING", "40005", "app_id and grant_type are mandatory"));
    }
    let used = format!("nonce {nonce}");
    if !(1..=50).contains(&nonce.len()) || state.was_issued(&used) {
        return Err(error(400, "INVALID_REQUEST_DATA", "40213", "nonce must be unique, 1 to 50 characters"));
    }
    if hex::encode(Sha512::digest(format!("{nonce}{KEY}"))) != text(body, "/secret") {
        return Err(failure(401));
    }
    state.issue(&used, "nonce", None, &[]);
    let seconds = body.get("seconds_to_expire").map_or(Some(86_400), Value::as_i64).unwrap_or_default();
    if !(60..=604_800).contains(&seconds) {
        return Err(error(400, "INVALID_REQUEST_DATA", "40213", "seconds_to_expire contains unexpected data"));
    }
    let asked = body.get("permissions").and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str));
    let permissions: Vec<&str> = asked.map_or_else(|| PERMISSIONS.to_vec(), Iterator::collect);
    if permissions.is_empty() || permissions.iter().any(|it| !PERMISSIONS.contains(it)) {
        return Err(error(400, "INVALID_REQUEST_DATA", "40119", "permissions contains unexpected data"));
    }
    let token = state.random_id("", 28);
    state.issue(&token, "token", Some(state.now.saturating_add(seconds)), &[("permissions", &permissions.join(" "))]);
    let name = if text(body, "/restricted_token") == "YES" { "***" } else { "Sandbox Shop" };
    let account = json!({"id": "TKA_sandbox", "name": name, "permissions": permissions});
    let scope = json!({"merchant_id": "MER_sandbox", "merchant_name": name, "accounts": [account]});
    Ok(Answer::json(
        200,
        &json!({"token": token, "type": "Bearer", "scope": scope, "app_id": text(body, "/app_id"), "app_name": name,
            "seconds_to_expire": seconds.saturating_sub(1), "email": "sandbox@example.com"}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    fn ask(fake: &mut Fake, nonce: &str, key: &str, more: &str) -> (u16, Value) {
        let secret = hex::encode(Sha512::digest(format!("{nonce}{key}")));
        let body = format!(
            r#"{{"app_id":"a","nonce":"{nonce}","secret":"{secret}","grant_type":"client_credentials"{more}}}"#
        );
        fake.ask("POST /ucp/accesstoken", &[("x-gp-version", "2021-03-22")], &body)
    }

    #[test]
    fn a_restricted_token_makes_card_tokens_only() {
        let mut fake = Fake::new("globalpay");
        let more = r#","seconds_to_expire":600,"restricted_token":"YES","permissions":["PMT_POST_Create_Single"]"#;
        let (status, body) = ask(&mut fake, "n", KEY, more);
        assert_eq!(status, 200, "{body}");
        fake.check_token_use("restricted_token", &body["token"], &[], Some(600));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("globalpay");
        for (nonce, key, more, status, detail) in [
            ("a", "other", "", 403, "40004"),
            ("b", KEY, "", 200, ""),
            ("b", KEY, "", 400, "40213"),
            ("c", KEY, r#","seconds_to_expire":59"#, 400, "40213"),
            ("d", KEY, r#","permissions":["NOPE"]"#, 400, "40119"),
        ] {
            let (got, body) = ask(&mut fake, nonce, key, more);
            assert_eq!((got, text(&body, "/detailed_error_code")), (status, detail), "{more}");
        }
    }
}
