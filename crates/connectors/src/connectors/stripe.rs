//! Stripe: several narrow secrets for Stripe.js, the mobile SDKs and card readers. The file is over
//! 400 lines because the API has six such grants, each with a function of its own.
//! <https://docs.stripe.com/api>

use crate::prelude::*;

/// The version that is spoken unless the grant's `stripe_version` says otherwise.
const VERSION: &str = "2026-10-28.endive";

/// The versions that brought `allowed_payment_method_types`, by the changelog of the npm package
/// `stripe` (23.0.0 and 22.4.0). 2026-09-30.endive refuses `payment_method_types` in all three
/// calls.
const ALLOWED_TYPES_IN_CHECKOUT: &str = "2026-09-30";
const ALLOWED_TYPES_IN_INTENTS: &str = "2026-07-29";

/// Keys that cannot make tokens here, and why.
const UNUSABLE_KEYS: &[(&str, &str)] = &[
    ("pk_", "a publishable key makes no tokens; give a secret or restricted key"),
    ("sk_org_", "an organization key needs a Stripe-Context header, which is not sent; give an account's key"),
];

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const ACCOUNT: Input = Input::text("stripe_account");
const CUSTOMER: Input = Input::text("customer");
const STRIPE_VERSION: Input = Input::text("stripe_version");
/// For whom or what an ephemeral key can be.
const SUBJECTS: [&str; 4] = ["customer", "issuing_card", "nonce", "verification_session"];
const PAYMENT_METHOD_TYPES: Input = Input::texts("payment_method_types");

pub(super) struct Stripe;

impl Connector for Stripe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "stripe",
        name: "Stripe",
        docs: "https://docs.stripe.com/api",
        unconfirmed: &[
            "The lifetime of a Customer Session (about 30 minutes); each answer carries its own.",
            "Organization keys (sk_org_…) need a Stripe-Context header, so they are refused.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.stripe.com", "https://api.stripe.com")],
        credentials: &[required("api_key")],
        grants: &[
            client_grant(
                "checkout_session_setup",
                "show the embedded form and save one payment method; no charge, no reading of data",
                Lifetime::Settable { min: 1800, default: 3600, max: 86_400 },
                checkout_session_setup,
            )
            .by_default()
            .inputs(&[
                CUSTOMER,
                ACCOUNT,
                PAYMENT_METHOD_TYPES,
                Input::url("return_url"),
                Input::currency("currency"),
                Input::one_of("ui_mode", &["embedded_page", "elements", "form", "embedded", "custom"]),
                STRIPE_VERSION,
            ])
            .metadata(50, 40, 500),
            client_grant(
                "ephemeral_key",
                "call the API for one customer (read it, manage its payment methods), or read one card or verification session",
                Lifetime::Fixed(3600),
                ephemeral_key,
            )
            .inputs(&[
                CUSTOMER,
                ACCOUNT,
                Input::flag("create_customer"),
                Input::text("issuing_card"),
                Input::text_of("nonce", 5000),
                Input::text("verification_session"),
                STRIPE_VERSION,
            ])
            .one_of(&[&["customer"], &["create_customer"], &["issuing_card", "nonce"], &["verification_session"]])
            // It goes to the customer that is created.
            .metadata(50, 40, 500),
            client_grant(
                "customer_session",
                "let Stripe's elements list, save and remove that customer's saved methods, per enabled component",
                Lifetime::Fixed(1800),
                customer_session,
            )
            .inputs(&[CUSTOMER.required(), ACCOUNT, Input::object("components").required()]),
            client_grant("setup_intent", "confirm and save one payment method", Lifetime::UntilUsed, setup_intent)
                .inputs(&[
                    CUSTOMER,
                    ACCOUNT,
                    PAYMENT_METHOD_TYPES,
                    Input::one_of("usage", &["off_session", "on_session"]),
                    Input::flag("automatic_payment_methods"),
                    Input::text_of("description", 1000),
                    STRIPE_VERSION,
                ])
                .metadata(50, 40, 500),
            client_grant(
                "terminal_connection_token",
                "connect card readers through the Terminal SDK",
                Lifetime::Unpublished,
                terminal_connection_token,
            )
            .inputs(&[ACCOUNT, Input::text("location")]),
            client_grant("payment_intent", "pay that one intent", Lifetime::UntilUsed, payment_intent)
                .inputs(&[
                    Input::minor_units("amount").required(),
                    Input::currency("currency").required(),
                    CUSTOMER,
                    ACCOUNT,
                    PAYMENT_METHOD_TYPES,
                    Input::flag("automatic_payment_methods"),
                    Input::text_of("description", 1000),
                    STRIPE_VERSION,
                ])
                .metadata(50, 40, 500),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.api_key.expose().split('_').collect::<Vec<_>>().as_slice() {
            ["sk" | "rk" | "pk", "test", ..] => Some(Mode::Test),
            ["sk" | "rk" | "pk", "live", ..] => Some(Mode::Live),
            _ => None,
        }
    }
}

