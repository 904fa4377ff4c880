//! Setup Intents and Payment Intents.
//! <https://docs.stripe.com/api/setup_intents>, <https://docs.stripe.com/api/payment_intents>

use super::api::{
    ACCOUNT, CUSTOMER, ClientSecret, Credentials, EACH_ITS_OWN, OWN_UNITS, PUBLISHABLE_KEY, PUBLISHABLE_KEY_OUT,
    STRIPE_JS, STRIPE_VERSION, check, named, post, refusal, with_metadata, with_types,
};
use crate::prelude::*;

/// The version that brought `allowed_payment_method_types` here, by the changelog of the npm
/// package `stripe` (22.4.0). 2026-09-30.endive refuses `payment_method_types`.
const ALLOWED_TYPES_SINCE: &str = "2026-07-29";

const PAYMENT_METHOD_TYPES: Input = Input::texts("payment_method_types");
const AUTOMATIC: Input = Input::flag("automatic_payment_methods");
const ALLOW_REDIRECTS: Input = Input::one_of("allow_redirects", &["always", "never"]);
const DESCRIPTION: Input = Input::text_of("description", 1000);

const PARAMETERS: &[ClientParameter] = &[
    ClientParameter::new("intent_id", "the id of the intent", "no call of Stripe.js; for the page's own use"),
    PUBLISHABLE_KEY_OUT,
];
const NOTE: &str = "whoever has the token and the publishable key can read the intent for as long as it exists, also \
    after its use";

pub(super) const SETUP_INTENT: Grant<StepFn<Credentials>> = client_grant(
    "setup_intent",
    "confirm and save one payment method; cards alone, unless other types are asked for",
    Lifetime::UntilUsed,
    setup_intent,
)
.inputs(&[
    CUSTOMER,
    ACCOUNT,
    PAYMENT_METHOD_TYPES,
    Input::one_of("usage", &["off_session", "on_session"]),
    AUTOMATIC,
    ALLOW_REDIRECTS,
    DESCRIPTION,
    STRIPE_VERSION,
    PUBLISHABLE_KEY,
])
.metadata(50, 40, 500)
.worst_case(
    "save a payment method, stolen cards included (card testing), and read the intent, its description and its customer's id",
    &[Bound::Object, Bound::Customer, Bound::SingleUse],
)
.client_source(STRIPE_JS)
.client_parameters(PARAMETERS)
.minting_ends_earlier(EACH_ITS_OWN)
.lifetime_note(NOTE);

pub(super) const PAYMENT_INTENT: Grant<StepFn<Credentials>> =
    client_grant("payment_intent", "pay that one intent", Lifetime::UntilUsed, payment_intent)
        .inputs(&[
            Input::minor_units("amount").amounts(OWN_UNITS).required(),
            Input::currency("currency").required(),
            CUSTOMER,
            ACCOUNT,
            PAYMENT_METHOD_TYPES,
            AUTOMATIC,
            ALLOW_REDIRECTS,
            DESCRIPTION,
            STRIPE_VERSION,
            PUBLISHABLE_KEY,
        ])
        .metadata(50, 40, 500)
        .worst_case(
            "pay that amount, and read the intent's amount, description, shipping address and receipt e-mail",
            &[Bound::Amount, Bound::Object, Bound::SingleUse],
        )
        .client_source(STRIPE_JS)
        .client_parameters(PARAMETERS)
        .minting_ends_earlier(EACH_ITS_OWN)
        .lifetime_note(NOTE);

fn setup_intent(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    match exchange.replies {
        [] => {
            // A payment method that may be used without the shopper is the wider one.
            let form = FormBody::new().field("usage", exchange.input.text("usage").unwrap_or("on_session"));
            post(credentials, exchange, "/v1/setup_intents", intent(exchange, form, &["card"])?)
        }
        [reply, ..] => intent_token(exchange, reply),
    }
}

fn payment_intent(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    match exchange.replies {
        [] => {
            let amount = exchange.input.required_integer("amount")?.to_string();
            let currency = exchange.input.required_text("currency")?.to_ascii_lowercase();
            let form = FormBody::new().field("amount", &amount).field("currency", &currency);
            post(credentials, exchange, "/v1/payment_intents", intent(exchange, form, &[])?)
        }
        [reply, ..] => intent_token(exchange, reply),
    }
}

/// Adds the members that both intents have. `default_types` are asked for where the caller names
/// neither types nor automatic ones.
fn intent(exchange: &Exchange<'_>, form: FormBody, default_types: &[&'static str]) -> Result<FormBody> {
    let input = exchange.input;
    let types = input.texts("payment_method_types");
    let automatic = input.flag("automatic_payment_methods");
    if automatic.is_some() && !types.is_empty() {
        // Stripe takes one of the two at most.
        return Err(Error::invalid_input("automatic_payment_methods", "not together with payment_method_types"));
    }
    let redirects = input.text("allow_redirects");
    if redirects.is_some() && automatic != Some(true) {
        return Err(Error::invalid_input("allow_redirects", "only together with automatic_payment_methods"));
    }
    let types = if types.is_empty() && automatic.is_none() { default_types.to_vec() } else { types };
    let form = form
        .maybe("customer", input.text("customer"))
        .maybe("description", input.text("description"))
        .maybe("automatic_payment_methods[enabled]", automatic.map(|enabled| enabled.to_string()).as_deref())
        .maybe("automatic_payment_methods[allow_redirects]", redirects);
    Ok(with_metadata(exchange, with_types(exchange, form, &types, ALLOWED_TYPES_SINCE)))
}

fn intent_token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let intent: ClientSecret = reply.accept(refusal)?;
    let token = Token::new(&intent.client_secret, "client_secret", Expiry::UntilUsed)?;
    Ok(Step::Done(named(token, exchange, "intent_id", intent.id)))
}
