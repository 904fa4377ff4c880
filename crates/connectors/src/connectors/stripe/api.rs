//! The common parts of Stripe's calls: the key, the API version, the form and the errors.

use crate::prelude::*;

/// The version that is spoken unless the grant's `stripe_version` says otherwise.
const VERSION: &str = "2026-10-28.endive";

/// Keys that cannot make tokens here, and why.
const UNUSABLE_KEYS: &[(&str, &str)] = &[
    ("pk_", "a publishable key makes no tokens; give a secret or restricted key"),
    ("sk_org_", "an organization key needs a Stripe-Context header, which is not sent; give an account's key"),
];

/// Where Stripe's own words about a token stand.
pub(super) const NODE_TYPES: Source = Source::schema("types of the npm package stripe 23.1.0 (API 2026-10-28.endive)");
pub(super) const STRIPE_JS: Source = Source::sdk("npm package @stripe/stripe-js 10.2.1");

/// Minting again: <https://docs.stripe.com/api>, each POST makes a new object.
pub(super) const EACH_ITS_OWN: MintingEndsEarlier =
    MintingEndsEarlier::No("types of the npm package stripe 23.1.0: each call makes an object of its own");

pub(super) const ACCOUNT: Input = Input::text("stripe_account");
pub(super) const CUSTOMER: Input = Input::text("customer");
pub(super) const STRIPE_VERSION: Input = Input::text("stripe_version");
/// It is handed out to the client. Stripe is not sent it.
pub(super) const PUBLISHABLE_KEY: Input = Input::text("publishable_key");

pub(super) const PUBLISHABLE_KEY_OUT: ClientParameter = ClientParameter::new(
    "publishable_key",
    "the account's publishable key, where the request or the operator's defaults give it",
    "Stripe(publishable_key)",
);

#[derive(Deserialize)]
pub(in crate::connectors) struct Credentials {
    pub(super) api_key: Secret,
}

/// Checks what no call of Stripe's would say as well: the kind of the key, and that the publishable
/// key is one and belongs to the same mode.
pub(super) fn check(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<()> {
    let key = credentials.api_key.expose();
    if let Some((_, why)) = UNUSABLE_KEYS.iter().find(|(prefix, _)| key.starts_with(prefix)) {
        return Err(Error::invalid_credential("api_key", *why));
    }
    let Some(public) = exchange.input.text("publishable_key") else { return Ok(()) };
    match Mode::of_key(public, &["pk_test_"], &["pk_live_"]) {
        Some(mode) if mode == exchange.mode => Ok(()),
        Some(mode) => Err(Error::invalid_input("publishable_key", format!("is a key for {} mode", mode.label()))),
        None => Err(Error::invalid_input("publishable_key", "must begin with pk_test_ or pk_live_")),
    }
}

pub(super) fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, form: FormBody) -> Result<Step> {
    post_in(version(exchange), credentials, exchange, path, form)
}

/// A call in this API version.
pub(super) fn post_in(
    version: &str,
    credentials: &Credentials,
    exchange: &Exchange<'_>,
    path: &str,
    form: FormBody,
) -> Result<Step> {
    // Two calls of one exchange are two operations, so each has a key of its own.
    let idempotency_key = match exchange.replies.len() {
        0 => exchange.idempotency_key.to_owned(),
        nth => format!("{}-{nth}", exchange.idempotency_key),
    };
    let call = Call::post(exchange.url(path)?)
        .bearer(credentials.api_key.expose())
        .header("accept", "application/json")
        .header("stripe-version", version)
        .header("idempotency-key", &idempotency_key)
        .form(form)
        .repeatable();
    match exchange.input.text("stripe_account") {
        Some(account) => call.header("stripe-account", account).send(),
        None => call.send(),
    }
}

/// Versions are dates, so they compare as text.
pub(super) fn version<'a>(exchange: &Exchange<'a>) -> &'a str {
    exchange.input.text("stripe_version").unwrap_or(VERSION)
}

pub(super) fn with_metadata(exchange: &Exchange<'_>, form: FormBody) -> FormBody {
    exchange.input.metadata.iter().fold(form, |form, (key, value)| form.field(&format!("metadata[{key}]"), value))
}

/// The payment method types under the name that the version has for them.
pub(super) fn with_types(exchange: &Exchange<'_>, form: FormBody, types: &[&str], allowed_since: &str) -> FormBody {
    let name = if version(exchange) < allowed_since { "payment_method_types" } else { "allowed_payment_method_types" };
    types.iter().enumerate().fold(form, |form, (nth, kind)| form.field(&format!("{name}[{nth}]"), kind))
}

/// The token with an id of its object, and with the publishable key where one was given.
pub(super) fn named(token: Token, exchange: &Exchange<'_>, name: &'static str, id: Option<String>) -> Token {
    let token = match id {
        Some(id) => token.client(name, id),
        None => token,
    };
    with_publishable_key(token, exchange)
}

pub(super) fn with_publishable_key(token: Token, exchange: &Exchange<'_>) -> Token {
    match exchange.input.text("publishable_key") {
        Some(key) => token.client("publishable_key", key),
        None => token,
    }
}

/// Nested names in brackets, as Stripe writes them.
///
/// # Errors
/// [`Kind::InvalidRequest`] for a name that could open or close a bracket.
pub(super) fn bracketed(form: FormBody, name: &str, value: &Value) -> Result<FormBody> {
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match value {
        Value::Object(members) => members.iter().try_fold(form, |form, (key, value)| match plain(key) {
            true => bracketed(form, &[name, "[", key, "]"].concat(), value),
            false => Err(Error::invalid_input(name, "has a name with characters other than letters, digits and _")),
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_fold(form, |form, (nth, value)| bracketed(form, &format!("{name}[{nth}]"), value)),
        Value::String(text) => Ok(form.field(name, text)),
        Value::Null => Ok(form),
        other => Ok(form.field(name, &other.to_string())),
    }
}

/// Where Stripe's minor units are not those of ISO 4217.
/// <https://docs.stripe.com/currencies>
pub(super) const OWN_UNITS: &str = "Stripe counts ISK and UGX in hundredths (500 is ISK 5) and MGA in whole units";

/// An answer with a client secret.
#[derive(Deserialize)]
pub(super) struct ClientSecret {
    #[serde(default, deserialize_with = "encoding::lenient")]
    pub(super) id: Option<String>,
    pub(super) client_secret: String,
    pub(super) expires_at: Option<Seconds>,
}

/// <https://docs.stripe.com/api/errors>
///
/// The members stand in `error`. Addresses that are no API path answer with a text in `error`.
pub(super) fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error/code", "/error/type"], &["/error/message", "/error"], &[]);
    let param = reply.refusal(&["/error/param"], &[], &[]).code;
    let kind = match refusal.code.as_deref() {
        Some("rate_limit" | "lock_timeout") => Some(Kind::RateLimited),
        _ => None,
    };
    let reason = match (&refusal.message, &param) {
        (Some(message), Some(param)) => Some(format!("{message} ({param})")),
        (message, _) => message.clone(),
    };
    refusal.reason(reason).kind(kind)
}