fn checkout_session_setup(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    match exchange.replies {
        [] => post(credentials, exchange, "/v1/checkout/sessions", checkout_session(exchange)?),
        [reply, ..] => {
            let session: ClientSecret = reply.accept(refusal)?;
            let expires_at =
                session.expires_at.ok_or_else(|| Error::bad_reply("the Checkout Session has no expires_at"))?;
            let token = Token::new(&session.client_secret, "client_secret", Expiry::at_epoch(expires_at)?)?;
            Ok(Step::Done(named(token, "session_id", session.id)))
        }
    }
}

fn ephemeral_key(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    let create_customer = must_create_customer(exchange)?;
    match exchange.replies {
        [] if create_customer => post(credentials, exchange, "/v1/customers", with_metadata(exchange, FormBody::new())),
        [customer] if create_customer => {
            let customer: Customer = customer.accept(refusal)?;
            post(credentials, exchange, "/v1/ephemeral_keys", FormBody::new().field("customer", &customer.id))
        }
        [] => {
            let form =
                SUBJECTS.into_iter().fold(FormBody::new(), |form, name| form.maybe(name, exchange.input.text(name)));
            post(credentials, exchange, "/v1/ephemeral_keys", form)
        }
        [.., reply] => {
            let key: EphemeralKey = reply.accept(refusal)?;
            let token = Token::new(&key.secret, "Bearer", Expiry::at_epoch(key.expires)?)?;
            let customer = key.associated_objects.into_iter().find(|object| object.kind == "customer");
            Ok(Step::Done(named(token, "customer_id", customer.map(|customer| customer.id))))
        }
    }
}

fn customer_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    match exchange.replies {
        [] => {
            let form = bracketed(FormBody::new(), "components", exchange.input.required_value("components")?);
            if form.is_empty() {
                return Err(Error::missing_inputs(&["components"], "enable at least one"));
            }
            let form = form.field("customer", exchange.input.required_text("customer")?);
            post(credentials, exchange, "/v1/customer_sessions", form)
        }
        [reply, ..] => {
            let session: ClientSecret = reply.accept(refusal)?;
            let expires_at =
                session.expires_at.ok_or_else(|| Error::bad_reply("the Customer Session has no expires_at"))?;
            Ok(Step::Done(Token::new(&session.client_secret, "client_secret", Expiry::at_epoch(expires_at)?)?))
        }
    }
}

fn setup_intent(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    match exchange.replies {
        [] => {
            let form = FormBody::new().field("usage", exchange.input.text("usage").unwrap_or("off_session"));
            post(credentials, exchange, "/v1/setup_intents", intent(exchange, form)?)
        }
        [reply, ..] => intent_token(reply),
    }
}

fn payment_intent(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    match exchange.replies {
        [] => {
            let amount = exchange.input.required_integer("amount")?.to_string();
            let currency = exchange.input.required_text("currency")?.to_ascii_lowercase();
            let form = FormBody::new().field("amount", &amount).field("currency", &currency);
            post(credentials, exchange, "/v1/payment_intents", intent(exchange, form)?)
        }
        [reply, ..] => intent_token(reply),
    }
}

