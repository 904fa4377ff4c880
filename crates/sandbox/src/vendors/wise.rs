//! Wise: access tokens for servers.
//!
//! Written from the vendor's OpenAPI file of `POST /oauth/token` and
//! <https://docs.wise.com/guides/product/account-setup/refreshing-access>: a refresh ends the access
//! token before. A code works once, but those of the examples, so that the playground can repeat
//! them. `GET /v2/profiles` checks the token only.

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
    ("registration_code", r#"{"email": "user@shop.example", "registration_code": "sandbox-registration-code"}"#),
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
    let quarter = request.segments().first().is_some_and(|first| {
        first.split_once('Q').is_some_and(|(year, quarter)| year.len() == 4 && "1234".contains(quarter))
    });
    let path = if quarter { request.path.get(7..).unwrap_or_default() } else { request.path.as_str() };
    match (request.method.as_str(), path) {
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
    let code = asked.field("code").or(asked.field("registration_code")).unwrap_or_default();
    if state.was_issued(&format!("code {code}")) {
        return Err(error(400, "invalid_grant", "The code was used before"));
    }
    if !code.is_empty() && !code.starts_with("sandbox-") {
        state.issue(&format!("code {code}"), "code", None, &[]);
    }
    let refresh = asked.field("refresh_token").map_or_else(|| state.random_id("", 32), str::to_owned);
    if let Some(earlier) = state.find_token("refresh", &refresh) {
        earlier.used = true;
        earlier.attributes.clear();
    }
    let token = state.random_id_of("", 32, HEX_DIGITS);
    let date = |seconds| timestamp(seconds).to_string();
    let end = state.now.saturating_add(LIFETIME_SECONDS);
    let mut own = json!({"expires_at": date(end), "scope": "transfers"});
    let of_user = asked.grant_type != "client_credentials";
    if let (Some(members), true) = (own.as_object_mut(), of_user) {
        members.insert("refresh_token".to_owned(), json!(refresh));
        members.insert("created_at".to_owned(), json!(date(state.now)));
    }
    let issued = AccessToken { token: token.clone(), token_type: "bearer", lifetime_seconds: LIFETIME_SECONDS };
    let answer = issued.issue("access_token", own, state);
    // The newest token of a refresh token is the one that the next refresh ends.
    if of_user {
        state.issue(&token, "access_token", Some(end), &[("refresh", &refresh)]);
    }
    Ok(answer)
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
    fn a_refresh_ends_the_token_before_and_a_code_works_once() {
        let mut fake = Fake::new("wise");
        let form = "grant_type=authorization_code&client_id=a&code=c&redirect_uri=d";
        let (_, first) = fake.ask("POST /2026Q4/oauth/token", &[PAIR], form);
        assert_eq!(fake.ask("POST /oauth/token", &[PAIR], form).1["error"], "invalid_grant");
        let refresh = first["refresh_token"].as_str().unwrap();
        let form = format!("grant_type=refresh_token&refresh_token={refresh}");
        let mut newest = first.clone();
        for _ in 0..3 {
            let (_, next) = fake.ask("POST /oauth/token", &[PAIR], &form);
            for (token, status) in [(&newest, 401), (&next, 200)] {
                let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
                assert_eq!(fake.ask("GET /v2/profiles", &[("authorization", &bearer)], "").0, status);
            }
            newest = next;
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
