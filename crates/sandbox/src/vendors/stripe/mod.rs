//! Stripe, by its OpenAPI document, its 2026 fixtures, the types of its npm package `stripe` 23.1.0 and
//! <https://docs.stripe.com/api>.
//!
//! Over the usual length, as it has six grants and their revocation. Where the SDKs use endpoints that Stripe does not
//! document (`payment_pages`, `elements/sessions`, `terminal/sessions`), only the token is checked.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Pairs, Request, root},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, Issued, TokenError, VendorState},
};
use versions::{ui_modes, version};

mod versions;

const EXAMPLES: &[(&str, &str)] = &[
    ("checkout_session_setup", "{}"),
    ("ephemeral_key", r#"{"customer":"cus_1"}"#),
    ("customer_session", r#"{"customer":"cus_1","components":{"payment_element":{"enabled":true}}}"#),
    ("setup_intent", "{}"),
    ("terminal_connection_token", "{}"),
    ("payment_intent", r#"{"amount":1000,"currency":"EUR"}"#),
];

pub static STRIPE: FakeVendor = FakeVendor {
    name: "stripe",
    credentials: r#"{"api_key": "sk_test_sandbox"}"#,
    secrets: &[],
    request_id: Some("request-id"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "checkout_session_setup",
            allowed: |client| {
                let path = format!("/stripe/v1/payment_pages/{}/confirm", before_secret(&client.token));
                page("save a card in the embedded form", path).form(&[("client_secret", &client.token)])
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "ephemeral_key",
            allowed: |client| customer("read its own customer", client.starting("cus_")).bearer(&client.token),
            forbidden: |client| customer("read another customer", "cus_SomebodyElse").bearer(&client.token),
        },
        TokenUse {
            grant: "customer_session",
            allowed: |client| {
                let path = format!("/stripe/v1/elements/sessions?customer_session_client_secret={}", client.token);
                ClientCall { method: "GET", ..page("list the customer's saved cards", path) }
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "setup_intent",
            allowed: |client| {
                let path = format!("/stripe/v1/setup_intents/{}/confirm", before_secret(&client.token));
                page("confirm the setup", path).form(&[("client_secret", &client.token)])
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "payment_intent",
            allowed: |client| {
                let path = format!("/stripe/v1/payment_intents/{}/confirm", before_secret(&client.token));
                page("pay that intent", path).form(&[("client_secret", &client.token)])
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "terminal_connection_token",
            allowed: |client| {
                ClientCall::new("connect a card reader", "POST", "/stripe/v1/terminal/sessions").bearer(&client.token)
            },
            forbidden: refund,
        },
    ],
};

fn page(title: &'static str, path: String) -> ClientCall {
    ClientCall::new(title, "POST", path).bearer("pk_test_sandbox")
}

fn customer(title: &'static str, id: &str) -> ClientCall {
    ClientCall::new(title, "GET", format!("/stripe/v1/customers/{id}"))
}

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/stripe/v1/refunds").bearer(&client.token);
    call.form(&[("payment_intent", "pi_SomePayment")])
}

fn before_secret(token: &str) -> &str {
    token.split("_secret_").next().unwrap_or(token)
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str, param: Option<&str>) -> Answer {
    let members = [("type", Some(kind)), ("code", code), ("message", Some(message)), ("param", param)];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    Answer::json(status, &json!({"error": Value::Object(members)}))
}

fn invalid(code: Option<&str>, message: &str, param: &str) -> Answer {
    error(400, "invalid_request_error", code, message, Some(param))
}

fn unauthorized(code: Option<&str>, message: &str) -> Answer {
    error(401, "invalid_request_error", code, message, None)
}

fn failure(status: u16) -> Answer {
    let refused = |code, message| error(status, "invalid_request_error", code, message, None);
    match status {
        401 => refused(None, "Invalid API Key provided: sk_test_****cked"),
        403 => refused(
            None,
            "The provided key 'rk_test_****cked' does not have the required permissions for this endpoint.",
        ),
        429 => refused(Some("rate_limit"), "Request rate limit exceeded."),
        500.. => error(status, "api_error", None, "An unknown error occurred.", None),
        _ => refused(None, "The request was refused."),
    }
}

/// A key as Stripe repeats it in a message.
fn masked(key: &str) -> String {
    let tail: Vec<char> = key.chars().rev().take(4).collect();
    format!("{}****{}", key.chars().take(8).collect::<String>(), tail.into_iter().rev().collect::<String>())
}

/// Who calls, by the key.
enum Caller {
    Secret { live: bool },
    Public,
    Customer(String),
    Reader,
}

fn dead(dead: TokenError, token: &str) -> Answer {
    match dead {
        TokenError::Expired => {
            unauthorized(Some("api_key_expired"), &format!("Expired API Key provided: {}", masked(token)))
        }
        TokenError::Unknown | TokenError::Used => {
            unauthorized(None, &format!("Invalid API Key provided: {}", masked(token)))
        }
    }
}

fn caller(request: &Request, state: &mut VendorState) -> Result<(String, Caller), Answer> {
    let basic = || request.basic().filter(|(_, password)| password.is_empty()).map(|(user, _)| user);
    let key = request.bearer().map(str::to_owned).or_else(basic).filter(|key| !key.is_empty());
    let missing = "You did not provide an API key, which belongs into the Authorization header as a Bearer token.";
    let key = key.ok_or_else(|| unauthorized(None, missing))?;
    let starts =
        |prefixes: [&str; 2]| prefixes.iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix));
    let caller = if starts(["sk_test_", "rk_test_"]) {
        Caller::Secret { live: false }
    } else if starts(["sk_live_", "rk_live_"]) {
        Caller::Secret { live: true }
    } else if starts(["pk_test_", "pk_live_"]) {
        Caller::Public
    } else {
        match state.active(&key, &["ephemeral_key", "connection_token"]) {
            Ok(Issued { kind: "ephemeral_key", attributes, .. }) => {
                Caller::Customer(attributes.get("customer").cloned().unwrap_or_default())
            }
            Ok(_) => Caller::Reader,
            Err(reason) => return Err(dead(reason, &key)),
        }
    };
    Ok((key, caller))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let (key, caller) = caller(request, state)?;
    let version = version(request)?;
    if request.header("stripe-account").is_some_and(|account| !account.starts_with("acct_")) {
        let message = "The provided key does not have access to that account (or that account does not exist).";
        return Err(error(403, "invalid_request_error", Some("account_invalid"), message, None));
    }
    let form_type = request.body.is_empty() || request.content_type() == "application/x-www-form-urlencoded";
    if !form_type {
        let message = "Invalid request: the POST content type must be application/x-www-form-urlencoded.";
        return Err(error(400, "invalid_request_error", None, message, None));
    }
    let unrecognized = || {
        let message = format!("Unrecognized request URL ({}: {}).", request.method, request.path);
        error(404, "invalid_request_error", None, &message, None)
    };
    let segments = request.segments();
    match (&caller, request.method.as_str(), segments.as_slice()) {
        (Caller::Secret { live }, "POST", path) => {
            let idempotency_key = request.header("idempotency-key").map(str::to_owned);
            if idempotency_key.as_ref().is_some_and(|it| it.len() > 255) {
                return Err(error(
                    400,
                    "invalid_request_error",
                    None,
                    "Idempotency-Key: at most 255 characters.",
                    None,
                ));
            }
            let scoped = idempotency_key.as_ref().map(|it| format!("{key}\n{it}"));
            let create = |state: &mut VendorState| {
                let made = create(path, &request.form(), request, version, *live, state);
                made.unwrap_or_else(|| Err(unrecognized())).unwrap_or_else(|refusal| refusal)
            };
            let answer = repeatable(state.idempotent(scoped, 86_400, request, create));
            Ok(idempotency_key.into_iter().fold(answer, |answer, key| answer.with("idempotency-key", key)))
        }
        (Caller::Secret { .. }, "DELETE", ["v1", "ephemeral_keys", id]) => Ok(taken_back(id, "deleted", state)?),
        (Caller::Secret { .. }, "GET", ["v1", "customers", id]) => {
            Ok(Answer::json(200, &json!({"id": id, "object": "customer"})))
        }
        (Caller::Customer(own), "GET", ["v1", "customers", id]) if own == id && !own.is_empty() => {
            Ok(Answer::json(200, &json!({"id": id, "object": "customer"})))
        }
        (Caller::Customer(own), "GET", ["v1", "payment_methods"]) if request.query.value("customer") == Some(own) => {
            Ok(Answer::json(
                200,
                &json!({"object": "list", "data": [], "has_more": false, "url": "/v1/payment_methods"}),
            ))
        }
        (Caller::Reader, "POST", ["v1", "terminal", "sessions"]) => {
            if let Ok(token) = state.active(&key, &["connection_token"]) {
                token.used = true;
            }
            Ok(Answer::json(200, &json!({"object": "terminal.session"})))
        }
        (Caller::Public, "POST", ["v1", "payment_pages", id, "confirm"]) => {
            spend("checkout.session", id, request, state)
        }
        (Caller::Public, "POST", ["v1", "setup_intents", id, "confirm"]) => spend("setup_intent", id, request, state),
        (Caller::Public, "POST", ["v1", "payment_intents", id, "confirm"]) => {
            spend("payment_intent", id, request, state)
        }
        (Caller::Public, "GET", ["v1", "elements", "sessions"]) => {
            let secret = request.query.value("customer_session_client_secret").unwrap_or_default();
            state.active(secret, &["customer_session"]).map_err(|reason| dead(reason, secret))?;
            Ok(Answer::json(200, &json!({"object": "elements_session", "customer": {"payment_methods": []}})))
        }
        (Caller::Secret { .. }, ..) => Err(unrecognized()),
        (Caller::Public, ..) => Err(unauthorized(
            Some("secret_key_required"),
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
        )),
        (Caller::Customer(_) | Caller::Reader, ..) => {
            let message = format!("The provided key '{}' does not have the required permissions.", masked(&key));
            Err(error(403, "invalid_request_error", None, &message, None))
        }
    }
}

fn repeatable(once: Idempotent) -> Answer {
    match once {
        Idempotent::First(answer) => answer,
        Idempotent::Replay(answer) => answer.with("idempotent-replayed", "true"),
        Idempotent::Conflict => {
            let message =
                "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            error(400, "idempotency_error", None, message, None)
        }
    }
}

/// A client confirms what its secret is for; that works once.
fn spend(kind: &'static str, id: &str, request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let secret = form.value("client_secret").unwrap_or_default();
    let token = state.active(secret, &[kind]).map_err(|reason| dead(reason, secret))?;
    if token.attribute("id") != id {
        let message = format!("The client_secret does not match the {kind} '{id}'.");
        return Err(invalid(None, &message, "client_secret"));
    }
    token.used = true;
    let status = if kind == "checkout.session" { "complete" } else { "succeeded" };
    Ok(Answer::json(200, &json!({"id": id, "object": kind, "status": status})))
}

/// Ends a token by its id.
fn taken_back(id: &str, status: &str, state: &mut VendorState) -> Handled {
    let missing = || {
        error(404, "invalid_request_error", Some("resource_missing"), &format!("No such object: '{id}'"), Some("id"))
    };
    let token = state.find_token("id", id).filter(|token| !token.used).ok_or_else(missing)?;
    token.used = true;
    Ok(Answer::json(200, &json!({"id": id, "object": token.kind, "status": status})))
}

/// Refuses parameters that are not in the list, and the lack of a required one.
fn check(form: &Pairs, known: &str, required: &[&str]) -> Result<(), Answer> {
    let known = |name: &str| known.split_whitespace().chain(["expand", "metadata"]).any(|it| it == name);
    if let Some((name, _)) = form.0.iter().find(|(name, _)| !known(root(name))) {
        return Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), name));
    }
    if let Some((name, _)) = form.0.iter().find(|(name, value)| value.is_empty() && !name.starts_with("metadata")) {
        return Err(invalid(
            Some("parameter_invalid_empty"),
            &format!("You passed an empty string for '{name}'."),
            name,
        ));
    }
    let metadata: Vec<_> = form.0.iter().filter(|(name, _)| root(name) == "metadata").collect();
    // The brackets and the word around a key are ten characters.
    if metadata.len() > 50
        || metadata.iter().any(|(name, value)| name.chars().count() > 50 || value.chars().count() > 500)
    {
        return Err(invalid(None, "Metadata: at most 50 keys of 40 characters, values of 500 characters.", "metadata"));
    }
    match required.iter().find(|name| !form.has(name)) {
        Some(name) => Err(invalid(Some("parameter_missing"), &format!("Missing required param: {name}."), name)),
        None => exists(form, "customer", "cus_"),
    }
}

