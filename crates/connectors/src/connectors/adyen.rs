//! Adyen: a checkout session that Drop-in or Components pay with, or store a card with.
//! <https://docs.adyen.com/api-explorer/Checkout/72/post/sessions>

use crate::prelude::*;

/// Adyen's bound on the return URL, in characters (`CreateCheckoutSessionRequest` v72).
const MAX_RETURN_URL: usize = 1024;

/// The bound on `reference` in characters: that of the merchant reference in Adyen's reports. The
/// schema v72 has none.
const MAX_REFERENCE: usize = 80;

/// The web SDK's words for Adyen's live platforms (npm package @adyen/adyen-web 6.45.2,
/// `core/Environment/constants.js`).
const REGIONS: &[&str] = &["live", "live-us", "live-au", "live-apse", "live-in", "live-nea"];

/// The end of a live host's label, which some callers give with the prefix.
const LABEL_END: &str = "-checkout-live";

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    merchant_account: String,
}

// 24 hours is the vendor's bound (schema v72). It publishes no least lifetime; the minute is ours.
const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 86_400 };
const SESSION: &[Input] = &[
    Input::minor_units("amount").amounts("Adyen's own table of currencies differs from ISO 4217 for a few").required(),
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
    // These two are for the client and not sent to Adyen.
    Input::one_of("region", REGIONS),
    Input::text("client_key"),
];
/// The inputs of a session whose amount is zero. No input can make it a session that moves money.
const ZERO_VALUE: &[Input] = match SESSION {
    [_amount, others @ ..] => others,
    [] => &[],
};

const ADYEN_WEB: Source = Source::sdk("npm package @adyen/adyen-web 6.45.2");
const PARAMETERS: &[ClientParameter] = &[
    ClientParameter::new("session_id", "the session's id", "AdyenCheckout({ session: { id, sessionData } })"),
    ClientParameter::new(
        "environment",
        "test, or the live platform: live or the region that the request or the operator's defaults give",
        "AdyenCheckout({ environment })",
    ),
    ClientParameter::new(
        "client_key",
        "the merchant's public client key, where the request or the operator's defaults give it",
        "AdyenCheckout({ clientKey })",
    ),
];
const EACH_ITS_OWN: MintingEndsEarlier =
    MintingEndsEarlier::No("Adyen's Checkout API v72: each call makes a session of its own");

pub(super) struct Adyen;

impl Connector for Adyen {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "adyen",
        name: "Adyen",
        docs: "https://docs.adyen.com/api-explorer/Checkout/72/post/sessions",
        unconfirmed: &["The bound of 80 characters on reference; the schema has none."],
        evidence: &[
            Evidence::new(
                "paths, members and bounds of the request and the reply",
                Source::schema("Adyen's Checkout OpenAPI document v72"),
                "2026-11",
            ),
            Evidence::new(
                "the whole request for test and for live, recorded",
                Source::sdk("npm package @adyen/api-library 32.1.0"),
                "2026-11",
            ),
            Evidence::new("what the page takes, the words of environment, the form of client keys", ADYEN_WEB, "2026-11"),
        ],
        mode_shown: ModeShown::No(
            "API keys of test and live have the same form; the hosts differ (Adyen's Checkout OpenAPI document v72).",
        ),
        hosts: &[Host::main(
            "https://{endpoint_prefix}-checkout-live.adyenpayments.com",
            "https://checkout-test.adyen.com",
        )],
        credentials: &[required("api_key").key_prefixes(&["AQE"]).found_in("Customer Area > Developers > API credentials > the credential > Server settings > Authentication: API key", Source::page("https://docs.adyen.com/development-resources/api-credentials")), required("merchant_account").public().found_in("Customer Area > Settings > Merchant accounts: account code", Source::page("https://help.adyen.com/knowledge/account/account-settings/how-do-i-add-a-merchant-account")), optional("review_key")],
        grants: &[
            client_grant(
                "session_zero_value",
                "verify a card and store it for one shopper; no money moves",
                LIFETIME,
                session_zero_value,
            )
            .by_default()
            .inputs(ZERO_VALUE)
            .metadata(20, 20, 80)
            .worst_case(
                "verify cards, stolen ones included (card testing); with a shopper_reference, see that shopper's stored \
                 cards (last four digits, expiry)",
                &[Bound::Object, Bound::Customer, Bound::Amount],
            )
            .client_source(ADYEN_WEB)
            .client_parameters(PARAMETERS)
            .minting_ends_earlier(EACH_ITS_OWN),
            client_grant("session", "make that one payment", LIFETIME, session)
                .inputs(SESSION)
                .metadata(20, 20, 80)
                .worst_case(
                    "pay that amount, also with the shopper's stored cards as far as the issuer lets, and see those cards",
                    &[Bound::Object, Bound::Customer, Bound::Amount],
                )
                .client_source(ADYEN_WEB)
                .client_parameters(PARAMETERS)
                .minting_ends_earlier(EACH_ITS_OWN),
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
    check_client_key(exchange)?;
    // The live host serves several APIs, so its path names the one that is meant.
    let url = match (exchange.mode, exchange.input.text("endpoint_prefix")) {
        (Mode::Live, Some(prefix)) => {
            let prefix = prefix.strip_suffix(LABEL_END).unwrap_or(prefix);
            exchange.url_with_label(prefix, "/checkout/v72/sessions")?
        }
        (Mode::Live, None) => exchange.url("/checkout/v72/sessions")?,
        (Mode::Test, _) => exchange.url("/v72/sessions")?,
    };
    Call::post(url)
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
        .client("environment", environment(exchange));
    let token = match exchange.input.text("client_key") {
        Some(key) => token.client("client_key", key),
        None => token,
    };
    Ok(Step::Done(token))
}

/// The SDK's word for the platform. A region is a live one.
fn environment<'a>(exchange: &Exchange<'a>) -> &'a str {
    match exchange.mode {
        Mode::Test => "test",
        Mode::Live => exchange.input.text("region").unwrap_or("live"),
    }
}

/// The web SDK refuses a client key of the other mode, by its first word.
fn check_client_key(exchange: &Exchange<'_>) -> Result<()> {
    let Some(key) = exchange.input.text("client_key") else { return Ok(()) };
    match Mode::of_key(key, &["test_"], &["live_"]) {
        Some(mode) if mode != exchange.mode => {
            Err(Error::invalid_input("client_key", format!("is a client key for {} mode", mode.label())))
        }
        Some(_) => Ok(()),
        None => Err(Error::invalid_input("client_key", "must begin with test_ or live_")),
    }
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
    if input.text("country_code").is_some_and(|country| country.eq_ignore_ascii_case("UK")) {
        return Err(Error::invalid_input("country_code", "UK is no country code; the United Kingdom's is GB"));
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
    // Adyen takes a reference twice, so a later token of it has the same one.
    body.insert("reference".into(), json!(exchange.reference_up_to(MAX_REFERENCE)));
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
    let faults = encoding::faults_at(&reply.lenient(), "/invalidFields", &["name", "message"]);
    let refusal = reply.refusal(&["/errorCode"], &["/message", "/detail", "/title"], &["/errorType"]);
    let category = refusal.reason.clone();
    refusal.reason(faults.or(category))
}
