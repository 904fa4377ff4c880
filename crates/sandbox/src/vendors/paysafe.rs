//! Paysafe's Payments API: customers and their single-use tokens.
//!
//! Written from the vendor's plugin paysafe-checkout-woocommerce (paths, the look-up of a customer)
//! and public samples of Paysafe Checkout.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const EXAMPLES: &[(&str, &str)] =
    &[("single_use_customer_token", r#"{"customer_id": "1a2b3c4d-0000-4000-8000-000000000001"}"#)];

pub(super) static PAYSAFE: FakeVendor = FakeVendor {
    name: "paysafe",
    credentials: r#"{"username": "sandbox-user", "password": "sandboxPassword"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "single_use_customer_token",
        allowed: |client| {
            let path = format!("/paysafe/paymenthub/v1/singleusecustomertokens/{}", client.token);
            ClientCall::new("show the customer's stored cards", "GET", path)
        },
        forbidden: |client| {
            let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", client.token)));
            let call = ClientCall::new("refund a payment", "POST", "/paysafe/paymenthub/v1/settlements/1/refunds");
            call.header("authorization", login).json(&json!({"merchantRefNum": "refund1", "amount": 100}))
        },
    }],
};

fn error(status: u16, code: &str, message: &str, field: Option<(&str, &str)>) -> Answer {
    let fields: Vec<Value> = field.map(|(field, error)| json!({"field": field, "error": error})).into_iter().collect();
    Answer::json(
        status,
        &json!({"error": {"code": code, "message": message, "details": [], "fieldErrors": fields,
        "links": [{"rel": "errorinfo", "href": format!("https://developer.paysafe.com/errors/{code}")}]}}),
    )
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "5279", "The authentication credentials are invalid.", None),
        403 => error(403, "5270", "The credentials do not have permission to access the requested data.", None),
        404 => error(404, "5269", "The ID(s) specified in the URL could not be found in the system.", None),
        429 => {
            error(429, "1200", "The API call has been denied as it has exceeded the permissible call rate limit.", None)
        }
        500.. => error(status, "1000", "An internal error occurred.", None),
        _ => error(status, "5068", "The request was refused.", None),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let segments = request.segments();
    let ["paymenthub", "v1", rest @ ..] = segments.as_slice() else { return Err(failure(404)) };
    if let ("GET", ["singleusecustomertokens", token]) = (request.method.as_str(), rest) {
        let token = state.active(token, &["single_use_customer_token"]).map_err(|_| failure(404))?;
        return Ok(Answer::json(200, &json!({"customerId": token.attribute("customer"), "paymentHandles": []})));
    }
    let merchant =
        request.basic().filter(|(user, password)| !user.is_empty() && !password.is_empty() && !state.was_issued(user));
    let (user, _) = merchant.ok_or_else(|| failure(401))?;
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match (request.method.as_str(), rest) {
        ("POST", ["customers"]) => {
            if text("merchantCustomerId").is_empty() {
                return Err(invalid("merchantCustomerId"));
            }
            let own = format!("{user}\n{}", text("merchantCustomerId"));
            if state.find_token("merchantCustomerId", &own).is_some() {
                return Err(error(409, "7505", "The merchantCustomerId is taken.", None));
            }
            let id = state.random_id_of("", 32, HEX_DIGITS);
            state.issue(&id, "customer", None, &[("merchantCustomerId", &own), ("id", &id)]);
            Ok(Answer::json(
                201,
                &json!({"id": id, "status": "ACTIVE", "merchantCustomerId": text("merchantCustomerId")}),
            ))
        }
        ("GET", ["customers"]) => {
            let asked = request.query.value("merchantCustomerId").unwrap_or_default();
            let customer = state.find_token("merchantCustomerId", &format!("{user}\n{asked}"));
            let id = customer.ok_or_else(|| failure(404))?.attribute("id");
            Ok(Answer::json(200, &json!({"id": id, "status": "ACTIVE", "merchantCustomerId": asked})))
        }
        ("POST", ["customers", customer, "singleusecustomertokens"]) => single_use_token(customer, &user, &body, state),
        ("POST", ["settlements", _, "refunds"]) => Ok(Answer::json(201, &json!({"status": "PENDING"}))),
        _ => Err(failure(404)),
    }
}