/// Every id of the right kind exists, but those with `missing` in them.
fn exists(form: &Pairs, name: &str, prefix: &str) -> Result<(), Answer> {
    match form.value(name) {
        Some(id) if !id.starts_with(prefix) || id.contains("missing") => {
            Err(invalid(Some("resource_missing"), &format!("No such {name}: '{id}'"), name))
        }
        _ => Ok(()),
    }
}

fn one_of(form: &Pairs, name: &str, values: &[&str]) -> Result<(), Answer> {
    match form.value(name) {
        Some(value) if !values.contains(&value) => {
            Err(invalid(None, &format!("Invalid {name}: must be one of {}", values.join(", ")), name))
        }
        _ => Ok(()),
    }
}

fn integer(form: &Pairs, name: &str) -> Result<Option<i64>, Answer> {
    let parse = |value: &str| {
        value
            .parse()
            .map_err(|_| invalid(Some("parameter_invalid_integer"), &format!("Invalid integer: {value}"), name))
    };
    form.value(name).map(parse).transpose()
}

/// What a secret key makes; `None`: no such path.
fn create(
    path: &[&str],
    form: &Pairs,
    request: &Request,
    version: &str,
    live: bool,
    state: &mut VendorState,
) -> Option<Handled> {
    if let Err(refusal) = versions::check(path, form, version) {
        return Some(Err(refusal));
    }
    let made = match path {
        ["v1", "customers"] => new_customer(form, live, state),
        ["v1", "ephemeral_keys"] => ephemeral_key(form, request, live, state),
        ["v1", "checkout", "sessions"] => checkout_session(form, version, live, state),
        ["v1", "customer_sessions"] => customer_session(form, live, state),
        ["v1", "setup_intents"] => setup_intent(form, live, state),
        ["v1", "payment_intents"] => payment_intent(form, live, state),
        ["v1", "terminal", "connection_tokens"] => connection_token(form, live, state),
        ["v1", "refunds"] => check(form, "amount charge payment_intent reason", &[])
            .map(|()| json!({"id": state.random_id("re_", 24), "object": "refund", "status": "succeeded"})),
        ["v1", "checkout", "sessions", id, "expire"] => return Some(taken_back(id, "expired", state)),
        ["v1", "setup_intents" | "payment_intents", id, "cancel"] => return Some(taken_back(id, "canceled", state)),
        _ => return None,
    };
    Some(made.map(|object| Answer::json(200, &object)))
}

