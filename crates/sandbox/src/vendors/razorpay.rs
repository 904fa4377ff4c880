//! Razorpay: customer sessions of Turbo UPI, and OAuth for partners.
//!
//! Written from the vendor's pages on both. The lifetime of a session is not published: half an
//! hour is invented. The calls of the SDK are not published either: one invented endpoint replaces
//! them.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static RAZORPAY: FakeVendor = FakeVendor {
    name: "razorpay",
    credentials: r#"{"api_key": "rzp_test_sandbox", "api_secret": "sandbox-secret"}"#,
    secrets: &["client_secret", "refresh_token"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "turbo_customer_session",
        allowed: |client| {
            let path = "/razorpay/v1/upi/turbo/accounts";
            ClientCall::new("list the customer's UPI accounts", "GET", path).bearer(&client.token)
        },
        forbidden: |client| {
            let path = "/razorpay/v1/payments/pay_SOMEPAYMENT/refund";
            ClientCall::new("refund a payment", "POST", path).bearer(&client.token).json(&json!({}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("turbo_customer_session", r#"{"customer_reference": "9000090000"}"#),
    ("oauth_client_credentials", r#"{"client_id": "SANDBOXCLIENT", "client_secret": "sandbox-secret"}"#),
    (
        "oauth_refresh_token",
        r#"{"client_id": "SANDBOXCLIENT", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}"#,
    ),
];

const OAUTH_LIFETIME: i64 = 7_862_400;

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "description": description}}))
}

fn bad(description: &str) -> Answer {
    error(400, "BAD_REQUEST_ERROR", description)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "BAD_REQUEST_ERROR", "Authentication failed"),
        429 => error(429, "BAD_REQUEST_ERROR", "Too many requests"),
        502 | 504 => error(status, "GATEWAY_ERROR", "The gateway does not answer"),
        500.. => error(status, "SERVER_ERROR", "We are facing some trouble completing your request"),
        _ => error(status, "BAD_REQUEST_ERROR", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "upi", "turbo", "customer", "session"]) => {
            key(request)?;
            let body = request.json().unwrap_or_default();
            let customer = body.get("customer_reference").and_then(Value::as_str).filter(|it| !it.is_empty());
            let Some(customer) = customer else {
                let error = json!({"code": "BAD_REQUEST_ERROR", "description": "customer_reference is required",
                    "source": "customer", "step": "CreateSession", "reason": "customer_reference_field_is_missing",
                    "metadata": {}});
                return Err(Answer::json(400, &json!({ "error": error })));
            };
            let (token, end) = (state.random_id("", 40), state.now.saturating_add(1800));
            state.issue(&token, "session_token", Some(end), &[("customer", customer)]);
            Ok(Answer::json(200, &json!({"token": token, "expire_at": end})))
        }
        ("POST", ["token"]) => oauth(request, state),
        ("GET", ["v1", "upi", "turbo", "accounts"]) => {
            let session = state.active(request.bearer().unwrap_or_default(), &["session_token"]);
            let customer = session.map_err(|_| failure(401))?.attribute("customer").to_owned();
            Ok(Answer::json(200, &json!({"customer_reference": customer, "accounts": []})))
        }
        ("POST", ["v1", "payments", id, "refund"]) => {
            let partner = state.active(request.bearer().unwrap_or_default(), &["access_token"]).is_ok();
            if !partner {
                key(request)?;
            }
            Ok(Answer::json(200, &json!({"id": state.random_id("rfnd_", 14), "payment_id": id})))
        }
        _ => Err(error(404, "BAD_REQUEST_ERROR", "The requested URL was not found on the server.")),
    }
}

/// Checks the key pair. Unlike RFC 7617, the scheme is case-sensitive: `Basic`.
fn key(request: &Request) -> Result<(), Answer> {
    let spelt = request.header("authorization").is_some_and(|value| value.starts_with("Basic "));
    let pair = request.basic().filter(|(key, secret)| spelt && key.starts_with("rzp_") && !secret.is_empty());
    pair.map(|_| ()).ok_or_else(|| failure(401))
}

fn oauth(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("client_id").ok_or_else(|| bad("The client id is missing"))?;
    text("client_secret").ok_or_else(|| bad("Access denied"))?;
    let mode = match text("grant_type") {
        Some("client_credentials") => match text("mode").unwrap_or("live") {
            mode @ ("test" | "live") => mode,
            _ => return Err(bad("The mode is not valid")),
        },
        Some("refresh_token") => {
            let old = text("refresh_token").ok_or_else(|| bad("The refresh token is missing"))?;
            if state.was_issued(old) && state.active(old, &["refresh_token"]).is_err() {
                return Err(bad("The refresh token is not valid"));
            }
            // The fake accepts an unknown refresh token once, too.
            state.issue(old, "used_refresh_token", None, &[]);
            "live"
        }
        _ => return Err(bad("The grant type is not supported")),
    };
    let end = state.now.saturating_add(OAUTH_LIFETIME);
    let (token, refresh) = (state.jwt("RS256", &json!({"exp": end})), state.random_id("", 64));
    state.issue(&token, "access_token", Some(end), &[]);
    state.issue(&refresh, "refresh_token", None, &[]);
    Ok(Answer::json(
        200,
        &json!({"public_token": state.random_id(&format!("rzp_{mode}_oauth_"), 14), "token_type": "Bearer",
            "expires_in": OAUTH_LIFETIME, "access_token": token, "refresh_token": refresh,
            "razorpay_account_id": state.random_id("acc_", 14)}),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const SESSION: &str = "POST /v1/upi/turbo/customer/session";
    /// Basic authentication with `rzp_test_a:b`.
    const KEY: (&str, &str) = ("authorization", "Basic cnpwX3Rlc3RfYTpi");

    #[test]
    fn a_session_is_for_one_customer() {
        let mut fake = Fake::new("razorpay");
        let (_, answer) = fake.ask(SESSION, &[KEY], r#"{"customer_reference": "9"}"#);
        assert_eq!(answer["expire_at"], crate::testing::NOW + 1800);
        fake.check_token_use("turbo_customer_session", &answer["token"], &[], Some(1800));
        assert_eq!(fake.ask(SESSION, &[KEY], "{}").0, 400);
        assert_eq!(fake.ask(SESSION, &[("authorization", "basic cnpwX3Rlc3RfYTpi")], "{}").0, 401);
        assert_eq!(fake.ask(SESSION, &[("authorization", "Basic YTpi")], "{}").0, 401);
    }

    #[test]
    fn a_refresh_token_works_once() {
        let mut fake = Fake::new("razorpay");
        let body = |rest: &str| format!(r#"{{"client_id": "a", "client_secret": "b", {rest}}}"#);
        let (_, first) = fake.ask("POST /token", &[], &body(r#""grant_type": "client_credentials", "mode": "test""#));
        let again = body(&format!(r#""grant_type": "refresh_token", "refresh_token": {}"#, first["refresh_token"]));
        assert_eq!(fake.ask("POST /token", &[], &again).0, 200);
        assert_eq!(fake.ask("POST /token", &[], &again).0, 400);
        let (status, answer) =
            fake.ask("POST /token", &[], &body(r#""grant_type": "client_credentials", "mode": "x""#));
        assert_eq!((status, &answer["error"]["code"]), (400, &"BAD_REQUEST_ERROR".into()));
    }
}
