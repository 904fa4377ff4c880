//! Adyen Checkout: sessions. The file is over 400 lines because it also answers the setup call of the
//! browser SDK.
//!
//! Written from the vendor's OpenAPI documents v68 to v72 and
//! <https://docs.adyen.com/development-resources/error-codes>. The vendor lists no error code for
//! most invalid members: they get 702 here. The calls of the shopper's page are those of the npm
//! package `@adyen/adyen-web` 6.45.2 (`core/Services/sessions`); no document has their
//! answers.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{Timestamp, tz};
use serde_json::{Map, Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, TokenError, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[
    ("session_zero_value", r#"{"currency":"EUR","return_url":"https://shop.example/return"}"#),
    ("session", r#"{"amount":1000,"currency":"EUR","return_url":"https://shop.example/return"}"#),
];

pub(super) static ADYEN: FakeVendor = FakeVendor {
    name: "adyen",
    credentials: r#"{"api_key": "AQEsandbox", "merchant_account": "SandboxECOM", "review_key": null}"#,
    secrets: &["x-api-key"],
    request_id: Some("pspreference"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "session_zero_value",
            allowed: |client| shopper("open the card form", "setup", client),
            forbidden: refund,
        },
        TokenUse {
            grant: "session",
            allowed: |client| shopper("make the payment of the session", "payments", client),
            forbidden: refund,
        },
    ],
};

fn shopper(title: &'static str, action: &str, client: &ClientToken) -> ClientCall {
    let id = ["id", "session_id"].iter().find_map(|name| client.client_parameters.get(*name));
    let id = id.map_or_else(|| client.starting("CS"), String::as_str);
    let path = format!("/adyen/checkoutshopper/v1/sessions/{id}/{action}?clientKey=test_SANDBOX");
    ClientCall::new(title, "POST", path).json(&json!({"sessionData": client.token}))
}

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/adyen/v72/payments/SOMEPAYMENT00001/refunds");
    let body = json!({"merchantAccount": "SandboxECOM", "amount": {"currency": "EUR", "value": 100}});
    call.header("x-api-key", &client.token).json(&body)
}

fn error(status: u16, code: &str, message: &str, kind: &str) -> Answer {
    Answer::json(status, &json!({"status": status, "errorCode": code, "message": message, "errorType": kind}))
}

fn invalid(code: &str, message: &str) -> Answer {
    error(422, code, message, "validation")
}

fn unauthorized() -> Answer {
    error(401, "000", "HTTP Status Response - Unauthorized", "security")
}

fn failure(status: u16) -> Answer {
    match status {
        401 => unauthorized(),
        403 => error(403, "010", "Not allowed", "security"),
        429 => error(429, "000", "Too many requests", "validation"),
        500.. => error(status, "905", "Payment details are not supported at the moment", "internal"),
        _ => error(status, "702", "The request was refused", "validation"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let segments = request.segments();
    let (segments, live) = match segments.as_slice() {
        ["checkout", rest @ ..] => (rest, true),
        all => (all, false),
    };
    let missing = || error(404, "000", "HTTP Status Response - Not Found", "validation");
    if request.method != "POST" {
        return Err(missing());
    }
    match segments {
        ["checkoutshopper", "v1", "sessions", id, action @ ("setup" | "payments")] if !live => {
            shop(id, action, request, state)
        }
        [version, "sessions"] => {
            let version = version.strip_prefix('v').and_then(|it| it.parse().ok());
            let version: u8 = version.filter(|version| (68..=72).contains(version)).ok_or_else(missing)?;
            let key = api_key(request, state)?;
            let idempotency_key = request.header("idempotency-key").map(str::to_owned);
            if idempotency_key.as_ref().is_some_and(|it| it.chars().count() > 64) {
                return Err(invalid("702", "The Idempotency-Key header has at most 64 characters"));
            }
            let scoped = idempotency_key.as_ref().map(|it| format!("{key}\n{it}"));
            let make = |state: &mut VendorState| session(version, request, state).unwrap_or_else(|refusal| refusal);
            let answer = match state.idempotent(scoped, 7 * 86_400, request, make) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => answer,
                Idempotent::Conflict => invalid("704", "request already processed or in progress"),
            };
            Ok(idempotency_key.into_iter().fold(answer, |answer, key| answer.with("idempotency-key", key)))
        }
        [_, "payments", payment, "refunds"] => {
            api_key(request, state)?;
            let reference = state.random_id_of("", 16, b"0123456789ABCDEFGHJKLMNPQRSTVWXZ");
            Ok(Answer::json(
                201,
                &json!({"pspReference": reference, "paymentPspReference": payment, "status": "received"}),
            ))
        }
        _ => Err(missing()),
    }
}

/// Accepts any key that is no session's data, or Basic authentication of a web service user.
fn api_key(request: &Request, state: &VendorState) -> Result<String, Answer> {
    let basic = || request.basic().filter(|(user, password)| user.starts_with("ws@") && !password.is_empty());
    let key = request.header("x-api-key").map(str::to_owned).or_else(|| basic().map(|(user, _)| user));
    key.filter(|key| !state.was_issued(key) && !key.starts_with("Ab02b4c0!") && !key.contains(' '))
        .ok_or_else(unauthorized)
}

/// A call of the shopper's page: it has no API key, only the session's data.
fn shop(id: &str, action: &str, request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    let data = body.get("sessionData").and_then(Value::as_str).unwrap_or_default();
    let session = state.active(data, &["session"]).map_err(|reason| match reason {
        TokenError::Expired => error(401, "000", "The session has expired", "security"),
        TokenError::Unknown | TokenError::Used => unauthorized(),
    })?;
    if session.attribute("id") != id || request.query.value("clientKey").is_none_or(|key| !key.starts_with("test_")) {
        return Err(unauthorized());
    }
    if action == "setup" {
        let methods = json!([{"type": "scheme", "name": "Cards", "brands": ["visa", "mc"]}]);
        // The SDK starts only where it knows the country.
        let mut answer: Value = serde_json::from_str(session.attribute("asked")).unwrap_or_default();
        if let Some(answer) = answer.as_object_mut() {
            answer.entry("countryCode").or_insert(json!("NL"));
            answer.insert("id".to_owned(), json!(id));
            answer.insert("sessionData".to_owned(), json!(data));
            answer.insert("configuration".to_owned(), json!({"enableStoreDetails": false}));
            answer.insert("paymentMethods".to_owned(), json!({"paymentMethods": methods}));
        }
        return Ok(Answer::json(200, &answer));
    }
    session.used = true;
    Ok(Answer::json(200, &json!({"sessionData": data, "resultCode": "Authorised"})))
}

const MEMBERS: &str = "accountInfo additionalAmount additionalData allowedPaymentMethods amount applicationInfo \
    authenticationData billingAddress blockedPaymentMethods captureDelayHours channel company countryCode dateOfBirth \
    deliverAt deliveryAddress enableOneClick enablePayOut enableRecurring expiresAt fundOrigin fundRecipient \
    installmentOptions lineItems mandate mcc merchantAccount merchantOrderReference metadata mode mpiData \
    platformChargebackLogic recurringExpiry recurringFrequency recurringProcessingModel redirectFromIssuerMethod \
    redirectToIssuerMethod reference returnUrl riskData shopperEmail shopperIP shopperInteraction shopperLocale shopperName \
    shopperReference shopperStatement showInstallmentAmount showRemovePaymentMethodButton socialSecurityNumber \
    splitCardFundingSources splits store storeFiltrationMode storePaymentMethod storePaymentMethodMode telephoneNumber \
    themeId threeDS2RequestData threeDSAuthenticationOnly trustedShopper";

const VALUES: &[(&str, &[&str])] = &[
    ("channel", &["iOS", "Android", "Web"]),
    ("mode", &["embedded", "hosted"]),
    ("recurringProcessingModel", &["CardOnFile", "Subscription", "UnscheduledCardOnFile"]),
    ("shopperInteraction", &["Ecommerce", "ContAuth", "Moto", "POS"]),
    ("storePaymentMethodMode", &["askForConsent", "disabled", "enabled"]),
    ("storeFiltrationMode", &["exclusive", "inclusive", "skipFilter"]),
];

fn session(version: u8, request: &Request, state: &mut VendorState) -> Handled {
    let unreadable = |message: &str| error(400, "702", message, "validation");
    if request.content_type() != "application/json" {
        return Err(error(415, "000", "HTTP Status Response - Unsupported Media Type", "validation"));
    }
    let Some(Value::Object(mut body)) = request.json() else {
        return Err(unreadable("The body is not a JSON object"));
    };
    let known = |name: &str| {
        (name != "storePaymentMethodMode" || version >= 70) && MEMBERS.split_whitespace().any(|member| member == name)
    };
    if let Some(name) = body.keys().find(|name| !known(name)) {
        let message =
            format!("Structure of CreateCheckoutSessionRequest contains the following unknown fields: [{name}]");
        return Err(unreadable(&message));
    }
    check_values(&body)?;
    check_members(&body)?;
    let expires_at = expiry(&body, state)?;
    let id = state.random_id_of("CS", 16, b"0123456789ABCDEF");
    let hosted = text(&body, "mode") == Some("hosted");
    let data = format!("Ab02b4c0!{}", BASE64_STANDARD.encode(state.bytes(1_200)));
    let asked: Map<String, Value> = ["amount", "countryCode", "returnUrl", "shopperLocale"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), body.get(name)?.clone())))
        .chain([("expiresAt".to_owned(), json!(in_amsterdam(expires_at)))])
        .collect();
    let asked = Value::Object(asked).to_string();
    state.issue(&data, "session", Some(expires_at), &[("id", &id), ("asked", &asked)]);
    let own = [("id", id.clone()), ("expiresAt", in_amsterdam(expires_at))];
    body.extend(own.map(|(name, value)| (name.to_owned(), json!(value))));
    body.entry("mode").or_insert_with(|| json!("embedded"));
    if hosted {
        body.insert("url".to_owned(), json!(format!("https://eu.adyen.link/{id}")));
    } else {
        body.insert("sessionData".to_owned(), json!(data));
    }
    Ok(Answer::json(201, &Value::Object(body)))
}

