//! Access Worldpay: 3DS device data and hosted payment pages.
//!
//! Written from the vendor's OpenAPI files of 3DS v3 and hosted payment pages v1, and from its page
//! on formats (characters of a reference, length of the narrative, used references).

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static WORLDPAY: FakeVendor = FakeVendor {
    name: "worldpay",
    credentials: r#"{"username": "sandbox-user", "password": "sandbox-password", "entity_id": "default"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "device_data_jwt",
            allowed: |client| {
                let path = "/worldpay/shopper/3ds/ddc";
                ClientCall::new("collect the device's data", "POST", path).form(&[("JWT", &client.token)])
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "payment_page",
            allowed: |client| {
                let key = client.token.split("OrderKey=").nth(1).unwrap_or_default();
                let path = format!("/worldpay/app/hpp/integration/wpg/corporate?OrderKey={key}");
                ClientCall::new("open the page", "GET", path)
            },
            forbidden: refund,
        },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("device_data_jwt", "{}"),
    ("payment_page", r#"{"value": {"amount": 1000, "currency": "GBP"}, "narrative": {"line1": "Sandbox"}}"#),
];

const DEVICE_DATA: &str = "application/vnd.worldpay.verifications.customers-v3.hal+json";
const PAYMENT_PAGES: &str = "application/vnd.worldpay.payment_pages-v1.hal+json";

fn refund(client: &ClientToken) -> ClientCall {
    let path = "/worldpay/payments/settlements/refunds/full/SOMEPAYMENT";
    ClientCall::new("refund a payment", "POST", path).bearer(&client.token).json(&json!({}))
}

fn error(status: u16, name: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"errorName": name, "message": message}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "accessDenied", "Access to the requested resource has been denied"),
        403 => error(403, "accessDenied", "Access to the requested resource has been denied"),
        429 => error(429, "tooManyRequests", "Too many requests"),
        500 => error(500, "internalErrorOccurred", "Internal server error"),
        501.. => error(status, "serviceUnavailable", "The service is not available"),
        _ => error(status, "invalidRequest", "The request was refused"),
    }
}

fn schema(kind: &str, place: &str) -> Answer {
    let details = json!([{"errorName": kind, "jsonPath": place, "message": format!("{place} is not as it must be")}]);
    let message = "The json body provided does not match the expected schema";
    Answer::json(400, &json!({"errorName": "bodyDoesNotMatchSchema", "message": message, "validationErrors": details}))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["verifications", "customers", "3ds", "deviceDataInitialization"]) => {
            let body = read(request, DEVICE_DATA, &["paymentInstrument"])?;
            let end = state.now.saturating_add(7200);
            let jwt = state.jwt("HS256", &json!({"iat": state.now, "exp": end}));
            state.issue(&jwt, "device_data_jwt", Some(end), &[]);
            let mut collection = json!({"jwt": jwt, "url": "https://secure-test.worldpay.com/shopper/3ds/ddc.html"});
            if let (Value::Object(members), Some(_)) = (&mut collection, body.get("paymentInstrument")) {
                members.insert("bin".to_owned(), json!("444433"));
            }
            let reference = body.get("transactionReference");
            Ok(Answer::json(
                200,
                &json!({"outcome": "initialized", "transactionReference": reference, "deviceDataCollection": collection}),
            ))
        }
        ("POST", ["payment_pages"]) => payment_page(request, state),
        ("POST", ["shopper", "3ds", "ddc"]) => {
            let form = request.form();
            state.active(form.value("JWT").unwrap_or_default(), &["device_data_jwt"]).map_err(|_| failure(401))?;
            Ok(Answer::json(200, &json!({"MessageType": "profile.completed", "Status": true})))
        }
        ("GET", ["app", "hpp", "integration", "wpg", "corporate"]) => {
            let url = url(request.query.value("OrderKey").unwrap_or_default());
            state.active(&url, &["payment_page"]).map_err(|_| failure(404))?;
            Ok(Answer::of(200, "text/html", "<!doctype html><title>Pay</title>".to_owned()))
        }
        ("POST", ["payments", "settlements", "refunds", ..]) => {
            merchant(request)?;
            Ok(Answer::json(202, &json!({"outcome": "sentForRefund"})))
        }
        _ => Err(error(404, "endpointNotFound", "The endpoint does not exist")),
    }
}

fn url(key: &str) -> String {
    format!("https://payments.worldpay.com/app/hpp/integration/wpg/corporate?OrderKey={key}")
}

fn merchant(request: &Request) -> Result<(), Answer> {
    let pair = request.basic().filter(|(user, password)| !user.is_empty() && !password.is_empty());
    pair.map(|_| ()).ok_or_else(|| failure(401))
}

