//! Itaú Unibanco, by its developer portal. A client certificate is seen by the TLS layer only, so the live paths ask for none here.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub static ITAUBANK: FakeVendor = FakeVendor {
    name: "itaubank",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

pub const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => {
            Answer::json(401, &json!({"error": "invalid_client", "error_description": "Invalid client credentials"}))
        }
        _ => Answer::json(status, &json!({"codigo": status.to_string(), "mensagem": "Recusado", "campos": []})),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let paths = ["/api/oauth/jwt", "/api/oauth/token", "/as/token.oauth2"];
    if request.method != "POST" || !paths.contains(&request.path.as_str()) {
        return Err(Answer::json(404, &json!({"message": "Not Found"})));
    }
    let form = request.form();
    let given = |name: &str| form.value(name).is_some_and(|value| !value.is_empty());
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(failure(415, state));
    }
    if form.value("grant_type") != Some("client_credentials") {
        let fields = json!([{"campo": "grant_type", "mensagem": "inválido"}]);
        return Err(Answer::json(400, &json!({"codigo": "400", "mensagem": "Dados inválidos", "campos": fields})));
    }
    if !given("client_id") || !given("client_secret") {
        return Err(failure(401, state));
    }
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 300}));
    state.issue(&token, "access_token", Some(state.now + 300), &[]);
    Ok(Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_five_minutes_to_a_client_in_a_form() {
        const TOKEN: &str = "POST /api/oauth/jwt";
        let good = "grant_type=client_credentials&client_id=c&client_secret=s";
        let mut fake = Fake::new("itaubank");
        let (status, token) = fake.ask(TOKEN, &[], good);
        assert_eq!((status, &token["expires_in"]), (200, &300.into()));
        assert_eq!(fake.ask(TOKEN, &[], &good.replace("=s", "=")).0, 401);
        let (status, refusal) = fake.ask(TOKEN, &[], "client_id=c&client_secret=s");
        assert_eq!((status, &refusal["campos"][0]["campo"]), (400, &"grant_type".into()));
        assert_eq!(fake.ask("POST /api/oauth", &[], good).0, 404);
    }
}