/// A text member that is not empty.
fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
}

/// Checks the members that have a fixed set of values, and the amount.
fn check_values(body: &Map<String, Value>) -> Result<(), Answer> {
    for (name, values) in VALUES {
        if body.get(*name).is_some_and(|value| !value.as_str().is_some_and(|value| values.contains(&value))) {
            return Err(invalid("702", &format!("'{name}' must be one of {}", values.join(", "))));
        }
    }
    let amount = body.get("amount").ok_or_else(|| invalid("100", "No amount specified"))?;
    let currency = amount.get("currency").and_then(Value::as_str).unwrap_or_default();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(invalid("138", "Unsupported currency specified"));
    }
    if amount.get("value").and_then(Value::as_i64).is_none_or(|value| value < 0) {
        return Err(invalid("137", "Invalid amount specified"));
    }
    Ok(())
}

/// Checks the other members.
fn check_members(body: &Map<String, Value>) -> Result<(), Answer> {
    if text(body, "merchantAccount").is_none_or(|account| account.contains("missing")) {
        return Err(error(403, "901", "Invalid Merchant Account", "security"));
    }
    let reference = text(body, "reference");
    if reference.ok_or_else(|| invalid("130", "Required field 'reference' is not provided."))?.chars().count() > 80 {
        return Err(invalid("702", "'reference' has at most 80 characters"));
    }
    if text(body, "countryCode").is_some_and(|country| country == "UK" || country.len() != 2) {
        return Err(invalid("702", "'countryCode' is not a country code of ISO 3166-1"));
    }
    let url = text(body, "returnUrl").ok_or_else(|| invalid("14_030", "Return URL is missing."))?;
    if url.chars().count() > 1_024 || !url.contains("://") {
        return Err(invalid("702", "'returnUrl' is not a URL of at most 1024 characters"));
    }
    if body.contains_key("shopperReference")
        && !text(body, "shopperReference").is_some_and(|it| (3..=256).contains(&it.chars().count()))
    {
        return Err(invalid("702", "'shopperReference' must have 3 to 256 characters"));
    }
    if text(body, "storePaymentMethodMode").is_some_and(|it| it != "disabled")
        && (text(body, "shopperReference").is_none() || text(body, "recurringProcessingModel").is_none())
    {
        return Err(invalid("702", "To store, shopperReference and recurringProcessingModel are required"));
    }
    let fits = |value: &Value| value.as_str().is_some_and(|value| value.chars().count() <= 80);
    let metadata_ok = |pairs: &Map<_, _>| {
        pairs.len() <= 20
            && pairs.iter().all(|(key, value): (&String, &Value)| key.chars().count() <= 20 && fits(value))
    };
    if body.get("metadata").is_some_and(|metadata| !metadata.as_object().is_some_and(metadata_ok)) {
        return Err(invalid("702", "'metadata' has at most 20 pairs; keys of 20, values of 80 characters"));
    }
    Ok(())
}

