//! IATA Pay: access tokens for servers.
//!
//! The vendor publishes no page on its token call: the fake is written from reports of integrators.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static IATAPAY: FakeVendor = FakeVendor {
    name: "iatapay",
    credentials: r#"{"client_id": "sandbox-client", "merchant_id": "sandbox-merchant", "client_secret": "sandbox-secret"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => oauth_error(401, "invalid_client"),
        400 => oauth_error(400, "invalid_request"),
        _ => Answer::json(
            status,
            &json!({"status": status, "error": "refused", "message": "Refused", "reason": "sandbox"}),
        ),
    }
}

/// An error of the token call: it has a path in place of a description.
fn oauth_error(status: u16, code: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "path": "/oauth/token"}))
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => oauth_error(401, "invalid_client"),
        _ => oauth_error(400, "invalid_request"),
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/api/v1/oauth/token") {
        return Err(failure(404, state));
    }
    let asked = TOKEN.check(request)?;
    if asked.field("scope") != Some("payment") {
        return Err(oauth_error(400, "invalid_request"));
    }
    let claims = json!({"iat": state.now, "exp": state.now + 3_600, "client_id": asked.client_id});
    let token = state.jwt("RS256", &claims);
    state.issue(&token, "access_token", Some(state.now + 3_600), &[]);
    // Unlike RFC 6749 section 5.1, the answer has no `token_type`.
    Ok(Answer::json(200, &json!({"access_token": token, "expires_in": 3_600})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_a_token_for_a_pair_and_the_one_scope() {
        const TOKEN: &str = "POST /api/v1/oauth/token";
        let (pair, grant) = ([("authorization", "Basic YTpi")], "grant_type=client_credentials&scope=payment");
        let mut fake = Fake::new("iatapay");
        let (status, token) = fake.ask(TOKEN, &pair, grant);
        assert_eq!((status, &token["expires_in"]), (200, &3_600.into()));
        assert_eq!(fake.ask(TOKEN, &[], grant).0, 401);
        assert_eq!(fake.ask(TOKEN, &pair, &grant.replace("payment", "all")).0, 400);
        assert_eq!(fake.ask("GET /api/v1/oauth/token", &pair, grant).0, 404);
    }
}
