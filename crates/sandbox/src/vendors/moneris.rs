//! Moneris: access tokens, and the tickets of Moneris Checkout.
//!
//! Written from the vendor's OpenAPI file 2.6.1, its getting-started page (form, `expires_in` as
//! text), its reference of the Preload request, and the types of npm moneris-checkout. A ticket has
//! no published lifetime, so it does not expire here. The call by which the script of Checkout
//! loads a ticket is not public: its endpoint is invented.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError, has_scopes},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static MONERIS: FakeVendor = FakeVendor {
    name: "moneris",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret", "merchant_id": "0000000001"}"#,
    secrets: &["client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "checkout_ticket",
        allowed: |client| {
            let path = "/moneris/chktv2/display/request.php";
            ClientCall::new("open Moneris Checkout", "POST", path).json(&json!({"ticket": client.token}))
        },
        forbidden: |client| {
            ClientCall::new("refund a payment", "POST", "/moneris/refunds").bearer(&client.token).json(&json!({}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("oauth_client_credentials", "{}"),
    (
        "checkout_ticket",
        r#"{"store_id": "store1", "api_token": "sandbox-token", "checkout_id": "chktSANDBOX", "txn_total": "10.00"}"#,
    ),
];

const SCOPES: &str = "payment.read payment.write refund.read refund.write customer.read customer.write kount.read kount.write \
    dispute.read dispute.write onboarding.merchant.read onboarding.merchant.write onboarding.order.read onboarding.order.write";

fn problem(status: u16, title: &str, category: &str) -> Answer {
    Answer::json(
        status,
        &json!({"type": "about:blank", "title": title, "status": status, "detail": "The request was refused",
            "category": category, "errors": []}),
    )
}

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Client authentication failed"),
        403 => problem(403, "FORBIDDEN_REQUEST", "FORBIDDEN_ERROR"),
        429 => problem(429, "TOO_MANY_REQUESTS", "RATE_LIMIT_ERROR"),
        500.. => problem(status, "INTERNAL_SERVER_ERROR", "API_ERROR"),
        _ => problem(status, "BAD_REQUEST", "VALIDATION_ERROR"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/oauth2/token") => token(request, state),
        ("POST", "/chktv2/request/request.php") => {
            let answer = preload(request, state)
                .unwrap_or_else(|name| json!({"success": "false", "error": {name: format!("Invalid {name}")}}));
            Ok(Answer::json(200, &json!({ "response": answer })))
        }
        ("POST", "/chktv2/display/request.php") => {
            let body = request.json().unwrap_or_default();
            let ticket = body.get("ticket").and_then(Value::as_str).unwrap_or_default();
            state.active(ticket, &["checkout_ticket"]).map_err(|_| failure(404))?;
            Ok(Answer::json(200, &json!({"response": {"success": "true"}})))
        }
        ("POST", "/refunds") => {
            let scopes = state.active(request.bearer().unwrap_or_default(), &["access_token"]);
            let scopes = scopes.map_err(|_| problem(401, "UNAUTHORIZED", "UNAUTHORIZED_ERROR"))?.attribute("scope");
            if !scopes.split(' ').any(|scope| scope == "refund.write") {
                return Err(failure(403));
            }
            Ok(Answer::json(201, &json!({"refundStatus": "SUCCEEDED"})))
        }
        _ => Err(problem(404, "NOT_FOUND", "VALIDATION_ERROR")),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Form,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::NotAForm => oauth::error(400, "invalid_request", "The body must be a form"),
        _ => oauth::error(400, "unsupported_grant_type", "Unsupported grant type"),
    },
};

fn token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = TOKEN.check(request)?;
    let scope = asked.field("scope").unwrap_or("payment.write");
    if !has_scopes(scope, |scope| SCOPES.split_whitespace().any(|known| known == scope)) {
        return Err(oauth::error(400, "invalid_scope", "The scope is not valid"));
    }
    let expires_at = state.now.saturating_add(3599);
    let token = state.jwt("RS256", &json!({"exp": expires_at, "scope": scope}));
    state.issue(&token, "access_token", Some(expires_at), &[("scope", scope)]);
    // Unlike RFC 6749 section 5.1, `expires_in` is a text.
    Ok(Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": "3599", "scope": scope})))
}

/// A new ticket; the error is the name of the faulty field.
fn preload(request: &Request, state: &mut VendorState) -> Result<Value, &'static str> {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    for name in ["store_id", "api_token", "checkout_id"] {
        let unknown = |value: &str| ["wrong", "invalid", "revoked"].iter().any(|word| value.contains(word));
        if text(name).is_none_or(unknown) {
            return Err(name);
        }
    }
    let total = text("txn_total").and_then(|total| total.split_once('.')).ok_or("txn_total")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(total.0) || !digits(total.1) || total.1.len() != 2 {
        return Err("txn_total");
    }
    if !matches!(text("environment"), Some("qa" | "prod")) {
        return Err("environment");
    }
    if text("action") != Some("preload") {
        return Err("action");
    }
    let forbidden = |text: &str| text.chars().count() > 50 || text.contains(|c| "<>$%=?^\"{}[]\\".contains(c));
    if text("order_no").is_some_and(forbidden) {
        return Err("order_no");
    }
    if text("cust_id").is_some_and(|id| id.chars().count() > 50) {
        return Err("cust_id");
    }
    let ticket = state.random_id(&state.now.to_string(), 30);
    state.issue(&ticket, "checkout_ticket", None, &[]);
    Ok(json!({"success": "true", "ticket": ticket}))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const PRELOAD: &str = "POST /chktv2/request/request.php";
    const BODY: &str = r#"{"store_id": "s", "api_token": "t", "checkout_id": "c", "txn_total": "10.00", "environment": "qa", "action": "preload", "order_no": "o"}"#;

    #[test]
    fn a_ticket_opens_checkout_only() {
        let mut fake = Fake::new("moneris");
        let (_, answer) = fake.ask(PRELOAD, &[], BODY);
        fake.check_token_use("checkout_ticket", &answer["response"]["ticket"], &[], None);
        for (from, to, field) in [
            (r#""s""#, r#""invalid""#, "store_id"),
            (r#""t""#, r#""wrong""#, "api_token"),
            ("10.00", "10", "txn_total"),
            (r#""o""#, r#""a=b""#, "order_no"),
            (r#""o""#, r#""o", "cust_id": "012345678901234567890123456789012345678901234567890""#, "cust_id"),
            ("qa", "test", "environment"),
        ] {
            let (status, answer) = fake.ask(PRELOAD, &[], &BODY.replace(from, to));
            assert_eq!((status, &answer["response"]["success"]), (200, &"false".into()));
            assert!(answer["response"]["error"][field].is_string(), "{answer}");
        }
    }

    #[test]
    fn a_token_allows_the_calls_of_its_scopes() {
        let mut fake = Fake::new("moneris");
        for (scope, status) in [("refund.write", 201), ("payment.write", 403)] {
            let form = format!("grant_type=client_credentials&client_id=a&client_secret=b&scope={scope}");
            let (_, answer) = fake.ask("POST /oauth2/token", &[], &form);
            let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
            assert_eq!(fake.ask("POST /refunds", &[("authorization", &bearer)], "{}").0, status);
            fake.state.now += 3599;
            assert_eq!(fake.ask("POST /refunds", &[("authorization", &bearer)], "{}").0, 401);
        }
        let form = "grant_type=client_credentials&client_id=a&client_secret=b&scope=everything";
        assert_eq!(fake.ask("POST /oauth2/token", &[], form).0, 400);
    }
}
