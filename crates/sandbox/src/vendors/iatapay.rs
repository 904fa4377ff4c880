//! IATA Pay. The vendor publishes no page on its token call, so this is what integrators report of it.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub static IATAPAY: FakeVendor = FakeVendor {
    name: "iatapay",
    credentials: r#"{"client_id": "sandbox-client", "merchant_id": "sandbox-merchant", "client_secret": "sandbox-secret"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

pub const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => Answer::json(401, &json!({"error": "invalid_client", "path": "/oauth/token"})),
        400 => Answer::json(400, &json!({"error": "invalid_request", "path": "/oauth/token"})),
        _ => Answer::json(
            status,
            &json!({"status": status, "error": "refused", "message": "Refused", "reason": "sandbox"}),
        ),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/api/v1/oauth/token") {
        return Err(failure(404, state));
    }
    let (client, secret) = request.basic().unwrap_or_default();
    if client.is_empty() || secret.is_empty() {
        return Err(failure(401, state));
    }
    let form = request.form();
    let is_form = request.content_type() == "application/x-www-form-urlencoded";
    if !is_form || form.value("grant_type") != Some("client_credentials") || form.value("scope") != Some("payment") {
        return Err(failure(400, state));
    }
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 3_600, "client_id": client}));
    state.issue(&token, "access_token", Some(state.now + 3_600), &[]);
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
