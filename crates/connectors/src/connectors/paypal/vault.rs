//! Setup tokens of the vault: the page fills one in with a card, or PayPal or Venmo approve it.
//! <https://developer.paypal.com/docs/api/payment-tokens/v3/>

use super::api::{
    CLIENT_ID_OUT, CUSTOMER_ID, Credentials, ENVIRONMENT_OUT, Login, PARTNER_ATTRIBUTION_ID, PAYPAL_JS,
    acting_for_seller, client_credentials, for_page, refusal, token_call,
};
use crate::prelude::*;

/// `UsagePattern` of the npm package @paypal/paypal-server-sdk 2.5.0.
const USAGE_PATTERNS: &[&str] = &[
    "IMMEDIATE",
    "DEFERRED",
    "RECURRING_PREPAID",
    "RECURRING_POSTPAID",
    "THRESHOLD_PREPAID",
    "THRESHOLD_POSTPAID",
    "SUBSCRIPTION_PREPAID",
    "SUBSCRIPTION_POSTPAID",
    "UNSCHEDULED_PREPAID",
    "UNSCHEDULED_POSTPAID",
    "INSTALLMENT_PREPAID",
    "INSTALLMENT_POSTPAID",
];

pub(super) const SETUP_TOKEN: Grant<StepFn<Credentials>> = client_grant(
    "vault_setup_token",
    "fill in one payment method to be saved: a card in the page's fields, or PayPal's or Venmo's approval; no charge",
    Lifetime::Unpublished,
    setup_token,
)
.inputs(&[
    Input::one_of("payment_source", &["card", "paypal", "venmo"]),
    CUSTOMER_ID,
    Input::url("return_url"),
    Input::url("cancel_url"),
    Input::one_of("usage_type", &["MERCHANT", "PLATFORM"]),
    Input::one_of("usage_pattern", USAGE_PATTERNS),
    Input::one_of("shipping_preference", &["GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"]),
    PARTNER_ATTRIBUTION_ID,
])
.worst_case(
    "put a payment method, stolen cards included (card testing), on this setup token; it is saved once the merchant's server exchanges it",
    &[Bound::Object, Bound::Customer, Bound::SingleUse],
)
.client_source(PAYPAL_JS)
.client_parameters(&[
    ClientParameter::new(
        "approve_url",
        "the page on which the payer approves, for paypal and venmo",
        "the browser's address, or the SDK's createVaultSetupToken with the token alone",
    ),
    CLIENT_ID_OUT,
    ENVIRONMENT_OUT,
])
.minting_ends_earlier(MintingEndsEarlier::No("types of the npm package @paypal/paypal-server-sdk 2.5.0: no call ends one"))
.lifetime_note("PayPal's answer names no end; the merchant's server exchanges the token once, so do not count on an expiry");

fn setup_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            // Inputs are checked before the first call.
            body(exchange)?;
            token_call(credentials, exchange, client_credentials())?.send()
        }
        [login] => {
            let login: Login = login.accept(refusal)?;
            let call = Call::post(exchange.url("/v3/vault/setup-tokens")?)
                .bearer(login.access_token.expose())
                .header("accept", "application/json")
                // Another operation than the login, so another key. PayPal keeps it for 3 hours.
                .header("paypal-request-id", &format!("{}-1", exchange.idempotency_key))
                .json(&body(exchange)?)
                .repeatable();
            acting_for_seller(credentials, exchange, call)
        }
        [_, reply, ..] => {
            let made: SetupToken = reply.accept(refusal)?;
            let token = Token::new(&made.id, "vault_setup_token", Expiry::Unpublished)?;
            let approve = made.links.iter().find(|link| link["rel"] == "approve");
            let token = match approve.and_then(|link| encoding::text_at(link, "/href")) {
                Some(url) => token.client("approve_url", url),
                None => token,
            };
            Ok(Step::Done(for_page(token, credentials, exchange)))
        }
    }
}

/// The request, which never has a card's number.
fn body(exchange: &Exchange<'_>) -> Result<Value> {
    let input = exchange.input;
    let source = input.text("payment_source").unwrap_or("card");
    let wallet = |context: Value| {
        encoding::sparse(json!({
            "usage_type": input.text("usage_type").unwrap_or("MERCHANT"),
            "usage_pattern": input.text("usage_pattern").unwrap_or("IMMEDIATE"),
            "experience_context": context,
        }))
    };
    let shipping = input.text("shipping_preference").unwrap_or("NO_SHIPPING");
    let described = match source {
        "paypal" => {
            let mut absent = vec!["return_url", "cancel_url"];
            absent.retain(|name| input.text(name).is_none());
            if !absent.is_empty() {
                return Err(Error::missing_inputs(&absent, "the payer comes back from PayPal to them"));
            }
            wallet(json!({
                "return_url": input.text("return_url"),
                "cancel_url": input.text("cancel_url"),
                "shipping_preference": shipping,
            }))
        }
        // Its context has no addresses to come back to.
        "venmo" => wallet(json!({ "shipping_preference": shipping })),
        _ => json!({}),
    };
    let mut body = json!({ "payment_source": { source: described } });
    if let (Some(customer), Some(members)) = (input.text("customer_id"), body.as_object_mut()) {
        members.insert("customer".into(), json!({ "id": customer }));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct SetupToken {
    id: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    links: Vec<Value>,
}
