//! Itaú Unibanco: access tokens for servers.
//!
//! Written from the vendor's developer portal and from public integrations (paths, members). The
//! live paths need a client certificate; only the TLS layer sees it, so the fake does not ask for
//! one.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, AccessToken, ClientAuth, TokenEndpoint, TokenRequestError},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static ITAUBANK: FakeVendor = FakeVendor {
    name: "itaubank",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Invalid client credentials"),
        _ => Answer::json(status, &json!({"codigo": status.to_string(), "mensagem": "Recusado", "campos": []})),
    }
}

/// The grant type is checked before the client: the client's fields count as fields of the grant.
static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Vendor,
    grant_types: &[("client_credentials", &["client_id", "client_secret"])],
    refuse: |fault| match fault {
        TokenRequestError::NotAForm => failure(415),
        TokenRequestError::Client | TokenRequestError::MissingField(_) => failure(401),
        TokenRequestError::NoGrantType | TokenRequestError::UnsupportedGrantType => {
            let fields = json!([{"campo": "grant_type", "mensagem": "inválido"}]);
            Answer::json(400, &json!({"codigo": "400", "mensagem": "Dados inválidos", "campos": fields}))
        }
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let paths = ["/api/oauth/jwt", "/api/oauth/token", "/as/token.oauth2"];
    if request.method != "POST" || !paths.contains(&request.path.as_str()) {
        return Err(Answer::json(404, &json!({"message": "Not Found"})));
    }
    TOKEN.check(request)?;
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 300}));
    let token = AccessToken { token, token_type: "Bearer", lifetime_seconds: 300 };
    Ok(token.issue("access_token", json!({}), state))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_five_minutes_to_a_client_in_a_form() {
        const TOKEN: &str = "POST /api/oauth/jwt";
        let valid = "grant_type=client_credentials&client_id=c&client_secret=s";
        let mut fake = Fake::new("itaubank");
        let (status, token) = fake.ask(TOKEN, &[], valid);
        assert_eq!((status, &token["expires_in"]), (200, &300.into()));
        assert_eq!(fake.ask(TOKEN, &[], &valid.replace("=s", "=")).0, 401);
        let (status, refusal) = fake.ask(TOKEN, &[], "client_id=c&client_secret=s");
        assert_eq!((status, &refusal["campos"][0]["campo"]), (400, &"grant_type".into()));
        assert_eq!(fake.ask("POST /api/oauth", &[], valid).0, 404);
    }
}
