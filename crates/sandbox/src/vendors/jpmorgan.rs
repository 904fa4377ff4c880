//! J.P. Morgan Payments, by the vendor's repository of authentication samples.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub static JPMORGAN: FakeVendor = FakeVendor {
    name: "jpmorgan",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
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

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => error(401, "invalid_client", "Client authentication failed"),
        403 => error(403, "access_denied", "The client may not do this"),
        500.. => error(status, "server_error", "Internal error"),
        _ => error(status, "invalid_request", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/am/oauth2/alpha/access_token") {
        return Err(error(404, "invalid_request", "Not found"));
    }
    let (client, secret) = request.basic().unwrap_or_default();
    if client.is_empty() || secret.is_empty() {
        return Err(failure(401, state));
    }
    let form = request.form();
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(failure(400, state));
    }
    if form.value("grant_type") != Some("client_credentials") {
        return Err(error(400, "unsupported_grant_type", "Grant type is not supported"));
    }
    let scope = form.value("scope").filter(|scope| {
        !scope.trim().is_empty() && scope.split_whitespace().all(|scope| scope.starts_with("jpm:payments"))
    });
    let scope = scope.ok_or_else(|| error(400, "invalid_scope", "Unknown/invalid scope(s)"))?;
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 3_599, "sub": client, "scope": scope}));
    state.issue(&token, "access_token", Some(state.now + 3_599), &[]);
    let granted = json!({"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": 3_599});
    Ok(Answer::json(200, &granted))
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