fn terminal_connection_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_key(credentials)?;
    match exchange.replies {
        [] => {
            let form = FormBody::new().maybe("location", exchange.input.text("location"));
            post(credentials, exchange, "/v1/terminal/connection_tokens", form)
        }
        [reply, ..] => {
            let token: ConnectionToken = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&token.secret, "connection_token", Expiry::Unpublished)?))
        }
    }
}

fn intent_token(reply: &Reply) -> Result<Step> {
    let intent: ClientSecret = reply.accept(refusal)?;
    let token = Token::new(&intent.client_secret, "client_secret", Expiry::UntilUsed)?;
    Ok(Step::Done(named(token, "intent_id", intent.id)))
}

fn check_key(credentials: &Credentials) -> Result<()> {
    let key = credentials.api_key.expose();
    match UNUSABLE_KEYS.iter().find(|(prefix, _)| key.starts_with(prefix)) {
        Some((_, why)) => Err(Error::invalid_credential("api_key", *why)),
        None => Ok(()),
    }
}

fn must_create_customer(exchange: &Exchange<'_>) -> Result<bool> {
    let named = SUBJECTS.into_iter().any(|name| exchange.input.text(name).is_some());
    match exchange.input.flag("create_customer") {
        Some(true) if named => {
            Err(Error::invalid_input("create_customer", format!("not together with {}", SUBJECTS.join(", "))))
        }
        Some(false) if !named => {
            Err(Error::missing_inputs(&["customer"], "create_customer is false, so the key must be for somebody else"))
        }
        create => Ok(create == Some(true)),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, form: FormBody) -> Result<Step> {
    // Two calls of one exchange are two operations, so each has a key of its own.
    let idempotency_key = match exchange.replies.len() {
        0 => exchange.idempotency_key.to_owned(),
        nth => format!("{}-{nth}", exchange.idempotency_key),
    };
    let call = Call::post(exchange.url(path)?)
        .bearer(credentials.api_key.expose())
        .header("accept", "application/json")
        .header("stripe-version", version(exchange))
        .header("idempotency-key", &idempotency_key)
        .form(form)
        .repeatable();
    match exchange.input.text("stripe_account") {
        Some(account) => call.header("stripe-account", account).send(),
        None => call.send(),
    }
}

/// Versions are dates, so they compare as text.
fn version<'a>(exchange: &Exchange<'a>) -> &'a str {
    exchange.input.text("stripe_version").unwrap_or(VERSION)
}

fn checkout_session(exchange: &Exchange<'_>) -> Result<FormBody> {
    let input = exchange.input;
    let ui_mode = ui_mode(exchange)?;
    let mut form = FormBody::new()
        .field("mode", "setup")
        .field("ui_mode", ui_mode)
        .field("expires_at", &exchange.expires_at().to_string())
        .maybe("customer", input.text("customer"))
        .maybe("currency", input.text("currency").map(str::to_ascii_lowercase).as_deref());
    if exchange.reference.chars().count() <= 200 {
        form = form.field("client_reference_id", exchange.reference);
    }
    let types = input.texts("payment_method_types");
    let types = if types.is_empty() && input.text("currency").is_none() { vec!["card"] } else { types };
    form = with_types(exchange, form, &types, ALLOWED_TYPES_IN_CHECKOUT);
    form = match input.text("return_url") {
        Some(url) => form.field("return_url", url),
        // Only the embedded form would redirect by itself.
        None if types == ["card"] && ui_mode.starts_with("embedded") => form.field("redirect_on_completion", "never"),
        None if types == ["card"] => form,
        None => {
            return Err(Error::missing_inputs(
                &["return_url"],
                "payment methods other than card may leave the page and must come back",
            ));
        }
    };
    Ok(with_metadata(exchange, form))
}

