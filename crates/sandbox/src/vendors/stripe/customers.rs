//! Customers, and the two tokens that belong to one: ephemeral keys and Customer Sessions.

use serde_json::{Map, Value, json};

use super::{
    errors::{error, invalid},
    mode::Mode,
    params::{check, exists},
};
use crate::{
    http::{Answer, Pairs, Request},
    vendor_state::VendorState,
};

pub(super) fn new_customer(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "address balance business_name cash_balance coupon description email individual_name invoice_prefix \
        invoice_settings name next_invoice_sequence payment_method phone preferred_locales promotion_code shipping source \
        tax tax_exempt tax_id_data test_clock";
    check(form, known, &[])?;
    Ok(
        json!({"id": state.random_id("cus_", 14), "object": "customer", "created": state.now, "livemode": mode.is_live(),
        "name": form.value("name"), "email": form.value("email"), "description": form.value("description")}),
    )
}

pub(super) fn ephemeral_key(
    form: &Pairs,
    request: &Request,
    mode: Mode,
    state: &mut VendorState,
) -> Result<Value, Answer> {
    if request.header("stripe-version").is_none() {
        let message =
            "An ephemeral key needs the API version of the client that will use it, in the Stripe-Version header.";
        return Err(error(400, "invalid_request_error", None, message, None));
    }
    check(form, "customer issuing_card nonce verification_session", &[])?;
    exists(form, "issuing_card", "ic_")?;
    exists(form, "verification_session", "vs_")?;
    let subjects = ["customer", "issuing_card", "verification_session"];
    let named: Vec<_> = subjects.into_iter().filter_map(|name| Some((name, form.value(name)?))).collect();
    let [(name, id)] = named.as_slice() else {
        let message = "Give exactly one of customer, issuing_card and verification_session.";
        return Err(invalid(named.is_empty().then_some("parameter_missing"), message, "customer"));
    };
    if *name == "issuing_card" {
        check(form, "issuing_card nonce", &["nonce"])?;
    }
    let (key, expires) = (state.random_id("ephkey_", 24), state.now.saturating_add(3_600));
    let secret = state.random_id(&format!("ek_{}_", mode.name()), 60);
    state.issue(&secret, "ephemeral_key", Some(expires), &[("id", &key), (name, id)]);
    let kind = if *name == "issuing_card" { "issuing.card" } else { name };
    Ok(json!({"id": key, "object": "ephemeral_key", "associated_objects": [{"type": kind, "id": id}],
        "created": state.now, "expires": expires, "livemode": mode.is_live(), "secret": secret}))
}

pub(super) fn customer_session(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    check(form, "customer customer_account components", &["components"])?;
    if !form.has("customer") && !form.has("customer_account") {
        check(form, "customer components", &["customer"])?;
    }
    if form.has("customer") && form.has("customer_account") {
        let message = "You may only specify one of these parameters: customer, customer_account.";
        return Err(invalid(None, message, "customer_account"));
    }
    exists(form, "customer_account", "acct_")?;
    let components = [
        "active_entitlements",
        "buy_button",
        "customer_portal",
        "customer_sheet",
        "mobile_payment_element",
        "payment_element",
        "pricing_table",
    ];
    let named = |name: &str| name.strip_prefix("components[").and_then(|it| it.split(']').next()).map(str::to_owned);
    let mut answered = Map::new();
    for (name, _) in &form.0 {
        match named(name) {
            Some(component) if !components.contains(&component.as_str()) => {
                return Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), name));
            }
            Some(component) => {
                let param = format!("components[{component}][enabled]");
                let enabled = form.value(&param).ok_or_else(|| {
                    invalid(Some("parameter_missing"), &format!("Missing required param: {param}."), &param)
                })?;
                answered.insert(component, json!({"enabled": enabled == "true"}));
            }
            None => {}
        }
    }
    let (secret, expires_at) = (state.random_id("cuss_secret_", 50), state.now.saturating_add(1_800));
    let customer = form.value("customer");
    state.issue(&secret, "customer_session", Some(expires_at), &[("customer", customer.unwrap_or_default())]);
    Ok(json!({"object": "customer_session", "client_secret": secret, "customer": customer,
        "customer_account": form.value("customer_account"), "created": state.now,
        "expires_at": expires_at, "livemode": mode.is_live(), "components": answered}))
}
