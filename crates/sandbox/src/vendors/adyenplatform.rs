//! Adyen for Platforms: sessions of the authentication service.
//!
//! Written from the vendor's OpenAPI document v1 and the types of the npm package
//! `@adyen/api-library` 32.1.0. Both call the token a JWT or a text; its hour is invented.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[(
    "session",
    r#"{"allowOrigin": "https://shop.example", "product": "onboarding", "policy": {"resources":
        [{"type": "legalEntity", "legalEntityId": "LE00001"}], "roles": ["manageTransferInstrumentComponent"]}}"#,
)];

pub(super) static ADYENPLATFORM: FakeVendor = FakeVendor {
    name: "adyenplatform",
    credentials: r#"{"api_key": "AQEsandboxPlatform"}"#,
    secrets: &["x-api-key"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "session",
        allowed: |client| {
            let call =
                ClientCall::new("open an onboarding component", "GET", "/adyenplatform/components/v1/legalEntity");
            call.bearer(&client.token).header("origin", "https://shop.example")
        },
        forbidden: |client| {
            let body =
                json!({"amount": {"currency": "EUR", "value": 100}, "balanceAccountId": "BA00001", "category": "bank"});
            let call = ClientCall::new("pay out a balance", "POST", "/adyenplatform/btl/v4/transfers");
            call.header("x-api-key", &client.token).json(&body)
        },
    }],
};

fn problem(status: u16, title: &str, detail: &str, field: Option<&str>, state: &mut VendorState) -> Answer {
    let slug = title.to_ascii_lowercase().replace(' ', "-");
    let fields: Vec<Value> =
        field.map(|name| json!({"name": name, "message": "is missing or not valid"})).into_iter().collect();
    Answer::json(
        status,
        &json!({"type": format!("https://docs.adyen.com/errors/{slug}"), "errorCode": format!("00_{status}"),
        "title": title, "detail": detail, "requestId": state.random_id("", 16), "status": status, "invalidFields": fields}),
    )
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    let (title, detail) = match status {
        401 => ("Unauthorized", "The API key is not valid"),
        403 => ("Forbidden", "Not the required role"),
        429 => ("Too many requests", "Try again later"),
        500.. => ("Internal server error", "The service is not available"),
        _ => ("Bad request", "The request was refused"),
    };
    problem(status, title, detail, None, state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let key = request.header("x-api-key").is_some_and(|key| !state.was_issued(key));
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/authe/api/v1/sessions") if key => session(request, state),
        ("POST", "/btl/v4/transfers") if key => {
            Ok(Answer::json(202, &json!({"id": state.random_id("", 16), "status": "received"})))
        }
        ("POST", "/authe/api/v1/sessions" | "/btl/v4/transfers") => Err(failure(401, state)),
        ("GET", "/components/v1/legalEntity") => {
            let (token, origin) = (request.bearer().unwrap_or_default(), request.header("origin").unwrap_or_default());
            match state.active(token, &["session"]) {
                Ok(session) if session.attribute("origin") == origin => {
                    Ok(Answer::json(200, &json!({"id": session.attribute("resource")})))
                }
                Ok(_) => Err(failure(403, state)),
                Err(_) => Err(failure(401, state)),
            }
        }
        _ => Err(problem(404, "Not found", "There is no such resource", None, state)),
    }
}

fn session(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let origin = body.get("allowOrigin").and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| body.pointer(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (resources, roles) = (list("/policy/resources"), list("/policy/roles"));
    // Each type of resource has its id in a member of the same name.
    let id =
        |resource: &Value| resource.get(format!("{}Id", resource.get("type")?.as_str()?))?.as_str().map(str::to_owned);
    let ids: Vec<String> = resources.iter().filter_map(id).collect();
    let product = body.get("product").and_then(Value::as_str).unwrap_or_default();
    let known = |name: &String| ["allowOrigin", "product", "policy"].contains(&name.as_str());
    let checks = [
        ("body", body.as_object().is_some_and(|body| body.keys().all(known))),
        ("allowOrigin", origin.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'))),
        ("product", ["onboarding", "platform", "bank"].contains(&product)),
        ("policy.resources", !ids.is_empty() && ids.len() == resources.len()),
        ("policy.roles", !roles.is_empty() && roles.iter().all(Value::is_string)),
    ];
    if let Some((name, _)) = checks.iter().find(|(_, valid)| !valid) {
        return Err(problem(400, "Bad request", "The request is not valid", Some(name), state));
    }
    let resource = ids.join(" ");
    if resource.contains("missing") {
        return Err(failure(403, state));
    }
    let expires_at = state.now.saturating_add(3_600);
    let token = state.jwt("RS256", &json!({"exp": expires_at, "iat": state.now, "origin": origin}));
    state.issue(&token, "session", Some(expires_at), &[("origin", origin), ("resource", &resource)]);
    Ok(Answer::json(200, &json!({"id": state.random_id_of("", 32, HEX_DIGITS), "token": token})))
}

#[cfg(test)]
mod tests {
    use super::EXAMPLES;
    use crate::testing::Fake;
    use serde_json::{Value, json};

    const KEY: (&str, &str) = ("x-api-key", "AQEmadeup");
    const MAKE: &str = "POST /authe/api/v1/sessions";

    #[test]
    fn a_session_is_for_one_page() {
        let mut fake = Fake::new("adyenplatform");
        let (status, body) = fake.ask(MAKE, &[KEY], EXAMPLES[0].1);
        assert_eq!(status, 200, "{body}");
        fake.check_token_use("session", &body["token"], &[], Some(3_600));
        let bearer = format!("Bearer {}", body["token"].as_str().unwrap());
        let elsewhere = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
        assert_eq!(fake.ask("GET /components/v1/legalEntity", &elsewhere, "").0, 403);
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, name, value, status) in [
            (&[][..], "product", json!("bank"), 401),
            (&[KEY], "product", json!("checkout"), 400),
            (&[KEY], "allowOrigin", json!("https://shop.example/page"), 400),
            (&[KEY], "policy", json!({"resources": [{"type": "legalEntity"}], "roles": ["r"]}), 400),
            (&[KEY], "colour", json!("red"), 400),
            (
                &[KEY],
                "policy",
                json!({"resources": [{"type": "accountHolder", "accountHolderId": "missing"}], "roles": ["r"]}),
                403,
            ),
        ] {
            let mut body: Value = serde_json::from_str(EXAMPLES[0].1).unwrap();
            body[name] = value;
            let (got, answer) = Fake::new("adyenplatform").ask(MAKE, headers, &body.to_string());
            assert_eq!((got, &answer["errorCode"]), (status, &json!(format!("00_{status}"))), "{body}");
        }
    }
}