fn mode(live: bool) -> &'static str {
    if live { "live" } else { "test" }
}

fn new_customer(form: &Pairs, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "address balance business_name cash_balance coupon description email individual_name invoice_prefix \
        invoice_settings name next_invoice_sequence payment_method phone preferred_locales promotion_code shipping source \
        tax tax_exempt tax_id_data test_clock";
    check(form, known, &[])?;
    Ok(json!({"id": state.random_id("cus_", 14), "object": "customer", "created": state.now, "livemode": live,
        "name": form.value("name"), "email": form.value("email"), "description": form.value("description")}))
}

fn ephemeral_key(form: &Pairs, request: &Request, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    if request.header("stripe-version").is_none() {
        let message =
            "An ephemeral key needs the API version of the client that will use it, in the Stripe-Version header.";
        return Err(error(400, "invalid_request_error", None, message, None));
    }
    check(form, "customer issuing_card nonce verification_session", &[])?;
    exists(form, "issuing_card", "ic_")?;
    exists(form, "verification_session", "vs_")?;
    let subjects = ["customer", "issuing_card", "verification_session"];
    let named: Vec<_> = subjects.into_iter().filter_map(|name| Some((name, form.value(name)?))).collect();
    let [(name, id)] = named.as_slice() else {
        let message = "Give exactly one of customer, issuing_card and verification_session.";
        return Err(invalid(named.is_empty().then_some("parameter_missing"), message, "customer"));
    };
    if *name == "issuing_card" {
        check(form, "issuing_card nonce", &["nonce"])?;
    }
    let (key, expires) = (state.random_id("ephkey_", 24), state.now.saturating_add(3_600));
    let secret = state.random_id(&format!("ek_{}_", mode(live)), 60);
    state.issue(&secret, "ephemeral_key", Some(expires), &[("id", &key), (name, id)]);
    let kind = if *name == "issuing_card" { "issuing.card" } else { name };
    Ok(json!({"id": key, "object": "ephemeral_key", "associated_objects": [{"type": kind, "id": id}],
        "created": state.now, "expires": expires, "livemode": live, "secret": secret}))
}

