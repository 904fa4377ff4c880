//! Plaid: Link tokens, session tokens and OAuth.
//!
//! Written from the types of the vendor's client plaid 47.0.0 (OpenAPI file 2020-09-14_1.740.1) and
//! <https://plaid.com/docs/errors/>.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static PLAID: FakeVendor = FakeVendor {
    name: "plaid",
    credentials: r#"{"client_id": "sandbox-client", "secret": "sandbox-secret"}"#,
    secrets: &["plaid-secret", "secret", "client_secret"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse { grant: "link_token", allowed: start_link, forbidden: read_accounts },
        TokenUse { grant: "session_token", allowed: start_link, forbidden: read_accounts },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("link_token", r#"{"client_name": "Sandbox", "language": "en", "country_codes": ["US"], "products": ["auth"]}"#),
    ("session_token", r#"{"template_id": "template_sandbox"}"#),
    ("oauth_client_credentials", r#"{"scopes": ["user:read"]}"#),
];

fn start_link(client: &ClientToken) -> ClientCall {
    ClientCall::new("start Link", "POST", "/plaid/link/client/get").json(&json!({"link_token": client.token}))
}

fn read_accounts(client: &ClientToken) -> ClientCall {
    let body = json!({"client_id": "a", "secret": "b", "access_token": client.token});
    ClientCall::new("read the accounts", "POST", "/plaid/accounts/get").json(&body)
}

fn error(status: u16, kind: &str, code: &str, message: &str, state: &mut VendorState) -> Answer {
    Answer::json(
        status,
        &json!({"error_type": kind, "error_code": code, "error_message": message, "display_message": null,
            "request_id": state.random_id("", 15)}),
    )
}

/// A failure of a status. Wrong keys get status 400.
fn failure(status: u16, state: &mut VendorState) -> Answer {
    match status {
        401 => error(400, "INVALID_INPUT", "INVALID_API_KEYS", "invalid client_id or secret provided", state),
        429 => error(429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT", "rate limit exceeded", state),
        503 => error(503, "API_ERROR", "PLANNED_MAINTENANCE", "planned maintenance", state),
        500.. => error(status, "API_ERROR", "INTERNAL_SERVER_ERROR", "an unexpected error occurred", state),
        _ => error(status, "INVALID_INPUT", "UNAUTHORIZED", "the request was refused", state),
    }
}

fn missing(name: &str, state: &mut VendorState) -> Answer {
    let message = format!("the following required fields are missing: {name}");
    error(400, "INVALID_REQUEST", "MISSING_FIELDS", &message, state)
}

fn invalid(name: &str, state: &mut VendorState) -> Answer {
    error(400, "INVALID_REQUEST", "INVALID_FIELD", &format!("{name} is not valid"), state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    let text = |place: &str| body.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
    let keys = |client_id: &str, secret: &str| {
        let client_id = request.header("plaid-client-id").or(text(client_id));
        client_id.and(request.header("plaid-secret").or(text(secret))).is_some()
    };
    if request.method != "POST" {
        return Err(error(404, "INVALID_REQUEST", "NOT_FOUND", "no such endpoint", state));
    }
    match request.path.as_str() {
        "/link/client/get" => {
            let token = text("/link_token").unwrap_or_default();
            if state.active(token, &["link_token"]).is_err() {
                let message = "the link token is invalid or has expired";
                return Err(error(400, "INVALID_INPUT", "INVALID_LINK_TOKEN", message, state));
            }
            Ok(Answer::json(200, &json!({"link_session_id": state.random_id("", 36)})))
        }
        "/oauth/token" => {
            if text("/client_id").and(text("/client_secret").or(text("/secret"))).is_none() {
                return Err(missing("client_id, client_secret", state));
            }
            let scopes = ["user:read", "user:write", "exchange", "mcp:dashboard"];
            let known = |scope: &str| scope.split(' ').all(|scope| scopes.contains(&scope));
            if text("/grant_type") != Some("client_credentials") || !text("/scope").is_some_and(known) {
                return Err(invalid("grant_type or scope", state));
            }
            let (token, refresh) = (state.random_id("pda-sandbox-", 40), state.random_id("pdr-sandbox-", 40));
            state.issue(&token, "access_token", Some(state.now.saturating_add(900)), &[]);
            Ok(Answer::json(
                200,
                &json!({"access_token": token, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 900}),
            ))
        }
        _ if !keys("/client_id", "/secret") => Err(missing("client_id, secret", state)),
        "/link/token/create" => {
            let lifetime_seconds = link_lifetime(&body).map_err(|fault| match fault {
                LinkError::Missing(name) => missing(name, state),
                LinkError::Invalid(name) => invalid(name, state),
                LinkError::Unknown(name) => {
                    let message = format!("the following fields are not recognized by this endpoint: {name}");
                    error(400, "INVALID_REQUEST", "UNKNOWN_FIELDS", &message, state)
                }
            })?;
            let mut answer = link_token(lifetime_seconds, state);
            if let (Some(members), Some(_)) = (answer.as_object_mut(), body.get("hosted_link")) {
                members
                    .insert("hosted_link_url".to_owned(), json!(state.random_id("https://secure.plaid.com/hl/", 20)));
            }
            Ok(Answer::json(200, &answer))
        }
        "/session/token/create" => {
            text("/template_id").ok_or_else(|| missing("template_id", state))?;
            text("/user/client_user_id").or(text("/user_id")).ok_or_else(|| missing("user", state))?;
            let link = link_token(14_400, state);
            Ok(Answer::json(200, &json!({"link": link, "request_id": state.random_id("", 15)})))
        }
        "/accounts/get" => match text("/access_token") {
            Some(token) if token.starts_with("access-") => Ok(Answer::json(200, &json!({"accounts": []}))),
            _ => Err(error(400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN", "the access token is not valid", state)),
        },
        _ => Err(error(404, "INVALID_REQUEST", "NOT_FOUND", "no such endpoint", state)),
    }
}

const LANGUAGES: &str = "da nl en et fr de hi it lv lt no pl pt ro es sv vi";
const COUNTRIES: &str = "US GB ES NL FR IE CA DE IT PL DK NO SE EE LT LV PT BE AT FI";

/// The members of a request for a link token.
const LINK_MEMBERS: &str = "client_id secret client_name language country_codes user user_id products \
    required_if_supported_products optional_products additional_consented_products webhook access_token access_tokens \
    link_customization_name appearance_mode redirect_uri android_package_name institution_data card_switch \
    account_filters eu_config institution_id payment_configuration payment_initiation employment income_verification \
    base_report credit_partner_insights cra_options consumer_report_permissible_purpose auth transfer update \
    identity_verification statements third_party_user_token investments investments_auth hosted_link transactions \
    cashflow_report cra_enabled identity financekit_supported enable_multi_item_link user_token";

/// A faulty member of a request for a link token.
enum LinkError {
    Missing(&'static str),
    Invalid(&'static str),
    Unknown(String),
}

/// The lifetime of the link token in seconds.
fn link_lifetime(body: &Value) -> Result<i64, LinkError> {
    let text = |place: &str| body.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty());
    let known = |name: &String| LINK_MEMBERS.split_whitespace().any(|known| known == name);
    if let Some(name) = body.as_object().and_then(|members| members.keys().find(|name| !known(name))) {
        return Err(LinkError::Unknown(name.clone()));
    }
    text("/client_name").ok_or(LinkError::Missing("client_name"))?;
    let language = text("/language").ok_or(LinkError::Missing("language"))?;
    if !LANGUAGES.split(' ').any(|known| known == language) {
        return Err(LinkError::Invalid("language"));
    }
    let countries = body.get("country_codes").and_then(Value::as_array).ok_or(LinkError::Missing("country_codes"))?;
    let known = |country: &Value| COUNTRIES.split(' ').any(|known| Some(known) == country.as_str());
    if countries.is_empty() || !countries.iter().all(known) {
        return Err(LinkError::Invalid("country_codes"));
    }
    text("/user/client_user_id").or(text("/user_id")).ok_or(LinkError::Missing("user"))?;
    let update = text("/access_token").or(text("/user_id").filter(|_| body.get("update").is_some())).is_some();
    if !update && body.get("products").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(LinkError::Missing("products"));
    }
    let hosted = body.get("hosted_link").map(|hosted| hosted.get("url_lifetime_seconds").and_then(Value::as_i64));
    match hosted {
        Some(seconds) => Ok(seconds.unwrap_or(1800))
            .and_then(|it| if it > 21 * 86_400 { Err(LinkError::Invalid("hosted_link")) } else { Ok(it) }),
        None => Ok(if update { 1800 } else { 14_400 }),
    }
}

fn link_token(lifetime_seconds: i64, state: &mut VendorState) -> Value {
    let token = state.random_id_of("link-sandbox-", 32, HEX_DIGITS);
    let end = state.now.saturating_add(lifetime_seconds);
    state.issue(&token, "link_token", Some(end), &[]);
    let date = timestamp(end).to_string();
    json!({"link_token": token, "expiration": date, "request_id": state.random_id("", 15)})
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEYS: &[(&str, &str)] = &[("plaid-client-id", "a"), ("plaid-secret", "b")];
    const LINK: &str = r#"{"client_name": "Shop", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"}, "products": ["auth"]}"#;

    #[test]
    fn a_link_token_starts_link_only() {
        let mut fake = Fake::new("plaid");
        let (_, answer) = fake.ask("POST /link/token/create", KEYS, LINK);
        fake.check_token_use("link_token", &answer["link_token"], &[], Some(14_400));
        let update = LINK.replace(r#""products": ["auth"]"#, r#""access_token": "access-sandbox-1""#);
        let (_, answer) = fake.ask("POST /link/token/create", KEYS, &update);
        fake.check_token_use("link_token", &answer["link_token"], &[], Some(1800));
        let items = update.replace(
            r#""user": {"client_user_id": "u"}, "access_token": "access-sandbox-1""#,
            r#""user_id": "usr_1", "update": {"item_ids": ["i"]}"#,
        );
        let (_, answer) = fake.ask("POST /link/token/create", KEYS, &items);
        fake.check_token_use("link_token", &answer["link_token"], &[], Some(1800));
        let layer = r#"{"template_id": "t", "user": {"client_user_id": "u"}}"#;
        let (_, answer) = fake.ask("POST /session/token/create", KEYS, layer);
        fake.check_token_use("session_token", &answer["link"]["link_token"], &[], Some(14_400));
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, body, code) in [
            (&[][..], LINK.to_owned(), "MISSING_FIELDS"),
            (&[("plaid-client-id", "a"), ("plaid-secret", "wrong")], LINK.to_owned(), "INVALID_API_KEYS"),
            (KEYS, LINK.replace("client_name", "client_title"), "UNKNOWN_FIELDS"),
            (KEYS, LINK.replace(r#""client_name": "Shop", "#, ""), "MISSING_FIELDS"),
            (KEYS, LINK.replace(r#""en""#, r#""eo""#), "INVALID_FIELD"),
            (KEYS, LINK.replace("US", "XX"), "INVALID_FIELD"),
            (KEYS, LINK.replace("\"products\"", "\"colour\": 1, \"products\""), "UNKNOWN_FIELDS"),
            (KEYS, LINK.replace("products", "optional_products"), "MISSING_FIELDS"),
        ] {
            let (status, answer) = Fake::new("plaid").ask("POST /link/token/create", headers, &body);
            assert_eq!((status, &answer["error_code"]), (400, &code.into()), "{body}");
        }
    }
}
