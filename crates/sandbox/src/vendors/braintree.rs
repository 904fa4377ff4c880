//! Braintree's GraphQL API and its gateway: client tokens, and what the browser's SDK asks first.
//!
//! Written from the vendor's published schema, npm braintree 3.40.0 (the gateway's call, OAuth access
//! tokens) and npm braintree-web 3.144.0 (the client configuration). A refusal of GraphQL has status
//! 200 and `errors`.
//! The file is over 400 lines because the two APIs share their tokens.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    graphql::{self, Field, UnknownField},
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const MERCHANT: &str = "sandboxmerchant";
const CLIENT_API: &str = "https://api.sandbox.braintreegateway.com:443/merchants/sandboxmerchant/client_api";
const ASSETS: &str = "https://assets.braintreegateway.com";

const EXAMPLES: &[(&str, &str)] = &[
    ("client_token", "{}"),
    ("gateway_client_token", r#"{"merchant_id": "sandboxmerchant", "customer_id": "c", "verify_card": true}"#),
];

pub(super) static BRAINTREE: FakeVendor = FakeVendor {
    name: "braintree",
    credentials: r#"{"public_key": "sandbox_public", "private_key": "sandbox_private"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse { grant: "client_token", allowed: tokenize_a_card, forbidden: refund },
        TokenUse { grant: "gateway_client_token", allowed: tokenize_a_card, forbidden: refund },
    ],
};

fn tokenize_a_card(client: &ClientToken) -> ClientCall {
    let query = "mutation Tokenize($input: TokenizeCreditCardInput!) { tokenizeCreditCard(input: $input) { paymentMethod { id usage } } }";
    let card = json!({"number": "4111111111111111", "expirationYear": "2030", "expirationMonth": "12"});
    client_call("tokenize a card", query, &json!({"input": {"creditCard": card}}), client)
}

fn refund(client: &ClientToken) -> ClientCall {
    let query =
        "mutation Refund($input: RefundTransactionInput!) { refundTransaction(input: $input) { refund { id } } }";
    client_call("refund a transaction", query, &json!({"input": {"transactionId": "some-transaction"}}), client)
}

/// A call of the SDKs: the fingerprint inside the client token is the bearer token.
fn client_call(title: &'static str, query: &str, variables: &Value, client: &ClientToken) -> ClientCall {
    let inside = BASE64_STANDARD
        .decode(&client.token)
        .ok()
        .and_then(|it| serde_json::from_slice::<Value>(&it).ok())
        .unwrap_or_default();
    let fingerprint = inside.get("authorizationFingerprint").and_then(Value::as_str).unwrap_or_default();
    let call = ClientCall::new(title, "POST", "/braintree/graphql").bearer(fingerprint);
    call.header("braintree-version", "2019-01-01").json(&json!({"query": query, "variables": variables}))
}

fn error(status: u16, class: Option<&str>, code: Option<&str>, message: &str, state: &mut VendorState) -> Answer {
    let mut error = json!({"message": message});
    if let (Some(class), Some(error)) = (class, error.as_object_mut()) {
        let kind = if class == "NOT_FOUND" || class == "VALIDATION" { "user_error" } else { "developer_error" };
        let mut extensions = json!({"errorClass": class, "errorType": kind});
        extensions.as_object_mut().and_then(|it| it.insert("legacyCode".to_owned(), json!(code?)));
        error.insert("extensions".to_owned(), extensions);
    }
    Answer::json(
        status,
        &json!({"data": null, "errors": [error], "extensions": {"requestId": state.random_id("", 36)}}),
    )
}