fn checkout_session(form: &Pairs, version: &str, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax billing_address_collection cancel_url \
        client_reference_id consent_collection currency custom_fields custom_text customer customer_account customer_creation \
        customer_email customer_update discounts expires_at invoice_creation line_items locale mode name_collection \
        optional_items origin_context payment_intent_data payment_method_collection payment_method_configuration \
        payment_method_data payment_method_options payment_method_types permissions phone_number_collection \
        redirect_on_completion return_url saved_payment_method_options setup_intent_data shipping_address_collection \
        shipping_options submit_type subscription_data success_url tax_id_collection ui_mode wallet_options";
    check(form, known, &["mode"])?;
    one_of(form, "mode", &["payment", "setup", "subscription"])?;
    let names = ui_modes(version);
    one_of(form, "ui_mode", names)?;
    one_of(form, "redirect_on_completion", &["always", "if_required", "never"])?;
    one_of(form, "customer_creation", &["always", "if_required"])?;
    let ui_mode = form.value("ui_mode").or(names.first().copied()).unwrap_or_default();
    let (hosted, embedded) = (ui_mode.starts_with("hosted"), ui_mode.starts_with("embedded"));
    let missing = |name: &str| invalid(Some("parameter_missing"), &format!("Missing required param: {name}."), name);
    let not_here = |name: &str| {
        invalid(None, &format!("`{name}` cannot be used with `ui_mode` {ui_mode} and these parameters."), name)
    };
    // The version has one of the two names.
    let named = |name: &str| ["allowed_payment_method_types", "payment_method_types"].contains(&root(name));
    let types: Vec<_> = form.0.iter().filter(|(name, _)| named(name)).map(|(_, it)| it).collect();
    let never = form.value("redirect_on_completion") == Some("never");
    match () {
        () if hosted && !form.has("success_url") => return Err(missing("success_url")),
        () if !hosted && form.has("success_url") => return Err(not_here("success_url")),
        () if hosted && form.has("return_url") || never && form.has("return_url") => {
            return Err(not_here("return_url"));
        }
        () if !embedded && form.has("redirect_on_completion") => return Err(not_here("redirect_on_completion")),
        () if embedded && !never && !form.has("return_url") => return Err(missing("return_url")),
        () if form.value("mode") != Some("setup") && !form.has("line_items") => return Err(missing("line_items")),
        () if !form.has("currency") && types.is_empty() && !form.has("line_items") => {
            return Err(missing("currency"));
        }
        () => {}
    }
    if form.value("client_reference_id").is_some_and(|it| it.chars().count() > 200) {
        return Err(invalid(None, "Invalid string: must be at most 200 characters", "client_reference_id"));
    }
    let expires_at = integer(form, "expires_at")?.unwrap_or(state.now.saturating_add(86_400));
    if !(1_800..=86_400).contains(&expires_at.saturating_sub(state.now)) {
        let message =
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
        return Err(invalid(None, message, "expires_at"));
    }
    let (id, tail) = (state.random_id(&format!("cs_{}_", mode(live)), 58), state.random_id("", 60));
    let client_secret = (!hosted).then(|| format!("{id}_secret_{tail}"));
    state.issue(client_secret.as_ref().unwrap_or(&id), "checkout.session", Some(expires_at), &[("id", &id)]);
    let setup_intent = (form.value("mode") == Some("setup")).then(|| state.random_id("seti_", 24));
    Ok(json!({"id": id, "object": "checkout.session", "mode": form.value("mode"), "ui_mode": ui_mode, "status": "open",
        "client_secret": client_secret, "url": hosted.then(|| format!("https://checkout.stripe.com/c/pay/{id}")),
        "created": state.now, "expires_at": expires_at, "livemode": live, "payment_status": "no_payment_required",
        "payment_method_types": types, "setup_intent": setup_intent,
        "customer": form.value("customer"), "currency": form.value("currency"), "return_url": form.value("return_url"),
        "client_reference_id": form.value("client_reference_id"), "automatic_tax": {"enabled": false, "status": null},
        "custom_fields": [], "custom_text": {}, "shipping_options": [], "metadata": metadata(form)}))
}

