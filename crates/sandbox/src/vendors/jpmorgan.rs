//! J.P. Morgan Payments: access tokens for servers.
//!
//! Written from the vendor's repository of authentication samples.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError, has_scopes},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static JPMORGAN: FakeVendor = FakeVendor {
    name: "jpmorgan",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Client authentication failed"),
        403 => oauth::error(403, "access_denied", "The client may not do this"),
        500.. => oauth::error(status, "server_error", "Internal error"),
        _ => oauth::error(status, "invalid_request", "The request was refused"),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::NotAForm => failure(400),
        _ => oauth::error(400, "unsupported_grant_type", "Grant type is not supported"),
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/am/oauth2/alpha/access_token") {
        return Err(oauth::error(404, "invalid_request", "Not found"));
    }
    let asked = TOKEN.check(request)?;
    let scope = asked.field("scope").filter(|scopes| has_scopes(scopes, |scope| scope.starts_with("jpm:payments")));
    let scope = scope.ok_or_else(|| oauth::error(400, "invalid_scope", "Unknown/invalid scope(s)"))?;
    let claims = json!({"iat": state.now, "exp": state.now + 3_599, "sub": asked.client_id, "scope": scope});
    let token = AccessToken { token: state.jwt("RS256", &claims), token_type: "Bearer", lifetime_seconds: 3_599 };
    Ok(token.issue("access_token", json!({"scope": scope}), state))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_the_scope_that_was_asked_for() {
        const TOKEN: &str = "POST /am/oauth2/alpha/access_token";
        let (pair, grant) =
            ([("authorization", "Basic YTpi")], "grant_type=client_credentials&scope=jpm:payments:sandbox");
        let mut fake = Fake::new("jpmorgan");
        let (status, token) = fake.ask(TOKEN, &pair, grant);
        assert_eq!((status, &token["scope"]), (200, &"jpm:payments:sandbox".into()));
        assert_eq!(fake.ask(TOKEN, &[], grant).0, 401);
        assert_eq!(fake.ask(TOKEN, &pair, "grant_type=client_credentials").1["error"], "invalid_scope");
        assert_eq!(fake.ask(TOKEN, &pair, "grant_type=password").1["error"], "unsupported_grant_type");
    }
}
