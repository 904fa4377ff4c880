//! Shared payment tokens (a preview of Stripe): a limited use of one payment method for one seller.
//! <https://docs.stripe.com/api/shared-payment/issued-token/create>

use super::api::{Credentials, EACH_ITS_OWN, OWN_UNITS, STRIPE_VERSION, bracketed, check, post_in, refusal};
use crate::prelude::*;

/// The newest preview that a package of the vendor's has (npm `stripe` 22.7.0-beta.1). The call
/// came with 2026-04-22.preview.
const PREVIEW_VERSION: &str = "2026-08-26.preview";

// Stripe publishes no bounds for `usage_limits[expires_at]`. These are ours.
pub(super) const ISSUED_TOKEN: Grant<StepFn<Credentials>> = server_grant(
    "shared_payment_issued_token",
    "let the named seller charge that payment method, up to the amount and until the expiry (preview of Stripe)",
    Lifetime::Settable { min: 300, default: 3600, max: 86_400 },
    issued_token,
)
.inputs(&[
    Input::text("payment_method").required(),
    Input::object("seller_details").required(),
    Input::minor_units("max_amount").amounts(OWN_UNITS).required(),
    Input::currency("currency").required(),
    Input::one_of("setup_future_usage", &["on_session"]),
    Input::url("return_url"),
    STRIPE_VERSION,
])
.never_shared()
.minting_ends_earlier(EACH_ITS_OWN)
.lifetime_note("the token also ends when its amount is used up, or when the seller or the issuer ends it");

fn issued_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let form = FormBody::new().field("payment_method", input.required_text("payment_method")?);
            let form = bracketed(form, "seller_details", input.required_value("seller_details")?)?
                .field("usage_limits[currency]", &input.required_text("currency")?.to_ascii_lowercase())
                .field("usage_limits[max_amount]", &input.required_integer("max_amount")?.to_string())
                .field("usage_limits[expires_at]", &exchange.expires_at().to_string())
                .maybe("setup_future_usage", input.text("setup_future_usage"))
                .maybe("return_url", input.text("return_url"));
            let version = input.text("stripe_version").unwrap_or(PREVIEW_VERSION);
            post_in(version, credentials, exchange, "/v1/shared_payment/issued_tokens", form)
        }
        [reply, ..] => {
            let issued: IssuedToken = reply.accept(refusal)?;
            if issued.status != "active" {
                let message = "the payment method's owner must first take the action of next_action";
                let refused = Refusal::new(Some(issued.status), Some(message)).kind(Some(Kind::RequestRejected));
                return Err(reply.refuse(refused));
            }
            let expiry = Expiry::at_epoch(issued.usage_limits.expires_at)?;
            Ok(Step::Done(Token::new(&issued.id, "shared_payment_issued_token", expiry)?))
        }
    }
}

#[derive(Deserialize)]
struct IssuedToken {
    id: String,
    status: String,
    usage_limits: UsageLimits,
}

#[derive(Deserialize)]
struct UsageLimits {
    expires_at: Seconds,
}