fn metadata(form: &Pairs) -> Value {
    let key = |name: &str| name.strip_prefix("metadata[").and_then(|it| it.strip_suffix(']')).map(str::to_owned);
    form.0.iter().filter_map(|(name, value)| Some((key(name)?, json!(value)))).collect::<serde_json::Map<_, _>>().into()
}

fn customer_session(form: &Pairs, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    check(form, "customer customer_account components", &["components"])?;
    if !form.has("customer") && !form.has("customer_account") {
        check(form, "customer components", &["customer"])?;
    }
    let components = [
        "active_entitlements",
        "buy_button",
        "customer_portal",
        "customer_sheet",
        "mobile_payment_element",
        "payment_element",
        "pricing_table",
    ];
    let named = |name: &str| name.strip_prefix("components[").and_then(|it| it.split(']').next()).map(str::to_owned);
    let mut answered = serde_json::Map::new();
    for (name, _) in &form.0 {
        match named(name) {
            Some(component) if !components.contains(&component.as_str()) => {
                return Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), name));
            }
            Some(component) => {
                let param = format!("components[{component}][enabled]");
                let enabled = form.value(&param).ok_or_else(|| {
                    invalid(Some("parameter_missing"), &format!("Missing required param: {param}."), &param)
                })?;
                answered.insert(component, json!({"enabled": enabled == "true"}));
            }
            None => {}
        }
    }
    let (secret, expires_at) = (state.random_id("cuss_secret_", 50), state.now.saturating_add(1_800));
    let customer = form.value("customer");
    state.issue(&secret, "customer_session", Some(expires_at), &[("customer", customer.unwrap_or_default())]);
    Ok(json!({"object": "customer_session", "client_secret": secret, "customer": customer, "created": state.now,
        "expires_at": expires_at, "livemode": live, "components": answered}))
}