/// The session's expiry, Unix seconds: one hour from now, or the member `expiresAt`.
fn expiry(body: &Map<String, Value>, state: &VendorState) -> Result<i64, Answer> {
    let expires_at = match body.get("expiresAt") {
        None => state.now.saturating_add(3_600),
        Some(value) => {
            let moment = value.as_str().and_then(|value| value.parse::<Timestamp>().ok());
            moment.ok_or_else(|| invalid("702", "'expiresAt' is not an ISO 8601 date with offset"))?.as_second()
        }
    };
    if !(1..=86_400).contains(&expires_at.saturating_sub(state.now)) {
        return Err(invalid("702", "'expiresAt' must be in the future, and at most 24 hours after creation"));
    }
    Ok(expires_at)
}

/// A time with a numeric offset, never `Z`, as Adyen writes it.
fn in_amsterdam(seconds: i64) -> String {
    let offset = tz::offset(1);
    format!("{}{offset}:00", offset.to_datetime(timestamp(seconds)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fake, NOW};
    use serde_json::{Value, json};

    const KEY: (&str, &str) = ("x-api-key", "AQEmadeup");
    const SESSIONS: &str = "POST /v72/sessions";

    /// A valid request with some members changed; null removes a member.
    fn body(changes: Value) -> String {
        let mut body = json!({"merchantAccount": "ECOM", "amount": {"currency": "EUR", "value": 0}, "reference": "r", "returnUrl": "https://a.example"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        body.to_string()
    }

    #[test]
    fn a_session_is_for_its_shopper_only() {
        for (path, grant) in [(SESSIONS, "session_zero_value"), ("POST /checkout/v68/sessions", "session")] {
            let mut fake = Fake::new("adyen");
            let (status, session) = fake.ask(path, &[KEY], &body(json!({"countryCode": "NL"})));
            assert_eq!((status, &session["countryCode"], &session["mode"]), (201, &json!("NL"), &json!("embedded")));
            assert_eq!(session["expiresAt"], "2027-01-15T10:00:00+01:00");
            fake.check_token_use(grant, &session["sessionData"], &[session["id"].as_str().unwrap()], Some(3_600));
        }
    }

    #[test]
    fn the_page_learns_what_the_session_is_for() {
        let mut fake = Fake::new("adyen");
        let (_, session) = fake.ask(SESSIONS, &[KEY], &body(json!({"countryCode": "FR"})));
        let path = format!("POST /checkoutshopper/v1/sessions/{}/setup", session["id"].as_str().unwrap());
        let data = json!({"sessionData": session["sessionData"], "browserInfo": {}}).to_string();
        let (status, answer) = fake.ask(&format!("{path}?clientKey=test_A"), &[], &data);
        assert_eq!((status, &answer["countryCode"], &answer["amount"]["currency"]), (200, &json!("FR"), &json!("EUR")));
        assert_eq!(fake.ask(&path, &[], &data).0, 401, "no client key");
    }

    #[test]
    fn an_api_key_may_refund() {
        assert_eq!(Fake::new("adyen").ask("POST /v72/payments/P/refunds", &[KEY], "{}").0, 201);
    }

    #[test]
    fn expiry_is_at_most_a_day_away() {
        for (at, status) in [
            ("2027-01-15T08:00:00.000Z", 422),
            ("2027-01-16T09:00:00+01:00", 201),
            ("2027-01-16T08:00:01Z", 422),
            ("2027-01-16T08:00:00", 422),
        ] {
            assert_eq!(NOW, 1_800_000_000);
            assert_eq!(Fake::new("adyen").ask(SESSIONS, &[KEY], &body(json!({"expiresAt": at}))).0, status, "{at}");
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("adyen");
        let valid = body(json!({}));
        for (call, headers, body, status, code) in [
            (SESSIONS, &[][..], valid.clone(), 401, "000"),
            (SESSIONS, &[("x-api-key", "Ab02b4c0!data")], valid.clone(), 401, "000"),
            (SESSIONS, &[KEY, ("content-type", "text/plain")], valid.clone(), 415, "000"),
            (SESSIONS, &[KEY], "{".to_owned(), 400, "702"),
            (SESSIONS, &[KEY], body(json!({"colour": "red"})), 400, "702"),
            ("POST /v68/sessions", &[KEY], body(json!({"storePaymentMethodMode": "enabled"})), 400, "702"),
            (SESSIONS, &[KEY], body(json!({"storePaymentMethodMode": "enabled"})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"channel": "Fax"})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"amount": null})), 422, "100"),
            (SESSIONS, &[KEY], body(json!({"amount": {"currency": "eu", "value": 1}})), 422, "138"),
            (SESSIONS, &[KEY], body(json!({"amount": {"currency": "EUR", "value": "1"}})), 422, "137"),
            (SESSIONS, &[KEY], body(json!({"merchantAccount": null})), 403, "901"),
            (SESSIONS, &[KEY], body(json!({"reference": null})), 422, "130"),
            (SESSIONS, &[KEY], body(json!({"reference": "r".repeat(81)})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"countryCode": "UK"})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"returnUrl": null})), 422, "14_030"),
            (SESSIONS, &[KEY], body(json!({"returnUrl": format!("https://{}", "a".repeat(1_017))})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"shopperReference": "ab"})), 422, "702"),
            (SESSIONS, &[KEY], body(json!({"metadata": {"k": "v".repeat(81)}})), 422, "702"),
            (SESSIONS, &[KEY, ("idempotency-key", &"k".repeat(65))], valid.clone(), 422, "702"),
            ("POST /v67/sessions", &[KEY], valid.clone(), 404, "000"),
            ("GET /v72/sessions", &[KEY], valid.clone(), 404, "000"),
        ] {
            let (got, answer) = fake.ask(call, headers, &body);
            assert_eq!((got, answer["errorCode"].as_str()), (status, Some(code)), "{call} {body}: {answer}");
            assert_eq!(answer["status"], status);
        }
    }

    #[test]
    fn an_idempotency_key_repeats_the_answer_of_its_body() {
        let mut fake = Fake::new("adyen");
        let headers = [KEY, ("idempotency-key", "k")];
        let first = fake.ask(SESSIONS, &headers, &body(json!({})));
        assert_eq!(fake.ask(SESSIONS, &headers, &body(json!({}))), first);
        let (status, conflict) = fake.ask(SESSIONS, &headers, &body(json!({"reference": "other"})));
        assert_eq!((status, &conflict["errorCode"]), (422, &json!("704")));
    }
}
