//! Account Sessions: Connect's embedded components for one connected account.
//!
//! Written from `AccountSessionCreateParams` of the npm package `stripe` 23.1.0.

use serde_json::{Map, Value, json};

use super::{
    errors::{error, invalid},
    mode::Mode,
    params::check,
};
use crate::{
    http::{Answer, Pairs},
    vendor_state::VendorState,
};

/// The lifetime of an Account Session in seconds. Stripe publishes none; it is invented.
const LIFETIME: i64 = 1_800;

/// The components, each with the features that the request may have.
const COMPONENTS: &[(&str, &str)] = &[
    ("account_management", "disable_stripe_user_authentication external_account_collection"),
    ("account_onboarding", "disable_stripe_user_authentication external_account_collection"),
    ("balance_report", ""),
    ("balances", PAYOUTS),
    ("disputes_list", PAYMENTS),
    ("documents", ""),
    ("financial_account", "disable_stripe_user_authentication external_account_collection send_money transfer_balance"),
    ("financial_account_transactions", "card_spend_dispute_management"),
    ("instant_payouts_promotion", "disable_stripe_user_authentication external_account_collection instant_payouts"),
    ("issuing_card", "card_management card_spend_dispute_management cardholder_management spend_control_management"),
    (
        "issuing_cards_list",
        "card_management card_spend_dispute_management cardholder_management disable_stripe_user_authentication \
         spend_control_management",
    ),
    ("notification_banner", "disable_stripe_user_authentication external_account_collection"),
    ("payment_details", PAYMENTS),
    (
        "payment_disputes",
        "destination_on_behalf_of_charge_management dispute_management refund_management smart_disputes_management",
    ),
    ("payment_method_settings", "disable_stripe_user_authentication"),
    ("payments", PAYMENTS),
    ("payout_details", ""),
    ("payout_reconciliation_report", ""),
    ("payouts", PAYOUTS),
    ("payouts_list", ""),
    ("reporting_chart", ""),
    ("tax_registrations", ""),
    ("tax_settings", ""),
    ("terminal_hardware_orders", ""),
    ("terminal_hardware_shop", ""),
];
const PAYMENTS: &str = "capture_payments destination_on_behalf_of_charge_management dispute_management \
    refund_management smart_disputes_management";
const PAYOUTS: &str = "disable_stripe_user_authentication edit_payout_schedule external_account_collection \
    instant_payouts standard_payouts";

/// The features that Stripe switches on where the request does not name them.
const ON_BY_DEFAULT: &[&str] =
    &["capture_payments", "dispute_management", "external_account_collection", "refund_management"];

pub(super) fn account_session(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    check(form, "account components", &["account", "components"])?;
    let account = form.value("account").unwrap_or_default();
    if !account.starts_with("acct_") || account.contains("missing") {
        let message = "The provided key does not have access to that account (or that account does not exist).";
        return Err(error(403, "invalid_request_error", Some("account_invalid"), message, None));
    }
    for (name, value) in form.0.iter().filter(|(name, _)| name.starts_with("components[")) {
        known(name)?;
        if !["true", "false"].contains(&value.as_str()) {
            return Err(invalid(None, &format!("Invalid boolean: {value}"), name));
        }
    }
    let mut components = Map::new();
    for (component, features) in COMPONENTS {
        let given = |rest: &str| form.value(&format!("components[{component}]{rest}"));
        let named = form.0.iter().any(|(name, _)| name.starts_with(&format!("components[{component}]")));
        let enabled = given("[enabled]");
        if named && enabled.is_none() {
            let param = format!("components[{component}][enabled]");
            return Err(invalid(Some("parameter_missing"), &format!("Missing required param: {param}."), &param));
        }
        let on = |feature: &str| match given(&format!("[features][{feature}]")) {
            Some(value) => value == "true",
            None => ON_BY_DEFAULT.contains(&feature),
        };
        let features: Map<String, Value> =
            features.split_whitespace().map(|feature| (feature.to_owned(), json!(on(feature)))).collect();
        components.insert((*component).to_owned(), json!({"enabled": enabled == Some("true"), "features": features}));
    }
    let expires_at = state.now.saturating_add(LIFETIME);
    let secret = state.random_id("accs_secret__", 40);
    state.issue(&secret, "account_session", Some(expires_at), &[("account", account)]);
    Ok(json!({"object": "account_session", "account": account, "client_secret": secret, "expires_at": expires_at,
        "livemode": mode.is_live(), "components": components}))
}

/// Refuses a name that no component and no feature of it has.
fn known(name: &str) -> Result<(), Answer> {
    let parts: Vec<&str> = name.split('[').map(|part| part.trim_end_matches(']')).collect();
    let features =
        |component: &str| COMPONENTS.iter().find(|(known, _)| *known == component).map(|(_, features)| *features);
    let fits = match parts.as_slice() {
        ["components", component, "enabled"] => features(component).is_some(),
        ["components", component, "features", feature] => {
            features(component).is_some_and(|features| features.split_whitespace().any(|known| known == *feature))
        }
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), name)),
    }
}