/// GraphQL answers 200 with errors; the gateway answers with the status.
fn failure(status: u16, state: &mut VendorState) -> Answer {
    if state.path.ends_with("/client_token") {
        return Answer::of(status, "application/xml", String::new());
    }
    match status {
        401 => error(200, Some("AUTHENTICATION"), None, "Authentication credentials are invalid", state),
        403 => error(200, Some("AUTHORIZATION"), None, "The key may not do this", state),
        429 => error(200, Some("RESOURCE_LIMIT"), None, "Too many requests", state),
        500 => error(500, Some("INTERNAL"), None, "An internal error occurred", state),
        501.. => error(status, Some("SERVICE_AVAILABILITY"), None, "The service is not available", state),
        _ => error(status, None, None, "The request was refused", state),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    // A merchant sends a key pair or an OAuth access token, a client a fingerprint.
    let merchant = merchant(request);
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["graphql"]) => {}
        ("POST", ["merchants", id, "client_token"]) => return gateway(request, id, merchant.as_deref(), state),
        _ => return Err(Answer::text(404, "Not Found")),
    }
    if merchant.is_none() && request.bearer().is_none_or(|token| state.active(token, &["client_token"]).is_err()) {
        return Err(failure(401, state));
    }
    if request.header("braintree-version").is_none_or(|it| it.len() != 10 || it.parse::<jiff::civil::Date>().is_err()) {
        return Err(error(
            200,
            Some("VALIDATION"),
            None,
            "The Braintree-Version header must be a date, YYYY-MM-DD",
            state,
        ));
    }
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let variables = body.get("variables").cloned().unwrap_or_default();
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let parsed = graphql::parse(query, &variables);
    let [field] = parsed.as_ref().map(|(_, fields)| fields.as_slice()).unwrap_or_default() else {
        return Err(error(200, None, None, "The body has no query of one field that could be read", state));
    };
    let kind = parsed.as_ref().map_or("", |(kind, _)| kind.as_str());
    let made = match (kind, field.name.as_str(), &merchant) {
        ("query", "ping", _) => json!("pong"),
        ("mutation", "tokenizeCreditCard", _) => tokenize(field, state)?,
        ("query", "clientConfiguration", _) => configuration(),
        ("mutation", "createClientToken", Some(merchant)) => client_token(request, field, merchant, state)?,
        ("mutation", "refundTransaction", Some(_)) => {
            json!({"refund": {"id": state.random_id("", 12), "status": "SUBMITTED_FOR_SETTLEMENT"}})
        }
        ("mutation", "createClientToken" | "refundTransaction", None) => return Err(failure(403, state)),
        (_, name, _) => return Err(undefined(name, kind, state)),
    };
    let selected =
        graphql::select(&made, &field.fields).map_err(|UnknownField(name)| undefined(&name, &field.name, state))?;
    let data = json!({(field.alias.as_str()): selected});
    Ok(Answer::json(200, &json!({"data": data, "extensions": {"requestId": state.random_id("", 36)}})))
}

fn undefined(name: &str, within: &str, state: &mut VendorState) -> Answer {
    error(200, None, None, &format!("Field '{name}' is not defined in '{within}'"), state)
}

/// Refuses the members of an input that are not in the schema.
fn known(value: &Value, kind: &str, members: &[&str], state: &mut VendorState) -> Result<(), Answer> {
    let unknown = match value {
        Value::Null => None,
        Value::Object(value) => value.keys().find(|name| !members.contains(&name.as_str())).cloned(),
        _ => Some("(not an object)".to_owned()),
    };
    let message =
        |name| format!("Variable 'input' has an invalid value: '{name}' is not defined for input object type '{kind}'");
    unknown.map_or(Ok(()), |name| Err(error(200, None, None, &message(name), state)))
}

/// The public key, or the merchant of an OAuth access token of the sandbox.
fn merchant(request: &Request) -> Option<String> {
    let of_keys = request.basic().filter(|(public, private)| !public.is_empty() && !private.is_empty());
    let of_token = || request.bearer()?.strip_prefix("access_token$sandbox$")?.split_once('$');
    of_keys.map(|(public, _)| public).or_else(|| of_token().map(|(merchant, _)| merchant.to_owned()))
}

/// The first question of the browser's SDK. What this merchant does not have is null.
fn configuration() -> Value {
    let mut answer = json!({"environment": "SANDBOX", "merchantId": MERCHANT, "clientApiUrl": CLIENT_API,
        "assetsUrl": ASSETS, "analyticsUrl": "https://origin-analytics-sand.sandbox.braintree-api.com/sandboxmerchant",
        "creditCard": {"supportedCardBrands": ["VISA", "MASTERCARD"], "challenges": [], "threeDSecureEnabled": false,
            "threeDSecure": null},
        "supportedFeatures": ["TOKENIZE_CREDIT_CARDS"]});
    let absent = [
        "applePayWeb",
        "fastlane",
        "googlePay",
        "ideal",
        "masterpass",
        "openBanking",
        "paypal",
        "unionPay",
        "usBankAccount",
        "venmo",
        "visaCheckout",
        "braintreeApi",
    ];
    if let Some(members) = answer.as_object_mut() {
        members.extend(absent.map(|name| (name.to_owned(), Value::Null)));
    }
    answer
}