fn setup_intent(form: &Pairs, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "allowed_payment_method_types attach_to_self automatic_payment_methods confirm confirmation_token customer customer_account description \
        excluded_payment_method_types flow_directions mandate_data on_behalf_of payment_method payment_method_configuration \
        payment_method_data payment_method_options payment_method_types return_url single_use usage use_stripe_sdk";
    check(form, known, &[])?;
    one_of(form, "usage", &["off_session", "on_session"])?;
    Ok(intent("seti_", "setup_intent", form, live, state))
}

fn payment_intent(form: &Pairs, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "allowed_payment_method_types amount application_fee_amount automatic_payment_methods capture_method confirm confirmation_method currency \
        customer customer_account description error_on_requires_action mandate mandate_data off_session on_behalf_of \
        payment_method payment_method_configuration payment_method_data payment_method_options payment_method_types \
        radar_options receipt_email return_url setup_future_usage shipping statement_descriptor \
        statement_descriptor_suffix transfer_data transfer_group use_stripe_sdk";
    check(form, known, &["amount", "currency"])?;
    if integer(form, "amount")?.is_some_and(|amount| amount < 1) {
        return Err(invalid(
            Some("parameter_invalid_integer"),
            "This value must be greater than or equal to 1.",
            "amount",
        ));
    }
    if form.value("currency").is_some_and(|it| it.len() != 3) {
        return Err(invalid(None, "Invalid currency: three letters are expected", "currency"));
    }
    Ok(intent("pi_", "payment_intent", form, live, state))
}

fn intent(prefix: &str, kind: &'static str, form: &Pairs, live: bool, state: &mut VendorState) -> Value {
    let id = state.random_id(prefix, 24);
    let secret = state.random_id(&format!("{id}_secret_"), 25);
    state.issue(&secret, kind, None, &[("id", &id)]);
    json!({"id": id, "object": kind, "client_secret": secret, "status": "requires_payment_method", "created": state.now,
        "livemode": live, "amount": integer(form, "amount").ok().flatten(), "currency": form.value("currency"),
        "customer": form.value("customer"), "usage": form.value("usage"), "metadata": metadata(form)})
}

