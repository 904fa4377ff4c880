//! Stax: ephemeral authentication tokens.
//!
//! Written from <https://docs.staxpayments.com/reference/ephemeral-authentication-tokens-1> and the
//! vendor's `OpenAPI` document 0.1.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static STAX: FakeVendor = FakeVendor {
    name: "stax",
    credentials: r#"{"api_key": "sandbox.api.key"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "ephemeral_token",
        allowed: |client| ClientCall::new("ask who one is", "GET", "/stax/self").bearer(&client.token),
        forbidden: |client| ClientCall::new("make a further token", "GET", "/stax/ephemeral").bearer(&client.token),
    }],
};

const EXAMPLES: &[(&str, &str)] =
    &[("ephemeral_token", r#"{"user_id": "sandbox-user"}"#), ("owner_ephemeral_token", "{}")];

fn failure(status: u16) -> Answer {
    let message = match status {
        401 => return Answer::json(401, &json!({"error": ["Unauthenticated"]})),
        403 => "This action is unauthorized.",
        404 => "Not found.",
        429 => "Too Many Attempts.",
        500.. => "Server Error",
        _ => "The request was refused.",
    };
    Answer::json(status, &json!({ "message": message }))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let bearer = request.bearer().filter(|bearer| !bearer.is_empty()).ok_or_else(|| failure(401))?;
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/ephemeral") => {
            if state.was_issued(bearer) {
                return Err(Answer::json(422, &json!({"is_api_key": ["The bearer token must be an api key"]})));
            }
            let (id, email) = (request.query.value("user_id"), request.query.value("user_email"));
            if email.is_some_and(|email| !email.contains('@')) {
                let text = "The user email must be a valid email address.";
                return Err(Answer::json(422, &json!({"user_email": [text]})));
            }
            let user = id.or(email).unwrap_or("owner");
            if user.contains("missing") {
                return Err(failure(404));
            }
            let end = state.now.saturating_add(86_400);
            let token = state.jwt("HS256", &json!({"sub": user, "iat": state.now, "exp": end}));
            state.issue(&token, "ephemeral_token", Some(end), &[("user", user)]);
            Ok(Answer::json(200, &json!({ "token": token })))
        }
        ("GET", "/self") => {
            let user =
                state.active(bearer, &["ephemeral_token"]).map_err(|_| failure(401))?.attribute("user").to_owned();
            Ok(Answer::json(200, &json!({"user": {"id": user}})))
        }
        _ => Err(failure(404)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn a_token_acts_for_its_user_for_a_day() {
        let mut fake = Fake::new("stax");
        let key = [("authorization", "Bearer a.b.c")];
        let (_, answer) = fake.ask("GET /ephemeral?user_email=a%40shop.example", &key, "");
        fake.check_token_use("ephemeral_token", &answer["token"], &[], Some(86_400));
        for (call, headers, status) in [
            ("GET /ephemeral", &[][..], 401),
            ("GET /ephemeral?user_email=nobody", &key, 422),
            ("GET /ephemeral?user_id=missing", &key, 404),
            ("GET /ephemeral", &key, 200),
        ] {
            assert_eq!(fake.ask(call, headers, "").0, status, "{call}");
        }
    }
}
