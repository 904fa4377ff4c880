//! A Checkout Session in setup mode, for the embedded form.
//! <https://docs.stripe.com/api/checkout/sessions/create>

use super::api::{
    ACCOUNT, CUSTOMER, ClientSecret, Credentials, EACH_ITS_OWN, PUBLISHABLE_KEY, PUBLISHABLE_KEY_OUT, STRIPE_JS,
    STRIPE_VERSION, check, named, post, refusal, version, with_metadata, with_types,
};
use crate::prelude::*;

/// The version that brought `allowed_payment_method_types` here, by the changelog of the npm
/// package `stripe` (23.0.0). 2026-09-30.endive refuses `payment_method_types`.
const ALLOWED_TYPES_SINCE: &str = "2026-09-30";

/// The vendor's bound on `client_reference_id`, by its API description of 2023-08-16.
const MAX_REFERENCE: usize = 200;

// The bounds of `expires_at` are the vendor's: 30 minutes to 24 hours from the creation, by the
// types of the npm package `stripe` 23.1.0.
pub(super) const SETUP: Grant<StepFn<Credentials>> = client_grant(
    "checkout_session_setup",
    "show the embedded form and save one payment method; no charge, no reading of data",
    Lifetime::Settable { min: 1800, default: 3600, max: 86_400 },
    checkout_session_setup,
)
.by_default()
.inputs(&[
    CUSTOMER,
    ACCOUNT,
    Input::texts("payment_method_types"),
    Input::url("return_url"),
    Input::currency("currency"),
    Input::one_of("ui_mode", &["embedded_page", "elements", "form", "embedded", "custom"]),
    STRIPE_VERSION,
    PUBLISHABLE_KEY,
])
.metadata(50, 40, 500)
.worst_case(
    "save a card, stolen ones included (card testing), on the session's customer, and see that customer's e-mail address; pay nothing",
    &[Bound::Object, Bound::Customer, Bound::SingleUse],
)
.client_source(STRIPE_JS)
.client_parameters(&[
    ClientParameter::new("session_id", "the id of the Checkout Session", "no call of Stripe.js; for the page's own use"),
    PUBLISHABLE_KEY_OUT,
])
.minting_ends_earlier(EACH_ITS_OWN);

fn checkout_session_setup(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    match exchange.replies {
        [] => post(credentials, exchange, "/v1/checkout/sessions", checkout_session(exchange)?),
        [reply, ..] => {
            let session: ClientSecret = reply.accept(refusal)?;
            let expires_at =
                session.expires_at.ok_or_else(|| Error::bad_reply("the Checkout Session has no expires_at"))?;
            let token = Token::new(&session.client_secret, "client_secret", Expiry::at_epoch(expires_at)?)?;
            Ok(Step::Done(named(token, exchange, "session_id", session.id)))
        }
    }
}

fn checkout_session(exchange: &Exchange<'_>) -> Result<FormBody> {
    let input = exchange.input;
    let ui_mode = ui_mode(exchange)?;
    let form = FormBody::new()
        .field("mode", "setup")
        .field("ui_mode", ui_mode)
        .field("client_reference_id", &exchange.reference_up_to(MAX_REFERENCE))
        .field("expires_at", &exchange.expires_at().to_string())
        .maybe("customer", input.text("customer"))
        .maybe("currency", input.text("currency").map(str::to_ascii_lowercase).as_deref());
    let types = input.texts("payment_method_types");
    let types = if types.is_empty() && input.text("currency").is_none() { vec!["card"] } else { types };
    let form = with_types(exchange, form, &types, ALLOWED_TYPES_SINCE);
    let form = match input.text("return_url") {
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