fn connection_token(form: &Pairs, live: bool, state: &mut VendorState) -> Result<Value, Answer> {
    check(form, "location", &[])?;
    exists(form, "location", "tml_")?;
    let secret = state.random_id(&format!("pst_{}_", mode(live)), 40);
    state.issue(&secret, "connection_token", None, &[]);
    let mut token = json!({"object": "terminal.connection_token", "secret": secret});
    if let (Some(token), Some(location)) = (token.as_object_mut(), form.value("location")) {
        token.insert("location".to_owned(), json!(location));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fake, NOW};
    use serde_json::{Value, json};

    const KEY: (&str, &str) = ("authorization", "Bearer sk_test_madeup");
    const OLD: (&str, &str) = ("stripe-version", "2025-06-30.basil");
    const SESSIONS: &str = "POST /v1/checkout/sessions";
    const SETUP: &str =
        "mode=setup&ui_mode=embedded_page&allowed_payment_method_types[0]=card&redirect_on_completion=never";

    fn made(fake: &mut Fake, path: &str, body: &str) -> Value {
        let (status, object) = fake.ask(&format!("POST /v1/{path}"), &[KEY, OLD], body);
        assert_eq!(status, 200, "{path} {body}: {object}");
        assert_ne!(object.get("livemode"), Some(&json!(true)));
        object
    }

    #[test]
    fn every_grant_does_what_it_is_for() {
        let mut fake = Fake::new("stripe");
        let body =
            "mode=setup&ui_mode=embedded&payment_method_types[0]=card&redirect_on_completion=never&metadata[a]=b";
        let session = made(&mut fake, "checkout/sessions", body);
        assert_eq!((session["expires_at"].as_i64(), &session["metadata"]), (Some(NOW + 86_400), &json!({"a": "b"})));
        fake.check_token_use("checkout_session_setup", &session["client_secret"], &[], Some(86_400));
        fake.state.now = NOW;
        let key = made(&mut fake, "ephemeral_keys", "customer=cus_1");
        assert_eq!(key["expires"], NOW + 3_600);
        fake.check_token_use("ephemeral_key", &key["secret"], &["cus_1"], Some(3_600));
        fake.state.now = NOW;
        let session = made(&mut fake, "customer_sessions", "customer=cus_1&components[payment_element][enabled]=true");
        fake.check_token_use("customer_session", &session["client_secret"], &[], Some(1_800));
        let intent = made(&mut fake, "setup_intents", "usage=off_session&automatic_payment_methods[enabled]=true");
        fake.check_token_use("setup_intent", &intent["client_secret"], &[], None);
        let intent = made(&mut fake, "payment_intents", "amount=100&currency=eur");
        fake.check_token_use("payment_intent", &intent["client_secret"], &[], None);
        let token = made(&mut fake, "terminal/connection_tokens", "");
        fake.check_token_use("terminal_connection_token", &token["secret"], &[], None);
        made(&mut fake, "refunds", "payment_intent=pi_1");
        let key = made(&mut fake, "ephemeral_keys", "verification_session=vs_1");
        let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
        assert_eq!(fake.ask("GET /v1/customers/", &[("authorization", &bearer)], "").0, 403, "a key of no customer");
        assert!(made(&mut fake, "customers", "")["id"].as_str().is_some_and(|id| id.starts_with("cus_")));
    }

    #[test]
    fn refuses_as_stripe_does() {
        let mut fake = Fake::new("stripe");
        let soon = format!("{SETUP}&expires_at={}", NOW + 1_799);
        let late = format!("{SETUP}&expires_at={}", NOW + 86_401);
        let elements = "mode=setup&ui_mode=elements&allowed_payment_method_types[0]=card";
        for (call, headers, body, status, code, param) in [
            (SESSIONS, &[][..], SETUP, 401, "", ""),
            (SESSIONS, &[("authorization", "Bearer pk_test_a")], SETUP, 401, "secret_key_required", ""),
            (SESSIONS, &[("authorization", "Bearer whatever")], SETUP, 401, "", ""),
            (SESSIONS, &[("authorization", "Bearer sk_test_")], SETUP, 401, "", ""),
            (SESSIONS, &[KEY, ("content-type", "application/json")], SETUP, 400, "", ""),
            (SESSIONS, &[KEY, ("stripe-account", "1")], SETUP, 403, "account_invalid", ""),
            (SESSIONS, &[KEY], "", 400, "parameter_missing", "mode"),
            (SESSIONS, &[KEY], "mode=setup&colour=red", 400, "parameter_unknown", "colour"),
            (SESSIONS, &[KEY], "mode=", 400, "parameter_invalid_empty", "mode"),
            (SESSIONS, &[KEY], "mode=sell", 400, "", "mode"),
            (SESSIONS, &[KEY, OLD], "mode=setup&ui_mode=embedded_page", 400, "", "ui_mode"),
            (SESSIONS, &[KEY], "mode=setup&ui_mode=embedded", 400, "", "ui_mode"),
            (SESSIONS, &[KEY], "mode=setup&currency=eur", 400, "parameter_missing", "success_url"),
            (SESSIONS, &[KEY], "mode=setup&ui_mode=embedded_page&currency=eur", 400, "parameter_missing", "return_url"),
            (SESSIONS, &[KEY], "mode=setup&ui_mode=elements", 400, "parameter_missing", "currency"),
            (SESSIONS, &[KEY], &format!("{SETUP}&return_url=https://a.example"), 400, "", "return_url"),
            (SESSIONS, &[KEY], &format!("{elements}&redirect_on_completion=never"), 400, "", "redirect_on_completion"),
            (SESSIONS, &[KEY], &format!("{SETUP}&expires_at=soon"), 400, "parameter_invalid_integer", "expires_at"),
            (SESSIONS, &[KEY], &soon, 400, "", "expires_at"),
            (SESSIONS, &[KEY], &late, 400, "", "expires_at"),
            (SESSIONS, &[KEY], &format!("{SETUP}&customer=cus_missing"), 400, "resource_missing", "customer"),
            (
                SESSIONS,
                &[KEY],
                &format!("{SETUP}&client_reference_id={}", "x".repeat(201)),
                400,
                "",
                "client_reference_id",
            ),
            (SESSIONS, &[KEY], &format!("{SETUP}&metadata[a]={}", "x".repeat(501)), 400, "", "metadata"),
            ("POST /v1/ephemeral_keys", &[KEY], "customer=cus_1", 400, "", ""),
            ("POST /v1/ephemeral_keys", &[KEY, OLD], "", 400, "parameter_missing", "customer"),
            ("POST /v1/ephemeral_keys", &[KEY, OLD], "issuing_card=ic_1", 400, "parameter_missing", "nonce"),
            ("POST /v1/customer_sessions", &[KEY], "customer=cus_1", 400, "parameter_missing", "components"),
            (
                "POST /v1/customer_sessions",
                &[KEY],
                "components[pricing_table][enabled]=true",
                400,
                "parameter_missing",
                "customer",
            ),
            (
                "POST /v1/customer_sessions",
                &[KEY],
                "customer=cus_1&components[no][enabled]=true",
                400,
                "parameter_unknown",
                "components[no][enabled]",
            ),
            ("POST /v1/setup_intents", &[KEY], "usage=often", 400, "", "usage"),
            ("POST /v1/payment_intents", &[KEY], "amount=1", 400, "parameter_missing", "currency"),
            ("POST /v1/payment_intents", &[KEY], "amount=0&currency=eur", 400, "parameter_invalid_integer", "amount"),
            ("POST /v1/terminal/connection_tokens", &[KEY], "location=here", 400, "resource_missing", "location"),
            ("POST /v1/nothing", &[KEY], "", 404, "", ""),
            ("GET /v1/checkout/sessions", &[KEY], "", 404, "", ""),
        ] {
            let (got, answer) = fake.ask(call, headers, body);
            let member = |name: &str| answer["error"][name].as_str().unwrap_or_default();
            assert_eq!((got, member("code"), member("param")), (status, code, param), "{call} {body}: {answer}");
            assert!(!member("message").is_empty() && member("type") == "invalid_request_error", "{call} {body}");
        }
    }

    #[test]
    fn the_bounds_of_a_session_are_good() {
        for seconds in [1_800, 86_400] {
            let body = format!("{SETUP}&expires_at={}", NOW + seconds);
            assert_eq!(Fake::new("stripe").ask(SESSIONS, &[KEY], &body).0, 200, "{seconds}");
        }
    }

    #[test]
    fn the_key_decides_between_test_and_live() {
        use base64::Engine;
        let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode("rk_live_madeup:"));
        let (_, session) = Fake::new("stripe").ask(SESSIONS, &[("authorization", &basic)], SETUP);
        assert_eq!(session["livemode"], true);
        assert!(
            session["client_secret"].as_str().is_some_and(|it| it.starts_with("cs_live_") && it.contains("_secret_"))
        );
    }

    #[test]
    fn an_idempotency_key_repeats_the_answer_of_its_parameters() {
        let mut fake = Fake::new("stripe");
        let headers = [KEY, ("idempotency-key", "k")];
        assert_eq!(fake.ask(SESSIONS, &headers, "mode=sell").0, 400, "not kept");
        let first = fake.ask(SESSIONS, &headers, SETUP);
        assert_eq!(fake.ask(SESSIONS, &headers, SETUP), first);
        assert!(fake.send(SESSIONS, &headers, SETUP).headers.contains(&("idempotent-replayed", "true".to_owned())));
        let (status, conflict) = fake.ask(SESSIONS, &headers, &format!("{SETUP}&customer=cus_1"));
        assert_eq!((status, &conflict["error"]["type"]), (400, &json!("idempotency_error")));
        let other = [("authorization", "Bearer sk_test_other"), ("idempotency-key", "k")];
        assert_ne!(fake.ask(SESSIONS, &other, SETUP).1["id"], first.1["id"], "keys are each account's own");
        assert_ne!(fake.ask(SESSIONS, &[KEY], SETUP), fake.ask(SESSIONS, &[KEY], SETUP));
    }

    #[test]
    fn what_is_taken_back_is_dead() {
        let mut fake = Fake::new("stripe");
        let key = made(&mut fake, "ephemeral_keys", "customer=cus_1");
        let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
        let read = |fake: &mut Fake| fake.ask("GET /v1/customers/cus_1", &[("authorization", &bearer)], "").0;
        assert_eq!(read(&mut fake), 200);
        let delete = format!("DELETE /v1/ephemeral_keys/{}", key["id"].as_str().unwrap());
        assert_eq!(
            (fake.ask(&delete, &[KEY], "").0, read(&mut fake), fake.ask(&delete, &[KEY], "").0),
            (200, 401, 404)
        );
        let (_, session) = fake.ask(SESSIONS, &[KEY], SETUP);
        let expire = format!("POST /v1/checkout/sessions/{}/expire", session["id"].as_str().unwrap());
        assert_eq!(fake.ask(&expire, &[KEY], "").1["status"], "expired");
    }
}
