//! HyperPG: client auth tokens of customers, orders and sessions.
//!
//! HyperPG is Juspay's API on other hosts. Written from Juspay's API reference and, for paths, headers
//! and bounds, from npm expresscheckout-nodejs 1.0.0.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Pairs, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[
    ("customer_client_auth_token", r#"{"customer_id": "user_1"}"#),
    (
        "order_client_auth_token",
        r#"{"customer_id": "user_1", "amount": "100.00", "currency": "INR", "order_id": "order1"}"#,
    ),
    (
        "session_sdk_payload",
        r#"{"customer_id": "user_1", "amount": "100.00", "payment_page_client_id": "shop", "order_id": "order2"}"#,
    ),
];

pub(super) static HYPERPG: FakeVendor = FakeVendor {
    name: "hyperpg",
    credentials: r#"{"username": "sandboxApiKey", "merchant_id": "sandbox"}"#,
    secrets: &["x-merchantid"],
    request_id: None,
    serve,
    failure: |status, state| failure(status, state),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "customer_client_auth_token",
            allowed: |client| {
                let path = format!("/hyperpg/cards?client_auth_token={}", client.token);
                ClientCall::new("list the customer's cards", "GET", path)
            },
            forbidden: refund,
        },
        TokenUse { grant: "order_client_auth_token", allowed: pay, forbidden: refund },
        TokenUse { grant: "session_sdk_payload", allowed: pay, forbidden: refund },
    ],
};

fn pay(client: &ClientToken) -> ClientCall {
    let card =
        [("client_auth_token", client.token.as_str()), ("payment_method_type", "CARD"), ("card_token", "made-up")];
    ClientCall::new("pay the order", "POST", "/hyperpg/txns").form(&card)
}

fn refund(client: &ClientToken) -> ClientCall {
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", client.token)));
    let call =
        ClientCall::new("refund an order", "POST", "/hyperpg/orders/order1/refunds").header("authorization", login);
    call.header("x-merchantid", "sandbox").form(&[("unique_request_id", "r1"), ("amount", "1.00")])
}

fn error(status: u16, code: &str, message: &str, state: &mut VendorState) -> Answer {
    let info = json!({"code": code, "category": "USER_ERROR", "user_message": message, "developer_message": message,
        "request_id": state.random_id("", 32), "fields": []});
    Answer::json(status, &json!({"status": "error", "error_code": code, "error_message": message, "error_info": info}))
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    let (code, message) = match status {
        401 => ("access_denied", "Invalid API key"),
        403 => ("forbidden", "The API key may not do this"),
        404 => ("not_found", "There is no such resource"),
        429 => ("too_many_requests", "Too many requests"),
        500.. => ("internal_error", "The service is not available"),
        _ => ("invalid_request", "The request was refused"),
    };
    error(status, code, message, state)
}

/// The parameter that asks for a token.
const TOKEN_OPTION: &str = "options.get_client_auth_token";

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let segments = request.segments();
    let client = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["cards"]) => Some((request.query.value("client_auth_token"), &["customer_client_auth_token"][..])),
        ("POST", ["txns"]) => {
            Some((form.value("client_auth_token"), &["order_client_auth_token", "session_sdk_payload"][..]))
        }
        _ => None,
    };
    if let Some((token, kinds)) = client {
        return match state.active(token.unwrap_or_default(), kinds) {
            Ok(issued) => Ok(Answer::json(
                200,
                &json!({"customer_id": issued.attribute("customer"), "order_id": issued.attribute("order")}),
            )),
            Err(_) => Err(failure(401, state)),
        };
    }
    let merchant = request.basic().is_some_and(|(key, _)| !key.is_empty() && !state.was_issued(&key));
    if !merchant || request.header("x-merchantid").is_none() {
        return Err(failure(401, state));
    }
    let is_form = request.content_type() == "application/x-www-form-urlencoded";
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["customers", id]) => {
            if id.contains("missing") {
                return Err(failure(404, state));
            }
            Ok(customer(id, request.query.value(TOKEN_OPTION), request, state))
        }
        ("POST", ["customers"]) if is_form => match form.value("object_reference_id").filter(|id| id.len() >= 8) {
            Some(id) => Ok(customer(id, form.value(TOKEN_OPTION), request, state)),
            None => Err(error(400, "invalid_request", "object_reference_id is missing or too short", state)),
        },
        ("POST", ["orders"]) if is_form => new_order(&form, state),
        ("POST", ["session"]) => new_session(request, state),
        ("POST", ["orders", order, "refunds"]) => {
            Ok(Answer::json(200, &json!({"order_id": order, "status": "PENDING"})))
        }
        _ => Err(failure(404, state)),
    }
}

/// Creates an order, with a token if the option is `true`.
fn new_order(form: &Pairs, state: &mut VendorState) -> Handled {
    let currency = form.value("currency").unwrap_or_default();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(error(400, "invalid_request", "currency is missing or not valid", state));
    }
    let body = form.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let (order, customer) = order(&body, 20, state)?;
    let mut made =
        json!({"id": state.random_id("ordeh_", 20), "order_id": order, "customer_id": customer, "status": "NEW"});
    if let (true, Some(made)) = (form.value(TOKEN_OPTION) == Some("true"), made.as_object_mut()) {
        let (token, expiry) = token("order_client_auth_token", &customer, &order, state);
        made.insert("juspay".to_owned(), json!({"client_auth_token": token, "client_auth_token_expiry": expiry}));
    }
    Ok(Answer::json(200, &made))
}

