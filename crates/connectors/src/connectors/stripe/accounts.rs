//! Account Sessions: Connect's embedded components for the user of one connected account.
//! <https://docs.stripe.com/api/account_sessions/create>

use super::api::{
    Credentials, EACH_ITS_OWN, NODE_TYPES, PUBLISHABLE_KEY, PUBLISHABLE_KEY_OUT, bracketed, check, post, refusal,
    with_publishable_key,
};
use crate::prelude::*;

/// The features that widen a component's power, by the types of the npm package `stripe` 23.1.0.
/// The vendor switches several of them on where the request has no features.
///
/// Two features are not here: `external_account_collection` may be false for some accounts only,
/// and the default of `disable_stripe_user_authentication` is its opposite.
const FEATURES: &[(&str, &[&str])] = &[
    ("balances", &["edit_payout_schedule", "instant_payouts", "standard_payouts"]),
    ("disputes_list", DISPUTES_AND_CAPTURES),
    ("financial_account", &["send_money", "transfer_balance"]),
    ("financial_account_transactions", &["card_spend_dispute_management"]),
    ("instant_payouts_promotion", &["instant_payouts"]),
    ("issuing_card", ISSUING),
    ("issuing_cards_list", ISSUING),
    ("payment_details", DISPUTES_AND_CAPTURES),
    ("payment_disputes", &["dispute_management", "refund_management"]),
    ("payments", DISPUTES_AND_CAPTURES),
    ("payouts", &["edit_payout_schedule", "instant_payouts", "standard_payouts"]),
];
const DISPUTES_AND_CAPTURES: &[&str] = &["capture_payments", "dispute_management", "refund_management"];
const ISSUING: &[&str] =
    &["card_management", "card_spend_dispute_management", "cardholder_management", "spend_control_management"];

pub(super) const ACCOUNT_SESSION: Grant<StepFn<Credentials>> = client_grant(
    "account_session",
    "show Connect's embedded components for one connected account, to that account's own user; a component without \
     features can read only, one with features does what they say and what Stripe's defaults add to them",
    Lifetime::InReply,
    account_session,
)
.inputs(&[Input::text("account").required(), Input::object("components").required(), PUBLISHABLE_KEY])
.worst_case(
    "see the connected account's payments, balances, payouts and personal data in the enabled components, and do what \
     their features let: refund, capture, pay out, change bank accounts",
    &[Bound::Object, Bound::SingleUse],
)
.client_source(NODE_TYPES)
.client_parameters(&[PUBLISHABLE_KEY_OUT])
.minting_ends_earlier(EACH_ITS_OWN)
.single_use();

fn account_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    match exchange.replies {
        [] => {
            let components = narrowed(exchange.input.required_value("components")?)?;
            let form = bracketed(FormBody::new(), "components", &components)?;
            if form.is_empty() {
                return Err(Error::missing_inputs(&["components"], "enable at least one"));
            }
            // The account stands in the body: the call is the platform's own, without Stripe-Account.
            let form = form.field("account", exchange.input.required_text("account")?);
            post(credentials, exchange, "/v1/account_sessions", form)
        }
        [reply, ..] => {
            let session: AccountSession = reply.accept(refusal)?;
            let token = Token::new(&session.client_secret, "client_secret", Expiry::at_epoch(session.expires_at)?)?;
            Ok(Step::Done(with_publishable_key(token.scope_list(Some(&granted(&session.components))), exchange)))
        }
    }
}

/// The components, in which each enabled one that names no features has the wide ones switched off.
///
/// # Errors
/// A switch is neither true nor false: the form would have nothing in its place, or a text that Stripe
/// takes for one of them.
fn narrowed(components: &Value) -> Result<Value> {
    let no_switch = || Error::invalid_input("components", "enabled and each feature must be true or false");
    let mut components = components.clone();
    for (name, component) in components.as_object_mut().into_iter().flatten() {
        let component = component.as_object_mut().ok_or_else(no_switch)?;
        let names_none = match component.get("features") {
            None | Some(Value::Null) => true,
            Some(Value::Object(features)) if features.values().all(Value::is_boolean) => features.is_empty(),
            Some(_) => return Err(no_switch()),
        };
        let is_enabled = match component.get("enabled") {
            None => false,
            Some(enabled) => enabled.as_bool().ok_or_else(no_switch)?,
        };
        let wide = FEATURES.iter().find(|(known, _)| known == name).map(|(_, features)| features);
        if let (true, true, Some(wide)) = (is_enabled, names_none, wide) {
            let off = wide.iter().map(|feature| ((*feature).to_owned(), Value::Bool(false)));
            component.insert("features".into(), Value::Object(off.collect()));
        }
    }
    Ok(components)
}

/// The enabled components and features of the answer, as a list of scopes: `payments`,
/// `payments.refund_management`.
fn granted(components: &Map<String, Value>) -> String {
    let mut scopes = Vec::new();
    for (name, component) in components.iter().filter(|(_, component)| component["enabled"] == true) {
        scopes.push(name.clone());
        let features = component.get("features").and_then(Value::as_object).into_iter().flatten();
        scopes.extend(features.filter(|(_, on)| **on == true).map(|(feature, _)| format!("{name}.{feature}")));
    }
    scopes.join(" ")
}

#[derive(Deserialize)]
struct AccountSession {
    client_secret: String,
    expires_at: Seconds,
    #[serde(default, deserialize_with = "encoding::lenient")]
    components: Map<String, Value>,
}
