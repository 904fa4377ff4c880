//! ACI: checkouts of COPYandPAY.
//!
//! Written from <https://hyperpay.docs.oppwa.com/node/37>, a guide on the vendor's own pages, and its
//! list of result codes.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Pairs, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const EXAMPLES: &[(&str, &str)] = &[
    ("registration_checkout", "{}"),
    ("payment_checkout", r#"{"amount": "92.00", "currency": "EUR", "payment_type": "DB"}"#),
];

pub(super) static ACI: FakeVendor = FakeVendor {
    name: "aci",
    credentials: r#"{"api_key": "OGE4sandbox", "entity_id": "8ac7a4c9000000000000000000000001"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, state| failure(status, state),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "registration_checkout",
            allowed: |client| widget("store a card", "registration", client),
            forbidden: refund,
        },
        TokenUse {
            grant: "payment_checkout",
            allowed: |client| widget("pay with a card", "payment", client),
            forbidden: refund,
        },
    ],
};

fn widget(title: &'static str, action: &str, client: &ClientToken) -> ClientCall {
    let card = [("paymentBrand", "VISA"), ("card.number", "4200000000000000"), ("card.expiryYear", "2030")];
    ClientCall::new(title, "POST", format!("/aci/v1/checkouts/{}/{action}", client.token)).form(&card)
}

fn refund(client: &ClientToken) -> ClientCall {
    let call =
        ClientCall::new("refund a payment", "POST", "/aci/v1/payments/8ac7a4a1someoldpayment").bearer(&client.token);
    call.form(&[
        ("entityId", "8ac7a4c9000000000000000000000001"),
        ("paymentType", "RF"),
        ("amount", "1.00"),
        ("currency", "EUR"),
    ])
}

fn body(code: &str, description: &str, id: &str, state: &VendorState) -> Value {
    let timestamp = timestamp(state.now).strftime("%Y-%m-%d %H:%M:%S%z").to_string();
    json!({"result": {"code": code, "description": description}, "buildNumber": "sandbox", "timestamp": timestamp, "ndc": id, "id": id})
}

fn refused(status: u16, code: &str, description: &str, parameter: Option<&str>, state: &mut VendorState) -> Answer {
    let ndc = state.random_id_of("", 32, b"0123456789ABCDEF");
    let mut body = body(code, description, &ndc, state);
    if let Some(body) = body.as_object_mut() {
        body.remove("id");
    }
    if let (Some(name), Some(result)) = (parameter, body.get_mut("result").and_then(Value::as_object_mut)) {
        result.insert(
            "parameterErrors".to_owned(),
            json!([{"name": name, "value": null, "message": "is missing or not valid"}]),
        );
    }
    Answer::json(status, &body)
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    let (code, description) = match status {
        401 | 403 => ("800.900.300", "invalid authentication information"),
        429 => ("800.120.100", "Rejected by throttling."),
        500.. => ("900.100.300", "timeout, uncertain result"),
        _ => ("200.300.404", "invalid or missing parameter"),
    };
    refused(status, code, description, None, state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "checkouts"]) => {
            merchant(request, state)?;
            checkout(&request.form(), state)
        }
        ("GET", ["v1", "paymentWidgets.js"]) => {
            let id = request.query.value("checkoutId").unwrap_or_default();
            match state.active(id, &["registration_checkout", "payment_checkout"]) {
                Ok(_) => Ok(Answer::of(200, "text/javascript", "/* the widget */".to_owned())),
                Err(_) => Err(refused(404, "200.300.404", "No session found for the requested id", None, state)),
            }
        }
        ("POST", ["v1", "checkouts", id, action @ ("registration" | "payment")]) => {
            let kind = if *action == "payment" { "payment_checkout" } else { "registration_checkout" };
            let Ok(checkout) = state.active(id, &[kind]) else {
                return Err(refused(404, "200.300.404", "No session found for the requested id", None, state));
            };
            checkout.used = true;
            Ok(Answer::json(200, &body("000.100.110", "Request successfully processed", id, state)))
        }
        ("POST", ["v1", "payments", id]) => {
            merchant(request, state)?;
            Ok(Answer::json(200, &body("000.100.110", "Request successfully processed", id, state)))
        }
        _ => Err(refused(404, "200.300.404", "invalid or missing parameter", None, state)),
    }
}

/// Whether a checkout is for a payment; otherwise it stores a card only.
fn pays(form: &Pairs) -> bool {
    form.has("paymentType") || form.has("amount")
}

