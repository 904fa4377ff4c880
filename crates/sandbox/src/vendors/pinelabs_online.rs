//! Pine Labs Online: access tokens and checkout links.
//!
//! Written from PyPI pinelabs-python 0.2.1 (calls, members, repeated references) and the vendor's
//! pages "Generate Token" and "Generate Checkout Link" (bounds). Neither gives a lifetime of a
//! checkout token, so it does not expire here. The answer to a refund is invented.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static PINELABS_ONLINE: FakeVendor = FakeVendor {
    name: "pinelabs_online",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "checkout_token",
        allowed: |client| {
            let path = format!("/pinelabs_online/redirect/checkout?token={}", client.token);
            ClientCall::new("open the checkout", "GET", path)
        },
        forbidden: |client| {
            ClientCall::new("refund an order", "POST", "/pinelabs_online/api/pay/v1/refunds/SOMEORDER")
                .bearer(&client.token)
                .json(&json!({}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] =
    &[("checkout_token", r#"{"amount": 500, "currency": "INR"}"#), ("access_token", "{}")];

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"code": code, "message": message}))
}

fn unauthorized() -> Answer {
    Answer::json(401, &json!({"status": 401, "type": "", "message": "Unauthorized", "traceId": "sandbox"}))
}

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => Answer::json(401, &json!({"error": "invalid_client", "error_description": "Invalid client or secret"})),
        403 => error(403, "FORBIDDEN", "The merchant may not do this"),
        429 => error(429, "TOO_MANY_REQUESTS", "Too many requests"),
        500.. => error(status, "INTERNAL_ERROR", "An error occurred"),
        _ => error(status, "INVALID_REQUEST", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/api/auth/v1/token") => {
            let body = json_body(request)?;
            let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            if text("client_id").is_none() || text("client_secret").is_none() {
                return Err(failure(401, state));
            }
            if text("grant_type") != Some("client_credentials") {
                return Err(error(422, "INVALID_REQUEST", "grant_type must be client_credentials"));
            }
            let expires_at = state.now + 3_600;
            let token = state.jwt("RS256", &json!({"iat": state.now, "exp": expires_at}));
            state.issue(&token, "access_token", Some(expires_at), &[]);
            let date = format!("{:.3}", timestamp(expires_at));
            Ok(Answer::json(200, &json!({"access_token": token, "expires_at": date})))
        }
        ("POST", "/api/checkout/v1/orders") => {
            merchant(request, state)?;
            order(&json_body(request)?, state)
        }
        ("POST", path) if path.starts_with("/api/pay/v1/refunds/") => {
            merchant(request, state)?;
            Ok(Answer::json(200, &json!({"data": {"status": "PROCESSED"}})))
        }
        ("GET", "/redirect/checkout") => {
            let token = request.query.value("token").unwrap_or_default();
            state.active(token, &["checkout_token"]).map_err(|_| unauthorized())?;
            Ok(Answer::of(200, "text/html", "<title>Checkout</title>".to_owned()))
        }
        (_, "/api/auth/v1/token" | "/api/checkout/v1/orders") => Err(error(405, "METHOD_NOT_ALLOWED", "Wrong method")),
        _ => Err(error(404, "NOT_FOUND", "No such path")),
    }
}

fn json_body(request: &Request) -> Result<Value, Answer> {
    let body = request.json().filter(|body| body.is_object() && request.content_type() == "application/json");
    body.ok_or_else(|| error(422, "INVALID_REQUEST", "The body is not a JSON object"))
}

fn merchant(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.bearer().ok_or_else(unauthorized)?;
    state.active(token, &["access_token"]).map(|_| ()).map_err(|_| unauthorized())
}

fn order(body: &Value, state: &mut VendorState) -> Handled {
    let wrong = |name: &str| error(422, "INVALID_REQUEST", &format!("{name} is wrong"));
    let reference = body.get("merchant_order_reference").and_then(Value::as_str).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(1..=50).contains(&reference.len()) || !reference.bytes().all(plain) {
        return Err(wrong("merchant_order_reference"));
    }
    let amount = body.get("order_amount").cloned().unwrap_or_default();
    let value = amount.get("value").and_then(Value::as_i64).unwrap_or_default();
    if !(100..=100_000_000).contains(&value) || amount.get("currency").and_then(Value::as_str) != Some("INR") {
        return Err(wrong("order_amount"));
    }
    let modes = ["REDIRECT", "IFRAME", "SDK"];
    if body.get("integration_mode").is_some_and(|mode| !modes.iter().any(|known| mode == known)) {
        return Err(wrong("integration_mode"));
    }
    let methods = ["CARD", "UPI", "POINTS", "NETBANKING", "WALLET", "CREDIT_EMI", "DEBIT_EMI", "BNPL"];
    let asked = body.get("allowed_payment_methods").and_then(Value::as_array);
    if asked.into_iter().flatten().any(|method| !methods.iter().any(|known| method == known)) {
        return Err(wrong("allowed_payment_methods"));
    }
    // A reference that is known gives its order again.
    let known = state.find_token("reference", reference);
    let known = known.map(|known| (known.attribute("token").to_owned(), known.attribute("order").to_owned()));
    let (token, order) = known.unwrap_or_else(|| {
        let (token, order) = (state.random_id("", 64), state.random_id("v1-", 20));
        let attributes = [("reference", reference), ("token", &*token), ("order", &*order)];
        state.issue(&token, "checkout_token", None, &attributes);
        (token, order)
    });
    let url = format!("https://pluraluat.v2.pinepg.in/redirect/checkout?token={token}");
    let message = "Order Creation Successful.";
    let made = json!({"token": token, "order_id": order, "redirect_url": url, "response_code": 200, "response_message": message});
    Ok(Answer::json(200, &made))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const TOKEN: &str = "POST /api/auth/v1/token";
    const ORDERS: &str = "POST /api/checkout/v1/orders";

    #[test]
    fn a_checkout_token_opens_its_checkout_only() {
        let mut fake = Fake::new("pinelabs_online");
        let login = r#"{"client_id": "c", "client_secret": "s", "grant_type": "client_credentials"}"#;
        let (status, login) = fake.ask(TOKEN, &[], login);
        assert_eq!((status, &login["expires_at"]), (200, &"2027-01-15T09:00:00.000Z".into()));
        let bearer = format!("Bearer {}", login["access_token"].as_str().unwrap());
        let bearer = [("authorization", bearer.as_str())];
        let order = r#"{"merchant_order_reference": "r-1", "order_amount": {"value": 500, "currency": "INR"}}"#;
        let (_, made) = fake.ask(ORDERS, &bearer, order);
        let (_, again) = fake.ask(ORDERS, &bearer, order);
        assert_eq!(made, again);
        let odd = order.replace("}}", r#"}, "integration_mode": "POPUP"}"#);
        assert_eq!(fake.ask(ORDERS, &bearer, &odd).0, 422, "{odd}");
        let order = made;
        fake.check_token_use("checkout_token", &order["token"], &[], None);
        assert_eq!(fake.ask(ORDERS, &bearer, r#"{"merchant_order_reference": "r 1"}"#).0, 422);
        assert_eq!(fake.ask(ORDERS, &[], "{}").0, 401);
        assert_eq!(fake.ask(TOKEN, &[], "{}").0, 401);
        assert_eq!(fake.ask("GET /api/auth/v1/token", &[], "").0, 405);
    }
}
