//! Xendit: payment sessions.
//!
//! Written from <https://docs.xendit.co/apidocs/create-session>, and for the form of a session's key
//! from npm xendit-components-web 0.0.24, which refuses any other.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static XENDIT: FakeVendor = FakeVendor {
    name: "xendit",
    credentials: r#"{"api_key": "xnd_development_sandbox"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "components_session_save",
            allowed: |client| components("save a payment method", "save", client),
            forbidden: |client| components("pay", "pay", client),
        },
        TokenUse {
            grant: "components_session_pay",
            allowed: |client| components("pay", "pay", client),
            forbidden: refund,
        },
        TokenUse {
            grant: "payment_link_session",
            allowed: |client| {
                let code = client.token.rsplit('/').next().unwrap_or_default();
                ClientCall::new("open the page", "GET", format!("/xendit/link/{code}"))
            },
            forbidden: refund,
        },
    ],
};

/// The key with which the SDK's frames encrypt card data: a made-up one on P-384.
const PUBLIC_KEY: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE42LeNsZES0W/bzHHQRcPRsAvjw79IYZwyz45eDuRH9RFSxrJMcUMMSfZ9qA0Ul7Pp/BeptG/GBXeYcaStgcaJUwZ30LncCa6xa8cSUTx5FT95OX5+i4LTVLUn8ofGi3b";

const EXAMPLES: &[(&str, &str)] = &[
    (
        "components_session_save",
        r#"{"currency": "IDR", "country": "ID", "customer_id": "cust-1", "origins": ["https://shop.example"]}"#,
    ),
    (
        "components_session_pay",
        r#"{"amount": 10000, "currency": "IDR", "country": "ID", "customer_id": "cust-1", "origins": ["https://shop.example"]}"#,
    ),
    (
        "payment_link_session",
        r#"{"amount": 10000, "currency": "IDR", "country": "ID", "customer_id": "cust-1",
            "success_return_url": "https://shop.example/s", "cancel_return_url": "https://shop.example/c"}"#,
    ),
];

fn components(title: &'static str, action: &str, client: &ClientToken) -> ClientCall {
    ClientCall::new(title, "POST", format!("/xendit/components/{action}")).bearer(&client.token)
}

fn refund(client: &ClientToken) -> ClientCall {
    let pair = BASE64_STANDARD.encode(format!("{}:", client.token));
    let call = ClientCall::new("refund a payment", "POST", "/xendit/refunds");
    call.header("authorization", format!("Basic {pair}")).json(&json!({"amount": 100}))
}

fn error(status: u16, code: &str, message: &str, path: Option<&str>) -> Answer {
    let errors: Vec<Value> = path.iter().map(|path| json!({"path": path, "message": "is missing or wrong"})).collect();
    Answer::json(status, &json!({"error_code": code, "message": message, "errors": errors}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "INVALID_API_KEY", "API key is not authorized for this API service", None),
        403 => error(403, "REQUEST_FORBIDDEN_ERROR", "API key is forbidden to perform this request", None),
        404 => error(404, "DATA_NOT_FOUND", "Not found", None),
        429 => error(429, "RATE_LIMIT_EXCEEDED", "Too many requests", None),
        _ => error(status, "SERVER_ERROR", "Something went wrong", None),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.segments();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["components", action @ ("save" | "pay")]) => {
            let token = request.bearer().unwrap_or_default();
            let session = state.active(token, &["COMPONENTS"]).map_err(|_| failure(401))?;
            if session.attribute("type") != action.to_ascii_uppercase() {
                return Err(failure(403));
            }
            return Ok(Answer::json(200, &json!({"status": "COMPLETED"})));
        }
        ("GET", ["link", code]) => {
            state.active(code, &["PAYMENT_LINK"]).map_err(|_| failure(404))?;
            return Ok(Answer::of(200, "text/html", "<h1>Pay</h1>".to_owned()));
        }
        _ => {}
    }
    let is_key = |key: &str| ["xnd_development_", "xnd_production_"].iter().any(|prefix| key.starts_with(prefix));
    if !request.basic().is_some_and(|(key, password)| is_key(&key) && password.is_empty()) {
        return Err(failure(401));
    }
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["sessions"]) => session(request, state),
        ("POST", ["refunds"]) => Ok(Answer::json(200, &json!({"status": "PENDING"}))),
        _ => Err(failure(404)),
    }
}

