//! Nexi `XPay`: orders with hosted pages and with fields.
//!
//! Written from the `OpenAPI` document 0.7 of the Build API, the vendor's shop plugin (ids of 18
//! characters, a language in each session) and
//! <https://developer.nexigroup.com/xpaycee/en-EU/docs/hosted-payment-page>.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

pub(super) static NEXIXPAY: FakeVendor = FakeVendor {
    name: "nexixpay",
    credentials: r#"{"api_key": "00000000-0000-4000-8000-000000000000"}"#,
    secrets: &["x-api-key"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse { grant: "hpp_verify", allowed: page, forbidden: refund },
        TokenUse { grant: "hpp", allowed: page, forbidden: refund },
        TokenUse {
            grant: "build",
            allowed: |client| {
                let path = format!("/nexixpay/fe/field.html?id=SECURITY_CODE&sid={}", client.token);
                ClientCall::new("load a field", "GET", path)
            },
            forbidden: refund,
        },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("hpp_verify", r#"{"currency": "EUR", "return_url": "https://shop.example/r"}"#),
    ("hpp", r#"{"amount": 1000, "currency": "EUR", "return_url": "https://shop.example/r"}"#),
    (
        "build",
        r#"{"amount": 1000, "currency": "EUR", "return_url": "https://shop.example/r", "merchant_url": "https://shop.example"}"#,
    ),
];

/// The last segment of a hosted page's address, or the session id.
fn id(client: &ClientToken) -> &str {
    client.token.rsplit('/').next().unwrap_or_default()
}

fn page(client: &ClientToken) -> ClientCall {
    ClientCall::new("open the hosted page", "GET", format!("/nexixpay/monetaweb/page/hosted/{}", id(client)))
}

fn refund(client: &ClientToken) -> ClientCall {
    let path = "/nexixpay/api/phoenix-0.0/psp/api/v1/operations/op1/refunds";
    let call = ClientCall::new("refund a payment", "POST", path).header("x-api-key", id(client));
    call.header("correlation-id", "11111111-2222-4333-8444-555555555555").json(&json!({"amount": "100"}))
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"code": code, "description": description}]}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => Answer::text(401, ""),
        403 => error(403, "GW0403", "The key may not do this"),
        404 => error(404, "GW0404", "Not found"),
        429 => error(429, "GW0429", "Too many requests"),
        _ => error(status, "GW0500", "Internal server error"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["monetaweb", "page", "hosted", id]) => shopper("hpp", id, state),
        ("GET", ["fe", "field.html"]) => shopper("build", request.query.value("sid").unwrap_or_default(), state),
        ("POST", ["api", "phoenix-0.0", "psp", "api", "v1", path @ ..]) => {
            request.header("x-api-key").filter(|key| !state.was_issued(key)).ok_or_else(|| failure(401))?;
            let groups = request.header("correlation-id").unwrap_or_default().split('-');
            if groups.map(str::len).ne([8, 4, 4, 4, 12]) {
                return Err(error(400, "GW0002", "Correlation-Id must be a UUID"));
            }
            match path {
                ["orders", "hpp"] => order("hpp", request, state),
                ["orders", "build"] => order("build", request, state),
                ["operations", id, "refunds"] => Ok(Answer::json(200, &json!({"operationId": id}))),
                _ => Err(failure(404)),
            }
        }
        _ => Err(failure(404)),
    }
}

fn shopper(kind: &'static str, id: &str, state: &mut VendorState) -> Handled {
    let order = state.active(id, &[kind]).map_err(|_| failure(401))?;
    Ok(Answer::json(200, &json!({"orderId": order.attribute("order")})))
}

