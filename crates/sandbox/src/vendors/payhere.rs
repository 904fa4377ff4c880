//! `PayHere`: access tokens for servers.
//!
//! Written from the vendor's page Retrieval API: <https://support.payhere.lk>. The page does not
//! show the refusal of a wrong app secret; the one here is that of the page's OAuth errors.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, TokenError, VendorState},
};

pub(super) static PAYHERE: FakeVendor = FakeVendor {
    name: "payhere",
    credentials: r#"{"app_id": "sandboxApp", "app_secret": "sandboxAppSecret", "merchant_id": "1210000", "merchant_secret": "sandboxMerchantSecret"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

const LIFETIME_SECONDS: i64 = 599;

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Bad client credentials"),
        _ => api_error(status, -2, "Authentication error"),
    }
}

/// An error of the API.
fn api_error(http_status: u16, status: i64, msg: &str) -> Answer {
    Answer::json(http_status, &json!({"status": status, "msg": msg, "data": null}))
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::UnsupportedGrantType => {
            oauth::error(400, "unsupported_grant_type", "Unsupported grant type")
        }
        _ => oauth::error(400, "invalid_request", "Missing grant type"),
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/merchant/v1/oauth/token") => {
            TOKEN.check(request)?;
            let token = [8, 4, 4, 4, 12].map(|length| state.random_id_of("", length, HEX_DIGITS)).join("-");
            let token = AccessToken { token, token_type: "bearer", lifetime_seconds: LIFETIME_SECONDS };
            Ok(token.issue("access_token", json!({"scope": "SANDBOX"}), state))
        }
        ("GET", "/merchant/v1/payment/search") => search(request, state),
        _ => Err(api_error(404, -1, "Not found")),
    }
}

/// The payments of an order, of which this fake has none.
fn search(request: &Request, state: &mut VendorState) -> Handled {
    let token = request.bearer().unwrap_or_default();
    match state.active(token, &["access_token"]) {
        Ok(_) => Ok(api_error(200, -1, "No payments found")),
        Err(TokenError::Expired) => Err(oauth::error(401, "invalid_token", "Access token expired")),
        Err(_) => Err(oauth::error(401, "invalid_token", "Invalid access token")),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const TOKEN: &str = "POST /merchant/v1/oauth/token";
    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");

    #[test]
    fn a_token_reads_payments_for_ten_minutes() {
        let mut fake = Fake::new("payhere");
        let (_, answer) = fake.ask(TOKEN, &[PAIR], "grant_type=client_credentials");
        assert_eq!((&answer["expires_in"], &answer["scope"]), (&599.into(), &"SANDBOX".into()));
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        for (seconds, status) in [(598, 200), (1, 401)] {
            fake.state.now += seconds;
            let headers = [("authorization", bearer.as_str())];
            assert_eq!(fake.ask("GET /merchant/v1/payment/search?order_id=1", &headers, "").0, status);
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, body, status, code) in [
            (&[][..], "grant_type=client_credentials", 401, "invalid_client"),
            (&[PAIR], "{}", 400, "invalid_request"),
            (&[PAIR], "grant_type=password", 400, "unsupported_grant_type"),
        ] {
            let (got, answer) = Fake::new("payhere").ask(TOKEN, headers, body);
            assert_eq!((got, &answer["error"]), (status, &code.into()));
        }
    }
}