/// The gateway's own call: JSON or XML in, XML out. The fake reads JSON only, as the Node SDK sends.
fn gateway(request: &Request, id: &str, merchant: Option<&str>, state: &mut VendorState) -> Handled {
    let xml = |status, text: &str| Answer::of(status, "application/xml", text.to_owned());
    let refuse = |status, code: &str, message: &str| {
        let errors = format!(
            "<errors><errors type=\"array\"><error><code>{code}</code><message>{message}</message></error></errors></errors>"
        );
        Err(xml(status, &format!("<api-error-response>{errors}<message>{message}</message></api-error-response>")))
    };
    let Some(merchant) = merchant else { return Err(Answer::of(401, "application/xml", String::new())) };
    if request.header("x-apiversion").is_none() || request.header("accept") != Some("application/xml") {
        return Err(Answer::of(426, "application/xml", String::new()));
    }
    if id != MERCHANT {
        return Err(Answer::of(403, "application/xml", String::new()));
    }
    let body = request.json().unwrap_or_default();
    let asked = body.get("client_token").cloned().unwrap_or_default();
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    if asked.get("version").and_then(Value::as_i64).is_none_or(|version| !(1..=3).contains(&version)) {
        return refuse(422, "92806", "Version is invalid");
    }
    if asked.get("options").is_some() && text("customer_id").is_none() {
        return refuse(422, "92801", "Options need a customer id");
    }
    if text("customer_id").is_some_and(|customer| customer.contains("missing")) {
        return refuse(422, "92804", "Customer specified by customer_id does not exist");
    }
    let token = issue(request, text("merchant_account_id"), text("customer_id"), merchant, state);
    Ok(xml(201, &format!("<?xml version=\"1.0\"?>\n<client-token>\n  <value>{token}</value>\n</client-token>\n")))
}

fn client_token(request: &Request, field: &Field, merchant: &str, state: &mut VendorState) -> Result<Value, Answer> {
    let empty = Value::Null;
    let input = field.arguments.get("input").unwrap_or(&empty);
    known(input, "CreateClientTokenInput", &["clientMutationId", "clientToken"], state)?;
    let options = input.get("clientToken").unwrap_or(&empty);
    known(options, "ClientTokenInput", &["merchantAccountId", "customerId", "domains"], state)?;
    let text = |value: &Value, name: &str| value.get(name).is_none_or(|it| it.is_null() || it.is_string());
    let domains = options
        .get("domains")
        .is_none_or(|it| it.is_null() || it.as_array().is_some_and(|list| list.iter().all(Value::is_string)));
    if !text(input, "clientMutationId")
        || !text(options, "merchantAccountId")
        || !text(options, "customerId")
        || !domains
    {
        return Err(error(200, None, None, "Variable 'input' has a value of the wrong type", state));
    }
    let member = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if member(input, "clientMutationId").is_some_and(|id| id.chars().count() > 255) {
        return Err(error(200, Some("VALIDATION"), None, "clientMutationId has at most 255 characters", state));
    }
    let (account, customer) = (member(options, "merchantAccountId"), member(options, "customerId"));
    if customer.as_ref().is_some_and(|id| id.contains("missing")) {
        let message = "Customer specified by customer_id does not exist";
        return Err(error(200, Some("VALIDATION"), Some("92804"), message, state));
    }
    let token = issue(request, account.as_deref(), customer.as_deref(), merchant, state);
    Ok(json!({"clientToken": token, "clientMutationId": member(input, "clientMutationId")}))
}

