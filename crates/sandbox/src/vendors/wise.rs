//! Wise: access tokens for servers.
//!
//! Written from the vendor's OpenAPI file of `POST /oauth/token`. `GET /v2/profiles` checks the
//! token only.

use serde_json::json;

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    oauth::{AccessToken, ClientAuth, TokenEndpoint, TokenRequestError, error},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static WISE: FakeVendor = FakeVendor {
    name: "wise",
    credentials: r#"{"client_id": "sandbox-partner", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}"#,
    secrets: &["refresh_token"],
    request_id: Some("x-trace-id"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("client_credentials", "{}"),
    ("user_refresh_token", "{}"),
    ("registration_code", r#"{"email": "user@shop.example", "registration_code": "sandbox-code"}"#),
    ("authorization_code", r#"{"code": "sandbox-code", "redirect_uri": "https://shop.example/back"}"#),
];

const LIFETIME_SECONDS: i64 = 43_199;

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "invalid_client", "Bad credentials"),
        403 => error(403, "unauthorized_client", "The client may not do this"),
        429 => Answer::json(429, &json!({})).with("x-rate-limited-by", "sandbox"),
        500.. => error(status, "server_error", "Something went wrong"),
        _ => error(status, "invalid_request", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/oauth/token") => token(request, state),
        ("GET", "/v2/profiles") => {
            let token = request.bearer().unwrap_or_default();
            state
                .active(token, &["access_token"])
                .map_err(|_| error(401, "invalid_token", "The token is not valid"))?;
            Ok(Answer::json(200, &json!([])))
        }
        _ => Err(error(404, "not_found", "No such resource")),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: &[
        ("client_credentials", &[]),
        ("refresh_token", &["refresh_token"]),
        ("registration_code", &["client_id", "email", "registration_code"]),
        ("authorization_code", &["client_id", "code", "redirect_uri"]),
    ],
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::NotAForm | TokenRequestError::NoGrantType => {
            error(400, "invalid_request", "Missing grant type")
        }
        TokenRequestError::UnsupportedGrantType => error(400, "unsupported_grant_type", "Unsupported grant type"),
        TokenRequestError::MissingField(name) => error(400, "invalid_request", &format!("Missing {name}")),
    },
};

fn token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = TOKEN.check(request)?;
    if asked.form().value("client_id").is_some_and(|id| id != asked.client_id) {
        return Err(error(401, "invalid_grant", "Invalid user credentials."));
    }
    let token = state.random_id_of("", 32, HEX_DIGITS);
    let date = |seconds| timestamp(seconds).to_string();
    let mut own = json!({"expires_at": date(state.now.saturating_add(LIFETIME_SECONDS)), "scope": "transfers"});
    if let (Some(members), false) = (own.as_object_mut(), asked.grant_type == "client_credentials") {
        members.insert("refresh_token".to_owned(), json!(state.random_id("", 32)));
        members.insert("created_at".to_owned(), json!(date(state.now)));
    }
    let token = AccessToken { token, token_type: "bearer", lifetime_seconds: LIFETIME_SECONDS };
    Ok(token.issue("access_token", own, state))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");

    #[test]
    fn a_token_calls_the_api_for_twelve_hours() {
        let mut fake = Fake::new("wise");
        let (_, answer) = fake.ask("POST /oauth/token", &[PAIR], "grant_type=client_credentials");
        assert!(answer["refresh_token"].is_null());
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        for (seconds, status) in [(43_198, 200), (1, 401)] {
            fake.state.now += seconds;
            assert_eq!(fake.ask("GET /v2/profiles", &[("authorization", &bearer)], "").0, status);
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, body, status, code) in [
            (&[][..], "grant_type=client_credentials", 401, "invalid_client"),
            (&[PAIR], "{}", 400, "invalid_request"),
            (&[PAIR], "grant_type=refresh_token", 400, "invalid_request"),
            (&[PAIR], "grant_type=password", 400, "unsupported_grant_type"),
            (&[PAIR], "grant_type=authorization_code&client_id=b&code=c&redirect_uri=d", 401, "invalid_grant"),
        ] {
            let (got, answer) = Fake::new("wise").ask("POST /oauth/token", headers, body);
            assert_eq!((got, &answer["error"]), (status, &code.into()));
        }
    }
}
