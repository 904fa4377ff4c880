//! PayU: access tokens for servers, of GPO and of India.
//!
//! GPO is written from the vendor's OpenAPI file 2.1.0, India from its page "Get Token API".

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{
        AccessToken, CLIENT_CREDENTIALS, ClientAuth, GrantType, TokenEndpoint, TokenRequestError, error, has_scopes,
    },
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static PAYU: FakeVendor = FakeVendor {
    name: "payu",
    credentials: r#"{"api_key": "300001", "api_secret": "sandbox-secret"}"#,
    secrets: &["client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("client_credentials", "{}"),
    ("trusted_merchant", r#"{"email": "user@shop.example", "ext_customer_id": "customer-1"}"#),
    ("partner", r#"{"firm_id": "firm-1"}"#),
];

const INDIAN_SCOPES: &[&str] = &["create_payment_links", "update_payment_links", "read_payment_links"];

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "invalid_client", "Bad client credentials"),
        403 => error(403, "unauthorized_client", "The client may not do this"),
        429 => error(429, "too_many_requests", "Too many requests"),
        500.. => error(status, "server_error", "Internal error"),
        _ => error(status, "invalid_request", "The request was refused"),
    }
}

const fn token_endpoint(grant_types: &'static [GrantType]) -> TokenEndpoint {
    TokenEndpoint {
        client_auth: ClientAuth::Form,
        grant_types,
        refuse: |fault| match fault {
            TokenRequestError::Client => failure(401),
            TokenRequestError::NotAForm => error(400, "invalid_request", "The body must be a form"),
            TokenRequestError::MissingField(name) => missing(name),
            TokenRequestError::NoGrantType | TokenRequestError::UnsupportedGrantType => {
                error(400, "unsupported_grant_type", "Unsupported grant type")
            }
        },
    }
}

static GPO_TOKEN: TokenEndpoint = token_endpoint(&[
    ("client_credentials", &[]),
    ("trusted_merchant", &["email", "ext_customer_id"]),
    ("partner", &["firm_id"]),
]);

static INDIAN_TOKEN: TokenEndpoint = token_endpoint(CLIENT_CREDENTIALS);

fn missing(name: &str) -> Answer {
    error(400, "invalid_request", &format!("{name} is missing"))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/pl/standard/user/oauth/authorize") => gpo_token(request, state),
        ("POST", "/oauth/token") => indian_token(request, state),
        ("GET", "/api/v2_1/paymethods") => {
            let token = request.bearer().unwrap_or_default();
            state.active(token, &["gpo"]).map_err(|_| error(401, "invalid_token", "The token is not valid"))?;
            Ok(Answer::json(200, &json!({"payByLinks": [], "status": {"statusCode": "SUCCESS"}})))
        }
        _ => Err(error(404, "not_found", "No such resource")),
    }
}

fn gpo_token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = GPO_TOKEN.check(request)?;
    let grant_type = asked.grant_type;
    // A client id of GPO is the id of a point of sale, which is digits.
    if !asked.field("client_id").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(failure(401));
    }
    let token = state.random_id_of("", 32, HEX_DIGITS);
    let token = AccessToken { token, token_type: "bearer", lifetime_seconds: 43_199 };
    Ok(token.issue("gpo", json!({"grant_type": grant_type}), state))
}

fn indian_token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = INDIAN_TOKEN.check(request)?;
    let scope = asked.field("scope").ok_or_else(|| missing("scope"))?;
    if !has_scopes(scope, |scope| INDIAN_SCOPES.contains(&scope)) {
        return Err(error(400, "invalid_scope", "The scope is not valid"));
    }
    let token = state.random_id_of("", 64, HEX_DIGITS);
    let token = AccessToken { token, token_type: "Bearer", lifetime_seconds: 7_200 };
    Ok(token.issue("india", json!({"scope": scope, "created_at": state.now}), state))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const GPO: &str = "POST /pl/standard/user/oauth/authorize";
    const PAIR: &str = "client_id=1&client_secret=b&grant_type=";

    #[test]
    fn a_token_calls_the_api_until_it_ends() {
        let mut fake = Fake::new("payu");
        let (_, answer) = fake.ask(GPO, &[], &format!("{PAIR}client_credentials"));
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        for (seconds, status) in [(43_198, 200), (1, 401)] {
            fake.state.now += seconds;
            assert_eq!(fake.ask("GET /api/v2_1/paymethods", &[("authorization", &bearer)], "").0, status);
        }
    }

    #[test]
    fn each_platform_checks_its_own_fields() {
        for (call, body, status) in [
            (GPO, "grant_type=client_credentials&client_id=1".to_owned(), 401),
            (GPO, format!("{PAIR}password"), 400),
            (GPO, format!("{PAIR}client_credentials").replace("id=1", "id=b1"), 401),
            (GPO, format!("{PAIR}partner"), 400),
            (GPO, format!("{PAIR}partner&firm_id=f"), 200),
            (GPO, format!("{PAIR}trusted_merchant&email=e&ext_customer_id=c"), 200),
            ("POST /oauth/token", format!("{PAIR}client_credentials"), 400),
            ("POST /oauth/token", format!("{PAIR}client_credentials&scope=everything"), 400),
            ("POST /oauth/token", format!("{PAIR}client_credentials&scope=read_payment_links"), 200),
        ] {
            assert_eq!(Fake::new("payu").ask(call, &[], &body).0, status, "{call} {body}");
        }
    }
}