/// Creates an order and the payload with which the SDK opens its page.
fn new_session(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let (order, customer) = order(&body, 17, state)?;
    let (page, action) = (body.get("payment_page_client_id"), body.get("action"));
    if page.is_none_or(|it| !it.is_string()) || action.is_none_or(|it| it != "paymentPage") {
        return Err(error(400, "invalid_request", "payment_page_client_id or action is not valid", state));
    }
    let (token, expiry) = token("session_sdk_payload", &customer, &order, state);
    let payload = json!({"clientId": page, "action": action, "orderId": order, "clientAuthToken": token, "clientAuthTokenExpiry": expiry});
    let sdk = json!({"requestId": state.random_id("", 32), "service": "in.juspay.hyperpay", "payload": payload});
    let web = format!("https://sandbox.hyperpg.in/payment-page/order/{order}");
    Ok(Answer::json(
        200,
        &json!({"status": "NEW", "id": state.random_id("ordeh_", 20), "order_id": order,
        "payment_links": {"web": web, "expiry": expiry}, "sdk_payload": sdk}),
    ))
}

/// The ids of the order, of at most so many letters and digits, and of the customer.
fn order(body: &Value, max: usize, state: &mut VendorState) -> Result<(String, String), Answer> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (order, customer, amount) = (text("order_id"), text("customer_id"), text("amount"));
    let valid =
        |order: &str| (1..=max).contains(&order.len()) && order.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for (name, valid) in [
        ("order_id", valid(order)),
        ("amount", amount.parse::<f64>().is_ok_and(|amount| amount > 0.0)),
        ("customer_id", !customer.is_empty()),
    ] {
        if !valid {
            return Err(error(400, "invalid_request", &format!("{name} is missing or not valid"), state));
        }
    }
    Ok((order.to_owned(), customer.to_owned()))
}

/// A new token, and the date of its expiry.
fn token(kind: &'static str, customer: &str, order: &str, state: &mut VendorState) -> (String, String) {
    let token = state.random_id_of("tkn_", 32, HEX_DIGITS);
    let expires_at = state.now.saturating_add(900);
    state.issue(&token, kind, Some(expires_at), &[("customer", customer), ("order", order)]);
    (token, timestamp(expires_at).to_string())
}

/// A customer, with a token if the option is `true`. The token needs the version header.
fn customer(id: &str, token_option: Option<&str>, request: &Request, state: &mut VendorState) -> Answer {
    let mut made = json!({"id": state.random_id("cst_", 16), "object": "customer", "object_reference_id": id});
    let version = request.header("version").is_some_and(|version| version >= "2018-07-01");
    if let (true, Some(made)) = (token_option == Some("true") && version, made.as_object_mut()) {
        let (token, expiry) = token("customer_client_auth_token", id, "", state);
        made.insert("juspay".to_owned(), json!({"client_auth_token": token, "client_auth_token_expiry": expiry}));
    }
    Answer::json(200, &made)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::json;

    /// Basic authentication with `a:`.
    const HEADERS: [(&str, &str); 3] =
        [("authorization", "Basic YTo="), ("x-merchantid", "m"), ("version", "2018-07-01")];
    const ASK: &str = "options.get_client_auth_token=true";

    #[test]
    fn every_token_expires_after_15_minutes() {
        let session = json!({"order_id": "o2", "amount": "1.00", "customer_id": "c", "payment_page_client_id": "p", "action": "paymentPage"});
        for (call, body, grant, token) in [
            (
                format!("GET /customers/c?{ASK}"),
                String::new(),
                "customer_client_auth_token",
                "/juspay/client_auth_token",
            ),
            (
                "POST /customers".to_owned(),
                format!("object_reference_id=customer1&{ASK}"),
                "customer_client_auth_token",
                "/juspay/client_auth_token",
            ),
            (
                "POST /orders".to_owned(),
                format!("order_id=o1&amount=1.00&currency=INR&customer_id=c&{ASK}"),
                "order_client_auth_token",
                "/juspay/client_auth_token",
            ),
            (
                "POST /session".to_owned(),
                session.to_string(),
                "session_sdk_payload",
                "/sdk_payload/payload/clientAuthToken",
            ),
        ] {
            let mut fake = Fake::new("hyperpg");
            let (status, body) = fake.ask(&call, &HEADERS, &body);
            assert_eq!(status, 200, "{call}: {body}");
            fake.check_token_use(grant, body.pointer(token).unwrap(), &[], Some(900));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, call, body, status) in [
            (&HEADERS[1..], "GET /customers/c", "", 401),
            (&HEADERS[..1], "GET /customers/c", "", 401),
            (&HEADERS, "GET /customers/missing", "", 404),
            (&HEADERS, "POST /customers", "", 400),
            (&HEADERS, "POST /customers", "object_reference_id=short", 400),
            (&HEADERS, "POST /orders", "order_id=a12345678901234567890&amount=1&currency=INR&customer_id=c", 400),
            (&HEADERS, "POST /orders", "order_id=a_b&amount=1&currency=INR&customer_id=c", 400),
            (&HEADERS, "POST /orders", "order_id=a1&amount=1&currency=inr&customer_id=c", 400),
            (&HEADERS, "POST /orders", "order_id=a1&amount=1&customer_id=c", 400),
            (&HEADERS, "POST /session", "{}", 400),
        ] {
            let (got, answer) = Fake::new("hyperpg").ask(call, headers, body);
            assert_eq!((got, answer["status"].as_str()), (status, Some("error")), "{call} {body}");
        }
        let (_, old) = Fake::new("hyperpg").ask(&format!("GET /customers/c?{ASK}"), &HEADERS[..2], "");
        assert!(old["juspay"].is_null() && old["id"].is_string());
    }
}