fn order(kind: &'static str, request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().ok_or_else(|| error(400, "GW0003", "The body is not JSON"))?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let digits = |pointer: &str| !text(pointer).is_empty() && text(pointer).bytes().all(|it| it.is_ascii_digit());
    let url = |name: &str| {
        let url = text(&format!("/paymentSession/{name}"));
        url.contains("://") && url.chars().count() <= 2_048
    };
    let id = text("/order/orderId");
    let recurrence = text("/paymentSession/recurrence/action");
    let origin =
        text("/merchantUrl").split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
    let checks = [
        ("order id", (1..=18).contains(&id.chars().count())),
        ("amount", digits("/order/amount") && digits("/paymentSession/amount")),
        ("currency", text("/order/currency").len() == 3),
        ("language", text("/paymentSession/language").len() == 3),
        ("action type", ["PAY", "PREAUTH", "VERIFY"].contains(&text("/paymentSession/actionType"))),
        (
            "recurrence",
            ["", "NO_RECURRING"].contains(&recurrence)
                || !text("/paymentSession/recurrence/contractId").is_empty()
                    && ["CIT", "MIT_SCHEDULED", "MIT_UNSCHEDULED"]
                        .contains(&text("/paymentSession/recurrence/contractType")),
        ),
        (
            "schedule",
            text("/paymentSession/recurrence/contractType") != "MIT_SCHEDULED"
                || text("/paymentSession/recurrence/contractExpiryDate").len() == 10
                    && digits("/paymentSession/recurrence/contractFrequency"),
        ),
        ("result URL", url("resultUrl") && url("cancelUrl")),
        ("merchant URL", kind == "hpp" || origin),
        ("version", kind == "hpp" || ["1", "2", "3"].contains(&text("/version"))),
    ];
    if let Some((name, _)) = checks.iter().find(|(_, valid)| !valid) {
        return Err(error(400, "GW0001", &format!("Invalid {name}")));
    }
    if state.find_token("order", id).is_some() {
        return Err(error(400, "GW0010", "The order id was used"));
    }
    // The notification repeats this token; it allows no call.
    let token = state.random_id_of("", 32, HEX_DIGITS);
    let session = state.random_id_of("", 36, HEX_DIGITS);
    state.issue(&session, kind, None, &[("order", id)]);
    if kind == "hpp" {
        let page = format!("https://xpaysandbox.nexigroup.com/monetaweb/page/hosted/{session}");
        return Ok(Answer::json(200, &json!({"hostedPage": page, "securityToken": token, "warnings": []})));
    }
    let source = format!("https://xpaysandbox.nexigroup.com/fe/field.html?id=SECURITY_CODE&sid={session}");
    let fields = json!([{"type": "TEXT", "class": "CARD", "id": "SECURITY_CODE", "src": source}]);
    Ok(Answer::json(200, &json!({"sessionId": session, "securityToken": token, "fields": fields})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const HEADERS: [(&str, &str); 2] =
        [("x-api-key", "made-up"), ("correlation-id", "11111111-2222-4333-8444-555555555555")];
    const GOOD: &str = r#"{"version": "3", "merchantUrl": "https://a.example", "order": {"orderId": "o1", "amount": "1", "currency": "EUR"},
        "paymentSession": {"actionType": "PAY", "amount": "1", "resultUrl": "https://a.example", "cancelUrl": "https://a.example", "language": "ita"}}"#;

    #[test]
    fn a_page_or_a_session_is_for_its_order_only() {
        for (kind, grant, place) in
            [("hpp", "hpp", "hostedPage"), ("hpp", "hpp_verify", "hostedPage"), ("build", "build", "sessionId")]
        {
            let mut fake = Fake::new("nexixpay");
            let call = format!("POST /api/phoenix-0.0/psp/api/v1/orders/{kind}");
            let (status, order) = fake.ask(&call, &HEADERS, GOOD);
            assert_eq!(status, 200);
            fake.check_token_use(grant, &order[place], &[], None);
            let secret = order["securityToken"].as_str().unwrap();
            assert!(!order[place].as_str().unwrap().contains(secret) && !order["fields"].to_string().contains(secret));
            for path in ["monetaweb/page/hosted/", "fe/field.html?sid="] {
                assert_eq!(fake.ask(&format!("GET /{path}{secret}"), &[], "").0, 401, "it opens nothing");
            }
            let (status, answer) = fake.ask(&call, &HEADERS, GOOD);
            assert_eq!((status, answer["errors"][0]["code"].as_str()), (400, Some("GW0010")));
            assert_eq!(fake.ask(&call, &HEADERS[1..], GOOD).0, 401);
            assert_eq!(fake.ask(&call, &HEADERS[..1], GOOD).0, 400);
            assert_eq!(fake.ask(&call, &HEADERS, &GOOD.replace("o1", &"o".repeat(19))).0, 400);
            assert_eq!(fake.ask(&call, &HEADERS, &GOOD.replace("ita", "")).0, 400);
            assert_eq!(fake.ask(&call, &HEADERS, &GOOD.replace("\"amount\": \"1\"", "\"amount\": 1")).0, 400);
        }
    }
}