/// A new client token, whose addresses are this sandbox's where the SDK calls it.
fn issue(
    request: &Request,
    account: Option<&str>,
    customer: Option<&str>,
    merchant: &str,
    state: &mut VendorState,
) -> String {
    let expires_at = state.now.saturating_add(86_400);
    let claims = json!({"exp": expires_at, "jti": state.random_id("", 36), "sub": MERCHANT,
        "iss": "https://api.sandbox.braintreegateway.com",
        "merchant": {"public_id": MERCHANT, "verify_card_by_default": false}, "rights": ["manage_vault"],
        "scope": ["Braintree:Vault"], "options": {"merchant_account_id": account, "customer_id": customer}});
    let fingerprint = state.jwt("ES256", &claims);
    let attributes = [("customer", customer.unwrap_or_default()), ("public_key", merchant)];
    state.issue(&fingerprint, "client_token", Some(expires_at), &attributes);
    let graph = request.header("host").map(|host| format!("http://{host}/braintree/graphql"));
    let graph = graph.unwrap_or_else(|| "https://payments.sandbox.braintree-api.com/graphql".to_owned());
    let token = json!({"version": 2, "authorizationFingerprint": fingerprint, "environment": "sandbox",
        "merchantId": MERCHANT, "configUrl": format!("{CLIENT_API}/v1/configuration"), "clientApiUrl": CLIENT_API,
        "assetsUrl": ASSETS,
        "graphQL": {"url": graph, "date": "2018-05-08", "features": ["tokenize_credit_cards"]}});
    BASE64_STANDARD.encode(token.to_string())
}

