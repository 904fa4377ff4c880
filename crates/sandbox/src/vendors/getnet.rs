//! Getnet's Regional API and Web Checkout: access tokens for servers.
//!
//! The first is written from the vendor's page on authentication, the second from public
//! integrations. Both calls have one path: Basic authentication or none tells them apart.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static GETNET: FakeVendor = FakeVendor {
    name: "getnet",
    credentials: r#"{"api_key": "sandbox-client", "api_secret": "sandbox-secret", "seller_id": "sandbox-seller"}"#,
    secrets: &["client_secret"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}"), ("web_checkout_access_token", "{}")];

/// A refusal of the vendor's gateway.
fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => unknown_client(),
        _ => Answer::json(status, &json!({"error_code": format!("GW-{status}"), "message": "Refused", "details": []})),
    }
}

fn unknown_client() -> Answer {
    oauth::error(401, "invalid_client", "The client is unknown or its secret is wrong")
}

fn refuse(fault: TokenRequestError) -> Answer {
    match fault {
        TokenRequestError::Client => unknown_client(),
        _ => oauth::error(400, "invalid_request", "grant_type=client_credentials must be in a form"),
    }
}

static REGIONAL: TokenEndpoint =
    TokenEndpoint { client_auth: ClientAuth::Basic, grant_types: CLIENT_CREDENTIALS, refuse };
static WEB_CHECKOUT: TokenEndpoint =
    TokenEndpoint { client_auth: ClientAuth::Form, grant_types: CLIENT_CREDENTIALS, refuse };

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/authentication/oauth2/access_token") {
        return Err(failure(404, state));
    }
    let endpoint = if request.form().has("client_id") { &WEB_CHECKOUT } else { &REGIONAL };
    let client_id = endpoint.check(request)?.client_id;
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 3_600, "sub": client_id}));
    let token = AccessToken { token, token_type: "Bearer", lifetime_seconds: 3_600 };
    Ok(token.issue("access_token", json!({"scope": "oob"}), state))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_a_token_for_a_pair_and_a_form() {
        const TOKEN: &str = "POST /authentication/oauth2/access_token";
        let (pair, grant) = ([("authorization", "Basic YTpi")], "grant_type=client_credentials");
        let mut fake = Fake::new("getnet");
        let (status, token) = fake.ask(TOKEN, &pair, grant);
        assert_eq!((status, &token["expires_in"]), (200, &3_600.into()));
        assert_eq!(fake.ask(TOKEN, &[], grant).0, 401);
        let web_checkout = format!("{grant}&scope=oob&client_id=a&client_secret=b");
        assert_eq!(fake.ask(TOKEN, &[], &web_checkout).0, 200);
        assert_eq!(fake.ask(TOKEN, &[], &web_checkout.replace("=b", "=")).0, 401);
        assert_eq!(fake.ask(TOKEN, &pair, "{}").0, 400);
        assert_eq!(fake.ask("POST /auth/oauth/v2/token", &pair, grant).0, 404);
    }
}