/// The mode as the version names it: they were renamed with 2026-03-25.dahlia.
fn ui_mode(exchange: &Exchange<'_>) -> Result<&'static str> {
    Ok(match (exchange.input.text("ui_mode"), version(exchange) < "2026-03-25") {
        (Some("form"), true) => {
            return Err(Error::invalid_input("ui_mode", "form needs a stripe_version from 2026-03-25.dahlia on"));
        }
        (Some("form"), false) => "form",
        (Some("elements" | "custom"), true) => "custom",
        (Some("elements" | "custom"), false) => "elements",
        (_, true) => "embedded",
        (_, false) => "embedded_page",
    })
}

fn intent(exchange: &Exchange<'_>, form: FormBody) -> Result<FormBody> {
    let input = exchange.input;
    let types = input.texts("payment_method_types");
    let automatic = input.flag("automatic_payment_methods").map(|enabled| enabled.to_string());
    if automatic.is_some() && !types.is_empty() {
        // Stripe takes one of the two at most.
        return Err(Error::invalid_input("automatic_payment_methods", "not together with payment_method_types"));
    }
    let form = form
        .maybe("customer", input.text("customer"))
        .maybe("description", input.text("description"))
        .maybe("automatic_payment_methods[enabled]", automatic.as_deref());
    Ok(with_metadata(exchange, with_types(exchange, form, &types, ALLOWED_TYPES_IN_INTENTS)))
}

/// The payment method types under the name that the version has for them.
fn with_types(exchange: &Exchange<'_>, form: FormBody, types: &[&str], allowed_since: &str) -> FormBody {
    let name = if version(exchange) < allowed_since { "payment_method_types" } else { "allowed_payment_method_types" };
    types.iter().enumerate().fold(form, |form, (nth, kind)| form.field(&format!("{name}[{nth}]"), kind))
}

fn with_metadata(exchange: &Exchange<'_>, form: FormBody) -> FormBody {
    exchange.input.metadata.iter().fold(form, |form, (key, value)| form.field(&format!("metadata[{key}]"), value))
}

fn named(token: Token, name: &'static str, id: Option<String>) -> Token {
    match id {
        Some(id) => token.client(name, id),
        None => token,
    }
}

/// Nested names in brackets, as Stripe writes them.
fn bracketed(form: FormBody, name: &str, value: &Value) -> FormBody {
    match value {
        Value::Object(members) => {
            members.iter().fold(form, |form, (key, value)| bracketed(form, &format!("{name}[{key}]"), value))
        }
        Value::Array(items) => {
            items.iter().enumerate().fold(form, |form, (nth, value)| bracketed(form, &format!("{name}[{nth}]"), value))
        }
        Value::String(text) => form.field(name, text),
        Value::Null => form,
        other => form.field(name, &other.to_string()),
    }
}

#[derive(Deserialize)]
struct Customer {
    id: String,
}

#[derive(Deserialize)]
struct EphemeralKey {
    secret: String,
    expires: Seconds,
    #[serde(default, deserialize_with = "encoding::null_as_default")]
    associated_objects: Vec<AssociatedObject>,
}

#[derive(Deserialize)]
struct AssociatedObject {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct ClientSecret {
    id: Option<String>,
    client_secret: String,
    expires_at: Option<Seconds>,
}

#[derive(Deserialize)]
struct ConnectionToken {
    secret: String,
}

#[derive(Deserialize, Default)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize, Default)]
struct FailureDetail {
    #[serde(rename = "type")]
    category: Option<String>,
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

/// <https://docs.stripe.com/api/errors>
fn refusal(reply: &Reply) -> Refusal {
    let Failure { error } = reply.lenient();
    let kind = match (reply.status, error.code.as_deref()) {
        (_, Some("rate_limit" | "lock_timeout")) => Some(Kind::RateLimited),
        _ => None,
    };
    let reason = match (&error.message, &error.param) {
        (Some(message), Some(param)) => Some(format!("{message} ({param})")),
        (message, _) => message.clone(),
    };
    Refusal::new(error.code.or(error.category), error.message).reason(reason).kind(kind)
}