fn tokenize(field: &Field, state: &mut VendorState) -> Result<Value, Answer> {
    let number = field.arguments.get("input").and_then(|input| input.pointer("/creditCard/number"));
    if !number.and_then(Value::as_str).is_some_and(|it| (12..=19).contains(&it.len())) {
        return Err(error(200, Some("VALIDATION"), Some("81714"), "Credit card number is required", state));
    }
    Ok(json!({"paymentMethod": {"id": state.random_id("tokencc_", 32), "usage": "SINGLE_USE"}}))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fake, NOW};
    use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    const HEADERS: [(&str, &str); 2] = [("authorization", "Basic YTpi"), ("braintree-version", "2019-01-01")];
    const QUERY: &str = "mutation M($input: CreateClientTokenInput) { createClientToken(input: $input) { clientToken clientMutationId } }";

    fn ask(headers: &[(&str, &str)], query: &str, input: Value) -> Value {
        let body = json!({"query": query, "variables": {"input": input}}).to_string();
        Fake::new("braintree").ask("POST /graphql", headers, &body).1
    }

    #[test]
    fn a_client_token_tokenizes_for_a_day() {
        let mut fake = Fake::new("braintree");
        let input = json!({"clientMutationId": "tok_1", "clientToken": {"customerId": "c", "domains": ["a.example"]}});
        let body = json!({"query": QUERY, "variables": {"input": input}}).to_string();
        let (status, body) = fake.ask("POST /graphql", &HEADERS, &body);
        let made = &body["data"]["createClientToken"];
        assert_eq!((status, &made["clientMutationId"]), (200, &json!("tok_1")), "{body}");
        let inside: Value =
            serde_json::from_slice(&BASE64_STANDARD.decode(made["clientToken"].as_str().unwrap()).unwrap()).unwrap();
        let parts: Vec<_> = inside["authorizationFingerprint"].as_str().unwrap().split('.').collect();
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!((parts.len(), &claims["exp"]), (3, &json!(NOW + 86_400)));
        fake.check_token_use("client_token", &made["clientToken"], &[], Some(86_400));
    }

    #[test]
    fn accepts_the_input_inline_and_in_variables() {
        for query in [
            "mutation { createClientToken { clientToken } }",
            "mutation { it: createClientToken(input: {clientToken: {merchantAccountId: \"m\"}}) { clientToken } }",
        ] {
            let answer = ask(&HEADERS, query, Value::Null);
            let data =
                answer["data"].as_object().and_then(|data| data.values().next()).unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(data.as_object().map(|it| it.len()), Some(1), "only what was selected");
        }
    }

    #[test]
    fn a_key_pair_may_refund() {
        let answer =
            ask(&HEADERS, "mutation R($input: I!) { refundTransaction(input: $input) { refund { id } } }", json!({}));
        assert!(answer["data"]["refundTransaction"]["refund"]["id"].is_string());
    }

    #[test]
    fn refuses_faulty_requests() {
        let no_version = [HEADERS[0]];
        let bearer = [("authorization", "Bearer a.b.c"), HEADERS[1]];
        let wrong_type = [HEADERS[0], HEADERS[1], ("content-type", "text/plain")];
        for (headers, query, input, class) in [
            (&[HEADERS[1]][..], QUERY, json!({}), Some("AUTHENTICATION")),
            (&bearer, QUERY, json!({}), Some("AUTHENTICATION")),
            (&no_version, QUERY, json!({}), Some("VALIDATION")),
            (&wrong_type, QUERY, json!({}), None),
            (&HEADERS, "mutation {", json!({}), None),
            (&HEADERS, "query { createClientToken { clientToken } }", json!({}), None),
            (&HEADERS, "mutation { createClientToken { token } }", json!({}), None),
            (&HEADERS, QUERY, json!({"token": 1}), None),
            (&HEADERS, QUERY, json!({"clientToken": {"version": 2}}), None),
            (&HEADERS, QUERY, json!({"clientToken": {"domains": "a.example"}}), None),
            (&HEADERS, QUERY, json!({"clientMutationId": "x".repeat(256)}), Some("VALIDATION")),
            (&HEADERS, QUERY, json!({"clientToken": {"customerId": "missing"}}), Some("VALIDATION")),
        ] {
            let answer = ask(headers, query, input.clone());
            assert_eq!(answer["errors"][0]["extensions"]["errorClass"].as_str(), class, "{query} {input}: {answer}");
            assert!(answer["errors"][0]["message"].is_string() && answer["data"].is_null());
        }
    }

    #[test]
    fn the_gateway_answers_in_xml() {
        let mut fake = Fake::new("braintree");
        let call = "POST /merchants/sandboxmerchant/client_token";
        let headers = [HEADERS[0], ("x-apiversion", "6"), ("accept", "application/xml")];
        let body = r#"{"client_token": {"version": 2, "customer_id": "c", "options": {"verify_card": true}}}"#;
        let answer = fake.send(call, &headers, body);
        let token = answer.body.split_once("<value>").and_then(|(_, rest)| rest.split_once("</value>")).unwrap().0;
        fake.check_token_use("gateway_client_token", &json!(token), &[], Some(86_400));
        let oauth = [("authorization", "Bearer access_token$sandbox$sandboxmerchant$1"), headers[1], headers[2]];
        for (call, headers, body, status) in [
            (call, &oauth[..], body, 201),
            (call, &headers[1..], body, 401),
            (call, &headers[..1], body, 426),
            ("POST /merchants/another/client_token", &headers, body, 403),
            (call, &headers, r#"{"client_token": {"version": 9}}"#, 422),
            (call, &headers, r#"{"client_token": {"version": 2, "options": {"verify_card": true}}}"#, 422),
        ] {
            assert_eq!(fake.send(call, headers, body).status, status, "{call} {headers:?} {body}");
        }
    }

    /// npm braintree-web 3.144.0 sends this first, with the fingerprint.
    #[test]
    fn a_client_gets_its_configuration() {
        let mut fake = Fake::new("braintree");
        fake.state.issue("f", "client_token", None, &[]);
        let query = "query ClientConfiguration { clientConfiguration { environment creditCard { challenges threeDSecure { cardinalSongbirdUrl } } venmo { merchantId } supportedFeatures } }";
        let headers = [("authorization", "Bearer f"), ("braintree-version", "2018-05-10")];
        let body = json!({"query": query, "operationName": "ClientConfiguration"}).to_string();
        let (_, answer) = fake.ask("POST /graphql", &headers, &body);
        let made = &answer["data"]["clientConfiguration"];
        assert_eq!((&made["environment"], &made["venmo"]), (&json!("SANDBOX"), &Value::Null), "{answer}");
        assert_eq!(made["creditCard"], json!({"challenges": [], "threeDSecure": null}));
    }

    #[test]
    fn a_client_may_not_make_tokens_or_refund() {
        let mut fake = Fake::new("braintree");
        fake.state.issue("f", "client_token", None, &[]);
        let body = json!({"query": QUERY}).to_string();
        let (_, answer) = fake.ask("POST /graphql", &[("authorization", "Bearer f"), HEADERS[1]], &body);
        assert_eq!(answer["errors"][0]["extensions"]["errorClass"], "AUTHORIZATION");
    }
}
