//! Authorize.Net's JSON API: tokens of hosted forms.
//!
//! Written from <https://developer.authorize.net/api/reference/>, from AnetApiSchema.xsd (sequence of
//! the members, length of `refId`) and from npm authorizenet 1.0.10 (transaction types, names of the
//! settings). Every answer has status 200 and begins with a byte-order mark.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const EXAMPLES: &[(&str, &str)] = &[
    (
        "hosted_payment_page",
        r#"{"amount": "20.00", "settings": {"hostedPaymentReturnOptions": {"showReceipt": false}}}"#,
    ),
    ("hosted_profile_page", r#"{"customer_profile_id": "900001"}"#),
];

pub(super) static AUTHORIZEDOTNET: FakeVendor = FakeVendor {
    name: "authorizedotnet",
    credentials: r#"{"name": "sandboxLogin", "transaction_key": "sandboxTransKey1"}"#,
    secrets: &[
        "/getHostedPaymentPageRequest/merchantAuthentication/name",
        "/getHostedPaymentPageRequest/merchantAuthentication/transactionKey",
        "/getHostedProfilePageRequest/merchantAuthentication/name",
        "/getHostedProfilePageRequest/merchantAuthentication/transactionKey",
    ],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "hosted_payment_page",
            allowed: |client| form("pay on the hosted form", "payment/payment", client),
            forbidden: refund,
        },
        TokenUse {
            grant: "hosted_profile_page",
            allowed: |client| form("manage the stored cards", "customer/manage", client),
            forbidden: refund,
        },
    ],
};

fn form(title: &'static str, page: &str, client: &ClientToken) -> ClientCall {
    ClientCall::new(title, "POST", format!("/authorizedotnet/{page}")).form(&[("token", &client.token)])
}

fn refund(client: &ClientToken) -> ClientCall {
    let login = json!({"name": "sandboxLogin", "transactionKey": client.token});
    let transaction = json!({"transactionType": "refundTransaction", "amount": "1.00", "refTransId": "60000000001"});
    ClientCall::new("refund a payment", "POST", "/authorizedotnet/xml/v1/request.api").json(
        &json!({"createTransactionRequest": {"merchantAuthentication": login, "transactionRequest": transaction}}),
    )
}

fn answer(code: &str, text: &str, token: Option<&str>, reference: Option<&Value>) -> Answer {
    let result = if code.starts_with('I') { "Ok" } else { "Error" };
    let mut body = json!({"messages": {"resultCode": result, "message": [{"code": code, "text": text}]}});
    if let Some(body) = body.as_object_mut() {
        body.extend(reference.map(|it| ("refId".to_owned(), it.clone())));
        body.extend(token.map(|it| ("token".to_owned(), json!(it))));
    }
    Answer::of(200, "application/json", format!("\u{feff}{body}"))
}

fn failure(status: u16) -> Answer {
    match status {
        401 | 403 => answer("E00007", "User authentication failed due to invalid authentication values.", None, None),
        429 => Answer::text(429, "Too many requests"),
        503 => answer("E00053", "The server is currently too busy, please try again later.", None, None),
        500.. => answer("E00001", "An error occurred during processing. Please try again.", None, None),
        _ => answer("E00003", "The request was refused.", None, None),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let kind = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/xml/v1/request.api") => return api(request, state),
        ("POST", "/payment/payment") => "hosted_payment_page",
        ("POST", "/customer/manage" | "/customer/addPayment" | "/customer/editPayment") => "hosted_profile_page",
        _ => return Err(Answer::text(404, "Not Found")),
    };
    match state.active(request.form().value("token").unwrap_or_default(), &[kind]) {
        Ok(_) => Ok(Answer::of(200, "text/html", format!("<html><body>{kind}</body></html>"))),
        Err(_) => Err(Answer::of(400, "text/html", "<html><body>Missing or invalid token</body></html>".to_owned())),
    }
}

/// The JSON is converted to XML with a fixed sequence: members are optional, but keep this order.
const SEQUENCES: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "getHostedPaymentPageRequest",
        "hosted_payment_page",
        &["merchantAuthentication", "refId", "transactionRequest", "hostedPaymentSettings"],
        &["merchantAuthentication", "transactionRequest"],
    ),
    (
        "getHostedProfilePageRequest",
        "hosted_profile_page",
        &["merchantAuthentication", "refId", "customerProfileId", "hostedProfileSettings"],
        &["merchantAuthentication", "customerProfileId"],
    ),
    (
        "createTransactionRequest",
        "",
        &["merchantAuthentication", "refId", "transactionRequest"],
        &["merchantAuthentication"],
    ),
];