/// Checks of both calls: the credentials, the media type and the shared members. Unknown members
/// are refused.
fn read(request: &Request, media: &str, others: &[&str]) -> Result<Value, Answer> {
    merchant(request)?;
    for name in ["content-type", "accept"] {
        if request.header(name) != Some(media) {
            return Err(error(400, "headerHasInvalidValue", &format!("The header {name} has an invalid value")));
        }
    }
    let body = request.json().ok_or_else(|| error(400, "bodyIsNotJson", "The body is not JSON"))?;
    let strange = |name: &&String| {
        !["transactionReference", "merchant"].contains(&name.as_str()) && !others.contains(&name.as_str())
    };
    if let Some(name) = body.as_object().and_then(|members| members.keys().find(strange)) {
        return Err(schema("unknownField", &format!("$.{name}")));
    }
    let length = body.get("transactionReference").and_then(Value::as_str).map_or(0, |text| text.chars().count());
    if !(1..=64).contains(&length) {
        return Err(schema("stringIsTooShort", "$.transactionReference"));
    }
    let strange = |c: char| !c.is_ascii_alphanumeric() && !"-_/!@#$%()*=.:;?[]{}~+".contains(c);
    if body.get("transactionReference").and_then(Value::as_str).is_some_and(|text| text.contains(strange)) {
        return Err(schema("fieldHasInvalidValue", "$.transactionReference"));
    }
    let entity = body.pointer("/merchant/entity").and_then(Value::as_str).unwrap_or_default();
    if entity.is_empty() { Err(schema("fieldIsMissing", "$.merchant.entity")) } else { Ok(body) }
}

fn payment_page(request: &Request, state: &mut VendorState) -> Handled {
    let others =
        "narrative value description expiry resultURLs locale createToken threeDS billingAddress hostedProperties";
    let body = read(request, PAYMENT_PAGES, &others.split(' ').collect::<Vec<_>>())?;
    let id = request.header("wp-correlationid").unwrap_or_default();
    if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err(error(400, "headerHasInvalidValue", "The header WP-CorrelationId has an invalid value"));
    }
    let text = |place: &str| body.pointer(place).and_then(Value::as_str).unwrap_or_default();
    if body.pointer("/value/amount").and_then(Value::as_i64).is_none_or(|amount| amount < 1)
        || text("/value/currency").len() != 3
        || !(1..=24).contains(&text("/narrative/line1").chars().count())
    {
        return Err(error(400, "invalidRequest", "value and narrative must be complete"));
    }
    let expiry = body.get("expiry").map_or(Some(3600), Value::as_i64).filter(|it| (300..=2_592_000).contains(it));
    let expiry = expiry.ok_or_else(|| error(400, "invalidRequest", "expiry must be from 300 to 2592000"))?;
    // The test host refuses a reference that a payment had before.
    let used = format!("reference {}", text("/transactionReference"));
    if state.was_issued(&used) {
        return Err(error(400, "invalidRequest", "transactionReference must be unique"));
    }
    state.issue(&used, "reference", None, &[]);
    let url = url(&state.random_id("", 32));
    state.issue(&url, "payment_page", Some(state.now.saturating_add(expiry)), &[]);
    Ok(Answer::json(200, &json!({ "url": url })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");

    #[test]
    fn a_jwt_collects_and_a_page_opens() {
        let mut fake = Fake::new("worldpay");
        let ddc = "POST /verifications/customers/3ds/deviceDataInitialization";
        let body = r#"{"transactionReference": "r", "merchant": {"entity": "default"}}"#;
        let media = [PAIR, ("content-type", DEVICE_DATA), ("accept", DEVICE_DATA)];
        let (_, answer) = fake.ask(ddc, &media, body);
        fake.check_token_use("device_data_jwt", &answer["deviceDataCollection"]["jwt"], &[], Some(7200));
        let page = body.replace(
            "}}",
            r#"}, "value": {"amount": 1, "currency": "GBP"}, "narrative": {"line1": "x"}, "expiry": 300}"#,
        );
        let media = [PAIR, ("content-type", PAYMENT_PAGES), ("accept", PAYMENT_PAGES), ("wp-correlationid", "c-1")];
        let (_, answer) = fake.ask("POST /payment_pages", &media, &page);
        fake.check_token_use("payment_page", &answer["url"], &[], Some(300));
        for faulty in
            [body, &page, &page.replace(r#""r""#, r#""s""#).replace(r#""x""#, r#""0123456789012345678901234""#)]
        {
            let (status, answer) = fake.ask("POST /payment_pages", &media, faulty);
            assert_eq!((status, &answer["errorName"]), (400, &"invalidRequest".into()));
        }
        let (status, answer) = fake.ask("POST /payment_pages", &media, &page.replace(r#""r""#, r#""a&b""#));
        assert_eq!((status, &answer["errorName"]), (400, &"bodyDoesNotMatchSchema".into()));
    }

    #[test]
    fn refuses_faulty_requests() {
        let ddc = "POST /verifications/customers/3ds/deviceDataInitialization";
        for (headers, body, status, name) in [
            (&[][..], "{}", 401, "accessDenied"),
            (&[PAIR], "{}", 400, "headerHasInvalidValue"),
            (&[PAIR, ("content-type", DEVICE_DATA), ("accept", DEVICE_DATA)], "{}", 400, "bodyDoesNotMatchSchema"),
            (
                &[PAIR, ("content-type", DEVICE_DATA), ("accept", DEVICE_DATA)],
                r#"{"a": 1}"#,
                400,
                "bodyDoesNotMatchSchema",
            ),
        ] {
            let (got, answer) = Fake::new("worldpay").ask(ddc, headers, body);
            assert_eq!((got, &answer["errorName"]), (status, &name.into()));
        }
    }
}
