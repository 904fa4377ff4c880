//! Airwallex: login tokens, and the client secrets of customers and payment intents.
//!
//! Written from the paths and types of the vendor's client @airwallex/node-sdk 2.1.0-beta.5, and its
//! Android SDK. The lifetime of a customer's secret is not published: one hour is invented.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

pub(super) static AIRWALLEX: FakeVendor = FakeVendor {
    name: "airwallex",
    credentials: r#"{"api_key": "sandbox-api-key", "client_id": "sandbox-client"}"#,
    secrets: &["x-api-key", "x-client-id"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "customer_client_secret",
            allowed: |client| consents(client, client.starting("cus_")),
            forbidden: |client| consents(client, "cus_somebodyelse"),
        },
        TokenUse {
            grant: "payment_intent_client_secret",
            allowed: |client| {
                let path = format!("/airwallex/api/v1/pa/payment_intents/{}/confirm", client.starting("int_"));
                let card = json!({"request_id": "r1", "payment_method": {"type": "card"}});
                ClientCall::new("confirm the payment", "POST", path).header("client-secret", &client.token).json(&card)
            },
            forbidden: |client| {
                ClientCall::new("refund the payment", "POST", "/airwallex/api/v1/pa/refunds/create")
                    .bearer(&client.token)
                    .json(&json!({"payment_intent_id": client.starting("int_")}))
            },
        },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("customer_client_secret", r#"{"customer_id": "cus_0001"}"#),
    ("payment_intent_client_secret", r#"{"amount": "10.50", "currency": "EUR"}"#),
    ("access_token", "{}"),
];

fn consents(client: &ClientToken, customer: &str) -> ClientCall {
    let path = format!("/airwallex/api/v1/pa/payment_consents?customer_id={customer}");
    ClientCall::new("list a customer's consents", "GET", path).header("client-secret", &client.token)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"code": code, "message": message, "trace_id": "sandbox", "details": {}}))
}

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => unauthorized(),
        403 => error(403, "forbidden", "The key lacks a permission"),
        429 => error(429, "too_many_requests", "Too many requests"),
        500.. => error(status, "service_unavailable", "The service is out of order"),
        _ => error(status, "validation_error", "The request was refused"),
    }
}

fn unauthorized() -> Answer {
    error(401, "unauthorized", "Access denied, authentication failed")
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let Some(path) = request.path.strip_prefix("/api/v1/") else { return Err(missing()) };
    if request.header("x-api-version").is_some_and(|version| version.parse::<jiff::civil::Date>().is_err()) {
        return Err(error(400, "validation_error", "x-api-version is not a version"));
    }
    match (request.method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
        ("POST", ["authentication", "login"]) => {
            request.header("x-client-id").and(request.header("x-api-key")).ok_or_else(unauthorized)?;
            let token = state.jwt("HS256", &json!({"iat": state.now, "exp": state.now + 1_800, "type": "client"}));
            state.issue(&token, "access_token", Some(state.now + 1_800), &[]);
            Ok(Answer::json(201, &json!({"token": token, "expires_at": date(state.now + 1_800)})))
        }
        ("GET", ["pa", "customers", customer, "generate_client_secret"]) => {
            login(request, state)?;
            if !customer.starts_with("cus_") {
                return Err(error(404, "resource_not_found", "The customer does not exist"));
            }
            let claims =
                json!({"iat": state.now, "exp": state.now + 3_600, "type": "client-secret", "customer_id": customer});
            let secret = state.jwt("HS256", &claims);
            state.issue(&secret, "customer", Some(state.now + 3_600), &[("id", customer)]);
            Ok(Answer::json(200, &json!({"client_secret": secret, "expired_time": date(state.now + 3_600)})))
        }
        ("POST", ["pa", "payment_intents", "create"]) => {
            login(request, state)?;
            let body = request.json().unwrap_or_default();
            // The same request id gives the first answer again.
            let key = body.get("request_id").and_then(Value::as_str).map(str::to_owned);
            let make = |state: &mut VendorState| intent(&body, state).unwrap_or_else(|refusal| refusal);
            match state.idempotent(key, 86_400, request, make) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => Err(error(400, "duplicate_request", "The request_id was used before")),
            }
        }
        ("GET", ["pa", "payment_consents"]) => {
            client(request, "customer", request.query.value("customer_id").unwrap_or_default(), state)?;
            Ok(Answer::json(200, &json!({"has_more": false, "items": []})))
        }
        ("POST", ["pa", "payment_intents", id, "confirm"]) => {
            client(request, "intent", id, state)?;
            Ok(Answer::json(200, &json!({"id": id, "status": "SUCCEEDED"})))
        }
        ("POST", ["pa", "refunds", "create"]) => {
            login(request, state)?;
            Ok(Answer::json(201, &json!({"id": state.random_id("rfd_", 20), "status": "RECEIVED"})))
        }
        _ => Err(missing()),
    }
}