/// The first unknown or invalid parameter of a checkout.
fn faulty_parameter(form: &Pairs) -> Option<&str> {
    let known = |name: &str| {
        [
            "entityId",
            "amount",
            "currency",
            "paymentType",
            "merchantTransactionId",
            "createRegistration",
            "testMode",
            "integrity",
        ]
        .contains(&name)
            || ["customer.", "billing.", "standingInstruction."].iter().any(|prefix| name.starts_with(prefix))
    };
    let unknown = form.0.iter().map(|(name, _)| name.as_str()).find(|name| !known(name));
    let amount = |text: &str| text.split_once('.').is_some_and(|(whole, cents)| !whole.is_empty() && cents.len() == 2);
    let pays = pays(form);
    let valid: [(&str, bool); 5] = [
        (
            "merchantTransactionId",
            form.value("merchantTransactionId").is_none_or(|id| (8..=255).contains(&id.chars().count())),
        ),
        ("amount", !pays || form.value("amount").is_some_and(amount)),
        (
            "currency",
            !pays
                || form
                    .value("currency")
                    .is_some_and(|it| it.len() == 3 && it.bytes().all(|byte| byte.is_ascii_uppercase())),
        ),
        ("paymentType", !pays || form.value("paymentType").is_some_and(|it| ["DB", "PA"].contains(&it))),
        ("createRegistration", pays || form.value("createRegistration") == Some("true")),
    ];
    unknown.or(valid.iter().find(|(_, valid)| !valid).map(|(name, _)| *name))
}

fn checkout(form: &Pairs, state: &mut VendorState) -> Handled {
    if let Some(name) = faulty_parameter(form) {
        return Err(refused(400, "200.300.404", "invalid or missing parameter", Some(name), state));
    }
    let id = state.random_id_of("", 32, b"0123456789ABCDEF") + ".uat01-vm-tx01";
    let kind = if pays(form) { "payment_checkout" } else { "registration_checkout" };
    state.issue(&id, kind, Some(state.now.saturating_add(1_800)), &[]);
    let mut body = body("000.200.100", "successfully created checkout", &id, state);
    if let (Some("true"), Some(body)) = (form.value("integrity"), body.as_object_mut()) {
        body.insert("integrity".to_owned(), json!(state.random_id("sha384-", 64)));
    }
    Ok(Answer::json(200, &body))
}

/// Accepts any access token with an entity, but no checkout id of this fake.
fn merchant(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    if request.bearer().is_none_or(|token| token.is_empty() || state.was_issued(token)) {
        return Err(failure(401, state));
    }
    match request.form().value("entityId").filter(|id| !id.is_empty()) {
        Some(_) => Ok(()),
        None => Err(refused(400, "200.300.404", "invalid or missing parameter", Some("entityId"), state)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const KEY: (&str, &str) = ("authorization", "Bearer OGE4");
    const MAKE: &str = "POST /v1/checkouts";

    #[test]
    fn a_checkout_serves_one_buyer_for_half_an_hour() {
        for (grant, form) in [
            ("registration_checkout", "entityId=e&createRegistration=true"),
            ("payment_checkout", "entityId=e&amount=92.00&currency=EUR&paymentType=DB&customer.email=a"),
        ] {
            let mut fake = Fake::new("aci");
            let (status, body) = fake.ask(MAKE, &[KEY], form);
            assert_eq!((status, body["timestamp"].as_str()), (200, Some("2027-01-15 08:00:00+0000")));
            fake.check_token_use(grant, &body["id"], &[], Some(1_800));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, form, status, code) in [
            (&[][..], "entityId=e&createRegistration=true", 401, "800.900.300"),
            (&[KEY], "createRegistration=true", 400, "200.300.404"),
            (&[KEY], "entityId=e", 400, "200.300.404"),
            (&[KEY], "entityId=e&amount=92&currency=EUR&paymentType=DB", 400, "200.300.404"),
            (&[KEY], "entityId=e&createRegistration=true&merchantTransactionId=short", 400, "200.300.404"),
            (&[KEY], "entityId=e&createRegistration=true&colour=red", 400, "200.300.404"),
        ] {
            let (got, body) = Fake::new("aci").ask(MAKE, headers, form);
            assert_eq!((got, body["result"]["code"].as_str()), (status, Some(code)), "{form}: {body}");
        }
    }
}
