//! Volt: access tokens, and embedded payments.
//!
//! Written from the vendor's pages on authentication (`docs.volt.io/docs/first_payment/authenticate`)
//! and on the embedded checkout (`docs-new.volt.io`, `post-dropin-payment`). The token of a payment
//! and its use by the vendor's script are not published: both are invented.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static VOLT: FakeVendor = FakeVendor {
    name: "volt",
    credentials: r#"{"username": "sandbox-user", "password": "sandbox-password", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &["username", "password", "client_id", "client_secret"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "embedded_payment",
        allowed: |client| {
            let path = format!("/volt/dropin/{}/authorize", client.starting("pay-"));
            ClientCall::new("authorise the payment", "POST", path).bearer(&client.token).json(&json!({"bank": "b"}))
        },
        forbidden: |client| {
            let path = format!("/volt/payments/{}/request-refund", client.starting("pay-"));
            ClientCall::new("refund the payment", "POST", path).bearer(&client.token).json(&json!({"amount": 1}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[
    (
        "embedded_payment",
        r#"{"amount": 12345, "currency": "GBP", "type": "OTHER", "shopper": {"reference": "shopper1", "email": "a@shopper.example"}}"#,
    ),
    ("access_token", "{}"),
];

fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"code": status, "message": message}))
}

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => error(401, "Invalid credentials."),
        403 => error(403, "Access denied."),
        429 => error(429, "Too many requests."),
        500.. => error(status, "Internal error."),
        _ => error(status, "The request was refused."),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["oauth"]) => {
            // The gateway takes JSON; its predecessor took a form.
            let (form, json) = (request.form(), request.json());
            let member = |name: &str| match request.content_type() {
                "application/json" => json.as_ref()?.get(name)?.as_str().map(str::to_owned),
                _ => form.value(name).map(str::to_owned),
            };
            if member("grant_type").as_deref() != Some("password") {
                return Err(error(400, "The grant type is not supported."));
            }
            let names = ["client_id", "client_secret", "username", "password"];
            if names.iter().any(|name| member(name).is_none_or(|value| value.is_empty())) {
                return Err(failure(401, state));
            }
            // The gateway gives a day, its predecessor an hour.
            let lifetime = if request.content_type() == "application/json" { 86_400 } else { 3_600 };
            let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + lifetime}));
            state.issue(&token, "access_token", Some(state.now + lifetime), &[]);
            let refresh = state.random_id("def502", 200);
            Ok(Answer::json(
                200,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "refresh_token": refresh}),
            ))
        }
        ("POST", ["dropin"]) => {
            holder(request, "access_token", "", state)?;
            payment(&request.json().unwrap_or_default(), state)
        }
        ("POST", ["dropin", id, "authorize"]) => {
            holder(request, "payment", id, state)?;
            Ok(Answer::json(200, &json!({"id": id, "status": "DELAYED_AT_BANK"})))
        }
        ("POST", ["payments", id, "request-refund"]) => {
            holder(request, "access_token", "", state)?;
            Ok(Answer::json(201, &json!({"id": id, "status": "REFUND_REQUESTED"})))
        }
        _ => Err(error(404, "Not found.")),
    }
}

fn holder(request: &Request, kind: &'static str, id: &str, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.bearer().unwrap_or_default();
    let issued = state.active(token, &[kind]).map_err(|_| error(401, "The token is not valid."))?;
    if issued.attribute("id") == id { Ok(()) } else { Err(error(403, "Access denied.")) }
}

fn payment(body: &Value, state: &mut VendorState) -> Handled {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let types = ["BILL", "GOODS", "PERSON_TO_PERSON", "SERVICES", "OTHER"];
    let reference = text("uniqueReference");
    let valid = [
        ("amount", body.get("amount").and_then(Value::as_i64).is_some_and(|amount| amount > 0)),
        (
            "currencyCode",
            text("currencyCode").len() == 3 && text("currencyCode").bytes().all(|it| it.is_ascii_uppercase()),
        ),
        ("type", types.contains(&text("type"))),
        ("uniqueReference", reference.len() <= 18 && reference.bytes().all(|it| it.is_ascii_alphanumeric())),
        ("shopper", body.get("shopper").is_some_and(Value::is_object)),
    ];
    if let Some((name, _)) = valid.iter().find(|(_, valid)| !valid) {
        let errors = json!([{"type": "constraint", "propertyPath": name, "message": "This value is not valid."}]);
        return Err(Answer::json(400, &json!({"code": "1000", "message": "Validation failed.", "errors": errors})));
    }
    let (id, token) = (state.random_id("pay-", 32), state.random_id("", 64));
    state.issue(&token, "payment", None, &[("id", &id)]);
    Ok(Answer::json(201, &json!({"id": id, "token": token})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const LOGIN: &str = "grant_type=password&client_id=c&client_secret=s&username=u&password=p";

    #[test]
    fn a_payments_token_is_for_that_payment() {
        let mut fake = Fake::new("volt");
        let (status, login) = fake.ask("POST /oauth", &[], LOGIN);
        assert_eq!(status, 200);
        let bearer = format!("Bearer {}", login["access_token"].as_str().unwrap());
        let bearer = [("authorization", bearer.as_str())];
        let body = r#"{"amount": 1, "currencyCode": "GBP", "type": "OTHER", "uniqueReference": "r1", "shopper": {}}"#;
        let (_, made) = fake.ask("POST /dropin", &bearer, body);
        fake.check_token_use("embedded_payment", &made["token"], &[made["id"].as_str().unwrap()], None);
        let (status, refusal) = fake.ask("POST /dropin", &bearer, &body.replace("r1", "r_1"));
        assert_eq!((status, &refusal["errors"][0]["propertyPath"]), (400, &"uniqueReference".into()));
        assert_eq!(fake.ask("POST /dropin", &[], body).0, 401);
        assert_eq!(fake.ask("POST /oauth", &[], &LOGIN.replace("password=p", "")).0, 401);
        assert_eq!(fake.ask("POST /oauth", &[], r#"{"grant_type": "password"}"#).0, 401);
    }
}