fn api(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let text = String::from_utf8_lossy(&request.body);
    let found = SEQUENCES.iter().find_map(|sequence| Some((sequence, body.get(sequence.0)?.as_object()?)));
    let Some(((_, kind, members, required), asked)) = found else {
        return Err(answer("E00003", "The root element is not known.", None, None));
    };
    let reference = asked.get("refId");
    let refuse = |code: &str, text: &str| Err(answer(code, text, None, reference));
    let login = |name: &str| asked.get("merchantAuthentication").and_then(|it| it.get(name)).and_then(Value::as_str);
    if login("name").is_none_or(str::is_empty)
        || login("transactionKey").is_none_or(|key| key.is_empty() || state.was_issued(key))
    {
        return Err(failure(401));
    }
    let places: Vec<usize> = members.iter().filter_map(|name| text.find(&format!("\"{name}\""))).collect();
    if !places.is_sorted() || places.len() != asked.len() || required.iter().any(|name| !asked.contains_key(*name)) {
        return refuse("E00003", "The element has an invalid child element.");
    }
    if reference.is_some_and(|id| id.as_str().is_none_or(|id| id.chars().count() > 20)) {
        return refuse("E00003", "The actual length of refId is greater than the MaxLength value.");
    }
    if kind.is_empty() {
        return Ok(answer("I00001", "Successful.", None, reference));
    }
    if let Some(transaction) = asked.get("transactionRequest") {
        let amount = transaction.get("amount").and_then(Value::as_str).and_then(|it| it.parse::<f64>().ok());
        let in_order = text.find("\"transactionType\"") < text.find("\"amount\"");
        // Only these two make sense on a payment form.
        let types = ["authCaptureTransaction", "authOnlyTransaction"];
        let kind = transaction.get("transactionType").and_then(Value::as_str);
        if !in_order || !kind.is_some_and(|kind| types.contains(&kind)) {
            return refuse("E00003", "The element 'transactionRequest' has an invalid child element 'amount'.");
        }
        if amount.is_none_or(|amount| amount <= 0.0) {
            return refuse("E00013", "Amount is invalid.");
        }
    }
    let settings = ["hostedPaymentSettings", "hostedProfileSettings"].iter().find_map(|name| asked.get(*name));
    if settings.is_some_and(|settings| !are_settings(settings)) {
        return refuse("E00013", "The setting is invalid.");
    }
    if asked.get("customerProfileId").is_some_and(|id| id.as_str().is_none_or(|id| id.contains("missing"))) {
        return refuse("E00040", "The record cannot be found.");
    }
    let token = state.random_id("", 120);
    state.issue(&token, kind, Some(state.now.saturating_add(900)), &[]);
    Ok(answer("I00001", "Successful.", Some(&token), reference))
}

/// Whether each setting has a name of a hosted form, and a text as its value.
fn are_settings(settings: &Value) -> bool {
    let text = |setting: &Value, name: &str| setting.get(name).and_then(Value::as_str).map(str::to_owned);
    settings.get("setting").and_then(Value::as_array).is_some_and(|list| {
        list.iter().all(|setting| {
            let name = text(setting, "settingName").unwrap_or_default();
            ["hostedPayment", "hostedProfile"].iter().any(|start| name.starts_with(start))
                && text(setting, "settingValue").is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::Value;

    const LOGIN: &str = r#""merchantAuthentication":{"name":"n","transactionKey":"k"}"#;

    fn ask(fake: &mut Fake, body: &str) -> Value {
        let answer = fake.send("POST /xml/v1/request.api", &[], &body.replace("LOGIN", LOGIN));
        assert_eq!(answer.status, 200);
        serde_json::from_str(answer.body.strip_prefix('\u{feff}').unwrap()).unwrap()
    }

    #[test]
    fn a_token_opens_its_form_for_a_quarter_of_an_hour() {
        for (grant, body) in [
            (
                "hosted_payment_page",
                r#"{"getHostedPaymentPageRequest":{LOGIN,"refId":"r","transactionRequest":{"transactionType":"authCaptureTransaction","amount":"20.00"}}}"#,
            ),
            ("hosted_profile_page", r#"{"getHostedProfilePageRequest":{LOGIN,"customerProfileId":"1"}}"#),
        ] {
            let mut fake = Fake::new("authorizedotnet");
            let body = ask(&mut fake, body);
            fake.check_token_use(grant, &body["token"], &[], Some(900));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (body, code) in [
            ("{}", "E00003"),
            (r#"{"getHostedProfilePageRequest":{"customerProfileId":"1"}}"#, "E00007"),
            (r#"{"getHostedProfilePageRequest":{"customerProfileId":"1",LOGIN}}"#, "E00003"),
            (r#"{"getHostedProfilePageRequest":{LOGIN,"colour":"red","customerProfileId":"1"}}"#, "E00003"),
            (r#"{"getHostedProfilePageRequest":{LOGIN,"customerProfileId":"missing"}}"#, "E00040"),
            (
                r#"{"getHostedProfilePageRequest":{LOGIN,"refId":"longer than twenty chars","customerProfileId":"1"}}"#,
                "E00003",
            ),
            (
                r#"{"getHostedPaymentPageRequest":{LOGIN,"transactionRequest":{"amount":"1","transactionType":"authCaptureTransaction"}}}"#,
                "E00003",
            ),
            (
                r#"{"getHostedPaymentPageRequest":{LOGIN,"transactionRequest":{"transactionType":"authCaptureTransaction","amount":"x"}}}"#,
                "E00013",
            ),
            (
                r#"{"getHostedPaymentPageRequest":{LOGIN,"transactionRequest":{"transactionType":"refundTransaction","amount":"1"}}}"#,
                "E00003",
            ),
            (
                r#"{"getHostedProfilePageRequest":{LOGIN,"customerProfileId":"1","hostedProfileSettings":{"setting":[{"settingName":"colour","settingValue":"red"}]}}}"#,
                "E00013",
            ),
        ] {
            let answer = ask(&mut Fake::new("authorizedotnet"), body);
            assert_eq!(answer["messages"]["message"][0]["code"], code, "{body}: {answer}");
        }
    }
}
