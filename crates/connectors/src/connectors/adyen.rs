//! Adyen: a checkout session that Drop-in or Components pay with, or store a card with.
//! <https://docs.adyen.com/api-explorer/Checkout/72/post/sessions>

use crate::prelude::*;

/// Adyen's bound on the return URL, in characters.
const MAX_RETURN_URL: usize = 1024;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    merchant_account: String,
}

const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 86_400 };
const SESSION: &[Input] = &[
    Input::minor_units("amount").required(),
    Input::currency("currency").required(),
    Input::url("return_url").required(),
    Input::label("endpoint_prefix"),
    Input::country("country_code"),
    Input::one_of("channel", &["Web", "iOS", "Android"]),
    Input::text("shopper_locale"),
    Input::texts("allowed_payment_methods"),
    Input::text_of("shopper_reference", 256),
    Input::one_of("shopper_interaction", &["Ecommerce", "ContAuth", "Moto", "POS"]),
    Input::one_of("recurring_processing_model", &["CardOnFile", "Subscription", "UnscheduledCardOnFile"]),
    Input::one_of("store_payment_method_mode", &["askForConsent", "disabled", "enabled"]),
];
/// The inputs of a session whose amount is zero. No input can make it a session that moves money.
const ZERO_VALUE: &[Input] = match SESSION {
    [_amount, others @ ..] => others,
    [] => &[],
};

pub(super) struct Adyen;

impl Connector for Adyen {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "adyen",
        name: "Adyen",
        docs: "https://docs.adyen.com/api-explorer/Checkout/72/post/sessions",
        unconfirmed: &[],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main(
            "https://{endpoint_prefix}-checkout-live.adyenpayments.com",
            "https://checkout-test.adyen.com",
        )],
        credentials: &[required("api_key"), required("merchant_account").public(), optional("review_key")],
        grants: &[
            client_grant(
                "session_zero_value",
                "verify a card and store it for one shopper; no money moves",
                LIFETIME,
                session_zero_value,
            )
            .by_default()
            .inputs(ZERO_VALUE)
            .metadata(20, 20, 80),
            client_grant("session", "make that one payment", LIFETIME, session).inputs(SESSION).metadata(20, 20, 80),
        ],
    };
}

fn session_zero_value(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, 0),
        [reply, ..] => session_data(exchange, reply),
    }
}

fn session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, exchange.input.required_integer("amount")?),
        [reply, ..] => session_data(exchange, reply),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, amount: i64) -> Result<Step> {
    // The live host serves several APIs, so its path names the one that is meant.
    let path = match exchange.mode {
        Mode::Live => "/checkout/v72/sessions",
        Mode::Test => "/v72/sessions",
    };
    Call::post(exchange.url(path)?)
        .secret_header("x-api-key", credentials.api_key.expose())
        .header("idempotency-key", exchange.idempotency_key)
        .json(&body(credentials, exchange, amount)?)
        .repeatable()
        .send()
}

fn session_data(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let session: Session = reply.accept(refusal)?;
    let expiry = Expiry::at_date(&session.expires_at)?;
    let token = Token::new(&session.session_data, "session_data", expiry)?
        .client("session_id", encoding::not_blank(session.id)?)
        .client("environment", exchange.mode.label());
    Ok(Step::Done(token))
}

fn body(credentials: &Credentials, exchange: &Exchange<'_>, amount: i64) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let return_url = input.required_text("return_url")?;
    if return_url.chars().count() > MAX_RETURN_URL {
        return Err(Error::invalid_input("return_url", format!("Adyen takes at most {MAX_RETURN_URL} characters")));
    }
    if input.text("shopper_reference").is_some_and(|reference| reference.chars().count() < 3) {
        return Err(Error::invalid_input("shopper_reference", "Adyen takes 3 to 256 characters"));
    }
    let store_mode = store_mode(exchange)?;
    let expires_at = exchange.expires_on()?;
    let currency = input.required_text("currency")?.to_ascii_uppercase();
    let mut body = Map::new();
    input.copy_into(
        &mut body,
        &[
            ("channel", "channel"),
            ("shopper_locale", "shopperLocale"),
            ("allowed_payment_methods", "allowedPaymentMethods"),
            ("shopper_reference", "shopperReference"),
            ("shopper_interaction", "shopperInteraction"),
            ("recurring_processing_model", "recurringProcessingModel"),
        ],
    );
    if let Some(mode) = store_mode {
        body.insert("storePaymentMethodMode".into(), json!(mode));
    }
    body.insert("merchantAccount".into(), json!(credentials.merchant_account));
    body.insert("amount".into(), json!({ "currency": currency, "value": amount }));
    body.insert("reference".into(), json!(exchange.reference));
    body.insert("returnUrl".into(), json!(return_url));
    body.insert("expiresAt".into(), json!(expires_at.to_string()));
    if let Some(country) = input.text("country_code") {
        body.insert("countryCode".into(), json!(country.to_ascii_uppercase()));
    }
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), json!(input.metadata));
    }
    Ok(body)
}

/// Whether Adyen stores the payment method, in its own words. Adyen's default is not to store it.
///
/// A caller that names a shopper and a purpose wants the method stored. Where the shopper is
/// present, Adyen then asks the shopper.
fn store_mode<'a>(exchange: &Exchange<'a>) -> Result<Option<&'a str>> {
    let input = exchange.input;
    let mut absent = vec!["shopper_reference", "recurring_processing_model"];
    absent.retain(|name| input.value(name).is_none());
    let present = matches!(input.text("shopper_interaction"), None | Some("Ecommerce"));
    let default = (absent.is_empty() && present).then_some("askForConsent");
    let mode = input.text("store_payment_method_mode").or(default);
    if matches!(mode, Some("enabled" | "askForConsent")) && !absent.is_empty() {
        return Err(Error::missing_inputs(&absent, "Adyen stores a payment method for a shopper and a purpose only"));
    }
    Ok(mode)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: String,
    session_data: String,
    expires_at: String,
}

/// Adyen's APIs have two forms: their own, and that of RFC 9457 with `title` and `detail`.
/// <https://docs.adyen.com/development-resources/error-codes>
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/errorCode"], &["/message", "/detail", "/title"], &["/errorType"])
}
