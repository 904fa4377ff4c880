//! Getnet's Regional API, by its page on authentication.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub static GETNET: FakeVendor = FakeVendor {
    name: "getnet",
    credentials: r#"{"api_key": "sandbox-client", "api_secret": "sandbox-secret", "seller_id": "sandbox-seller"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

pub const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": description}))
}

/// How the gateway before the services refuses.
fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => error(401, "invalid_client", "The client is unknown or its secret is wrong"),
        _ => Answer::json(status, &json!({"error_code": format!("GW-{status}"), "message": "Refused", "details": []})),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/authentication/oauth2/access_token") {
        return Err(failure(404, state));
    }
    let (client, secret) = request.basic().unwrap_or_default();
    if client.is_empty() || secret.is_empty() {
        return Err(failure(401, state));
    }
    let form = request.content_type() == "application/x-www-form-urlencoded";
    if !form || request.form().value("grant_type") != Some("client_credentials") {
        return Err(error(400, "invalid_request", "grant_type=client_credentials must be in a form"));
    }
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 3_600, "sub": client}));
    state.issue(&token, "access_token", Some(state.now + 3_600), &[]);
    let granted = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3_600, "scope": "oob"});
    Ok(Answer::json(200, &granted))
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
        assert_eq!(fake.ask(TOKEN, &pair, "{}").0, 400);
        assert_eq!(fake.ask("POST /auth/oauth/v2/token", &pair, grant).0, 404);
    }
}