fn missing() -> Answer {
    error(404, "not_found", "The path does not exist")
}

fn login(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.bearer().ok_or_else(unauthorized)?;
    state.active(token, &["access_token"]).map(|_| ()).map_err(|_| unauthorized())
}

/// Checks the client secret of one object.
fn client(request: &Request, kind: &'static str, id: &str, state: &mut VendorState) -> Result<(), Answer> {
    let secret = request.header("client-secret").unwrap_or_default();
    let issued = state.active(secret, &[kind]).map_err(|_| unauthorized())?;
    if issued.attribute("id") == id { Ok(()) } else { Err(error(403, "forbidden", "The secret is for another object")) }
}

/// The members of a payment intent that is created.
const INTENT: &str = "additional_info amount connected_account_id currency customer customer_id descriptor \
    device_data external_recurring_data funds_split_data merchant_order_id metadata order payment_consent payment_method \
    payment_method_options request_id return_url risk_control_options";

fn intent(body: &Value, state: &mut VendorState) -> Handled {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let known = |name: &String| INTENT.split_whitespace().any(|known| known == name);
    let unknown = body.as_object().into_iter().flat_map(|members| members.keys()).find(|name| !known(name));
    let wrong = |name: &str| {
        let body = json!({"code": "validation_error", "message": format!("{name} is wrong"), "source": name});
        Answer::json(400, &body)
    };
    if let Some(name) = unknown {
        return Err(wrong(name));
    }
    body.get("amount").and_then(Value::as_f64).filter(|amount| *amount > 0.0).ok_or_else(|| wrong("amount"))?;
    text("currency").filter(|currency| currency.len() == 3).ok_or_else(|| wrong("currency"))?;
    text("merchant_order_id").ok_or_else(|| wrong("merchant_order_id"))?;
    text("request_id").filter(|id| id.len() == 36).ok_or_else(|| wrong("request_id"))?;
    let id = state.random_id("int_", 26);
    let secret = state
        .jwt("HS256", &json!({"iat": state.now, "exp": state.now + 3_600, "type": "client-secret", "intent_id": id}));
    state.issue(&secret, "intent", Some(state.now + 3_600), &[("id", &id)]);
    Ok(Answer::json(201, &json!({"id": id, "status": "REQUIRES_PAYMENT_METHOD", "client_secret": secret})))
}

/// A time whose offset has no colon, as Airwallex writes it.
fn date(seconds: i64) -> String {
    timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEYS: [(&str, &str); 2] = [("x-client-id", "c"), ("x-api-key", "k")];

    #[test]
    fn each_secret_is_for_its_own_object() {
        let mut fake = Fake::new("airwallex");
        let (status, login) = fake.ask("POST /api/v1/authentication/login", &KEYS, "{}");
        assert_eq!((status, &login["expires_at"]), (201, &"2027-01-15T08:30:00+0000".into()));
        let bearer = format!("Bearer {}", login["token"].as_str().unwrap());
        let bearer = [("authorization", bearer.as_str())];
        let (_, made) = fake.ask("GET /api/v1/pa/customers/cus_1/generate_client_secret", &bearer, "");
        fake.check_token_use("customer_client_secret", &made["client_secret"], &["cus_1"], Some(3_600));
        let mut fake = Fake::new("airwallex");
        let (_, login) = fake.ask("POST /api/v1/authentication/login", &KEYS, "{}");
        let bearer = format!("Bearer {}", login["token"].as_str().unwrap());
        let bearer = [("authorization", bearer.as_str())];
        let body = r#"{"amount": 1.5, "currency": "EUR", "merchant_order_id": "o", "request_id": "00000000-0000-4000-8000-000000000001"}"#;
        let (status, made) = fake.ask("POST /api/v1/pa/payment_intents/create", &bearer, body);
        assert_eq!(status, 201);
        fake.check_token_use(
            "payment_intent_client_secret",
            &made["client_secret"],
            &[made["id"].as_str().unwrap()],
            Some(3_600),
        );
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("airwallex");
        assert_eq!(fake.ask("POST /api/v1/authentication/login", &KEYS[..1], "{}").0, 401);
        assert_eq!(fake.ask("GET /api/v1/pa/customers/cus_1/generate_client_secret", &KEYS, "").0, 401);
        assert_eq!(fake.ask("POST /authentication/login", &KEYS, "{}").0, 404);
        let headers = [KEYS[0], KEYS[1], ("x-api-version", "newest")];
        assert_eq!(fake.ask("POST /api/v1/authentication/login", &headers, "{}").0, 400);
    }
}