fn session(request: &Request, state: &mut VendorState) -> Handled {
    let mut body = request.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mode, kind, reference) = (text("mode"), text("session_type"), text("reference_id"));
    let amount = body.get("amount").and_then(Value::as_f64);
    let origins = body.pointer("/components_configuration/origins").and_then(Value::as_array);
    let customer = !text("customer_id").is_empty() || body.pointer("/customer/reference_id").is_some();
    let url = |name: &str| text(name).contains("://");
    let checks = [
        ("reference_id", !reference.is_empty()),
        ("session_type", ["SAVE", "PAY"].contains(&kind.as_str())),
        ("mode", ["COMPONENTS", "PAYMENT_LINK"].contains(&mode.as_str())),
        ("amount", amount.is_some_and(|it| (kind == "PAY") == (it > 0.0))),
        ("currency", text("currency").len() == 3),
        ("country", text("country").len() == 2),
        ("customer", customer),
        ("components_configuration.origins", mode != "COMPONENTS" || origins.is_some_and(|it| !it.is_empty())),
        ("success_return_url", mode == "COMPONENTS" || url("success_return_url") && url("cancel_return_url")),
    ];
    if let Some((name, _)) = checks.iter().find(|(_, valid)| !valid) {
        return Err(error(400, "API_VALIDATION_ERROR", "There is invalid input", Some(name)));
    }
    if state.find_token("reference", &reference).is_some() {
        return Err(error(409, "DUPLICATE_ERROR", "The reference_id was used", None));
    }
    let (token, issued_as) = match mode.as_str() {
        "COMPONENTS" => (sdk_key(request, state), "COMPONENTS"),
        _ => (state.random_id("", 12), "PAYMENT_LINK"),
    };
    state.issue(&token, issued_as, Some(state.now + 1_800), &[("type", &kind), ("reference", &reference)]);
    let date = |seconds: i64| timestamp(seconds).to_string().replace('Z', ".387Z");
    let own = match issued_as {
        "COMPONENTS" => ("components_sdk_key", token),
        _ => ("payment_link_url", format!("https://xen.to/{token}")),
    };
    let id = state.random_id_of("ps-", 24, HEX_DIGITS);
    let (created, expires_at) = (date(state.now), date(state.now + 1_800));
    if let Some(body) = body.as_object_mut() {
        let more = [
            ("payment_session_id", id),
            ("status", "ACTIVE".to_owned()),
            ("created", created),
            ("expires_at", expires_at),
            own,
        ];
        body.extend(more.map(|(name, value)| (name.to_owned(), json!(value))));
        body.remove("components_configuration");
    }
    Ok(Answer::json(201, &body))
}

/// The id of the session, the gateway (`pd` for development, `pl` for production), the public key
/// and its signature, with hyphens between.
fn sdk_key(request: &Request, state: &mut VendorState) -> String {
    let live = request.basic().is_some_and(|(key, _)| key.starts_with("xnd_production_"));
    let (id, signature) = (state.random_id_of("", 40, HEX_DIGITS), BASE64_STANDARD.encode(state.bytes(96)));
    format!("session-{id}-{}-{PUBLIC_KEY}-{signature}", if live { "pl" } else { "pd" })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::{Value, json};

    /// Basic authentication with `xnd_development_a:`.
    const KEY: (&str, &str) = ("authorization", "Basic eG5kX2RldmVsb3BtZW50X2E6");
    const SESSIONS: &str = "POST /sessions";

    fn body(mode: &str, kind: &str, amount: u32) -> Value {
        json!({"reference_id": format!("{mode}{kind}"), "session_type": kind, "mode": mode, "amount": amount, "currency": "IDR",
            "country": "ID", "customer_id": "c", "components_configuration": {"origins": ["https://a.example"]},
            "success_return_url": "https://a.example", "cancel_return_url": "https://a.example"})
    }

    #[test]
    fn a_session_allows_its_own_calls_only() {
        let mut fake = Fake::new("xendit");
        for (mode, kind, amount, grant, token) in [
            ("COMPONENTS", "SAVE", 0, "components_session_save", "components_sdk_key"),
            ("COMPONENTS", "PAY", 9, "components_session_pay", "components_sdk_key"),
            ("PAYMENT_LINK", "PAY", 9, "payment_link_session", "payment_link_url"),
        ] {
            let (status, session) = fake.ask(SESSIONS, &[KEY], &body(mode, kind, amount).to_string());
            assert_eq!(status, 201, "{session}");
            let parts: Vec<&str> = session[token].as_str().unwrap().split('-').collect();
            assert!(mode != "COMPONENTS" || parts.len() == 5 && parts[2] == "pd", "{session}");
            fake.check_token_use(grant, &session[token], &[], Some(1_800));
            assert_eq!(fake.ask(SESSIONS, &[KEY], &body(mode, kind, amount).to_string()).0, 409);
        }
        assert_eq!(fake.ask("POST /refunds", &[KEY], "{}").0, 200);
        assert_eq!(fake.ask(SESSIONS, &[], &body("COMPONENTS", "SAVE", 0).to_string()).0, 401);
        for wrong in [body("COMPONENTS", "SAVE", 1), body("COMPONENTS", "PAY", 0), body("OTHER", "SAVE", 0), json!({})]
        {
            let (status, answer) = fake.ask(SESSIONS, &[KEY], &wrong.to_string());
            assert_eq!((status, answer["error_code"].as_str()), (400, Some("API_VALIDATION_ERROR")));
        }
    }
}