fn single_use_token(customer: &str, user: &str, body: &Value, state: &mut VendorState) -> Handled {
    if customer.contains("missing") {
        return Err(failure(404));
    }
    let types = body.get("paymentTypes").and_then(Value::as_array);
    if types.is_none_or(|types| types.is_empty() || !types.iter().all(Value::is_string)) {
        return Err(invalid("paymentTypes"));
    }
    let reference = body.get("merchantRefNum").and_then(Value::as_str).unwrap_or_default();
    if reference.is_empty() || reference.chars().count() > 255 {
        return Err(invalid("merchantRefNum"));
    }
    let taken = format!("{user}\n{reference}");
    if state.was_issued(&taken) {
        return Err(error(409, "5031", "The transaction you have submitted has already been processed.", None));
    }
    state.issue(&taken, "reference", None, &[]);
    let token = state.random_id("SP", 16);
    state.issue(&token, "single_use_customer_token", Some(state.now.saturating_add(899)), &[("customer", customer)]);
    Ok(Answer::json(
        201,
        &json!({"id": state.random_id_of("", 32, HEX_DIGITS), "timeToLiveSeconds": 899,
        "status": "ACTIVE", "singleUseCustomerToken": token, "locale": "en_US", "paymentHandles": []}),
    ))
}

/// The refusal of a missing or invalid field.
fn invalid(name: &str) -> Answer {
    error(
        400,
        "5068",
        "Either you submitted a request that is missing a mandatory field or the value of a field does not match the format expected.",
        Some((name, "is missing or not valid")),
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");
    const MAKE: &str = "POST /paymenthub/v1/customers/c/singleusecustomertokens";
    const BODY: &str = r#"{"merchantRefNum": "r", "paymentTypes": ["CARD"]}"#;

    #[test]
    fn a_token_is_for_one_customer() {
        let mut fake = Fake::new("paysafe");
        let (status, body) = fake.ask(MAKE, &[PAIR], BODY);
        assert_eq!(status, 201, "{body}");
        fake.check_token_use("single_use_customer_token", &body["singleUseCustomerToken"], &[], Some(899));
        assert_eq!(fake.ask(MAKE, &[PAIR], BODY).1["error"]["code"], "5031");
        let (status, body) = fake.ask("POST /paymenthub/v1/customers", &[PAIR], r#"{"merchantCustomerId": "own"}"#);
        assert!(status == 201 && body["id"].is_string());
        let again = fake.ask("POST /paymenthub/v1/customers", &[PAIR], r#"{"merchantCustomerId": "own"}"#);
        assert_eq!((again.0, again.1["error"]["code"].as_str()), (409, Some("7505")));
        let found = fake.ask("GET /paymenthub/v1/customers?merchantCustomerId=own", &[PAIR], "");
        assert_eq!((found.0, &found.1["id"]), (200, &body["id"]));
        assert_eq!(fake.ask("GET /paymenthub/v1/customers?merchantCustomerId=other", &[PAIR], "").0, 404);
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, call, body, status, code) in [
            (&[][..], MAKE, BODY, 401, "5279"),
            (&[PAIR], MAKE, "{}", 400, "5068"),
            (&[PAIR], MAKE, r#"{"paymentTypes": ["CARD"]}"#, 400, "5068"),
            (&[PAIR], "POST /paymenthub/v1/customers/missing/singleusecustomertokens", BODY, 404, "5269"),
            (&[PAIR], "POST /paymenthub/v1/customers", "{}", 400, "5068"),
        ] {
            let (got, answer) = Fake::new("paysafe").ask(call, headers, body);
            assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)), "{call} {body}");
        }
    }
}
