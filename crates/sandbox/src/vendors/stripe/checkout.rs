//! Checkout Sessions: the rules between `mode`, `ui_mode` and the addresses
//! (<https://docs.stripe.com/api/checkout/sessions/create>).

use serde_json::{Value, json};

use super::{
    errors::invalid,
    mode::Mode,
    params::{check, integer, metadata, one_of},
    versions::ui_modes,
};
use crate::{
    http::{Answer, Pairs, root},
    vendor_state::VendorState,
};

pub(super) fn checkout_session(
    form: &Pairs,
    version: &str,
    mode: Mode,
    state: &mut VendorState,
) -> Result<Value, Answer> {
    let known = "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax billing_address_collection cancel_url \
        client_reference_id consent_collection currency custom_fields custom_text customer customer_account customer_creation \
        customer_email customer_update discounts expires_at invoice_creation line_items locale mode name_collection \
        optional_items origin_context payment_intent_data payment_method_collection payment_method_configuration \
        payment_method_data payment_method_options payment_method_types permissions phone_number_collection \
        redirect_on_completion return_url saved_payment_method_options setup_intent_data shipping_address_collection \
        shipping_options submit_type subscription_data success_url tax_id_collection ui_mode wallet_options";
    check(form, known, &["mode"])?;
    one_of(form, "mode", &["payment", "setup", "subscription"])?;
    let names = ui_modes(version);
    one_of(form, "ui_mode", names)?;
    one_of(form, "redirect_on_completion", &["always", "if_required", "never"])?;
    one_of(form, "customer_creation", &["always", "if_required"])?;
    let ui_mode = form.value("ui_mode").or(names.first().copied()).unwrap_or_default();
    let (hosted, embedded) = (ui_mode.starts_with("hosted"), ui_mode.starts_with("embedded"));
    let missing = |name: &str| invalid(Some("parameter_missing"), &format!("Missing required param: {name}."), name);
    let not_here = |name: &str| {
        invalid(None, &format!("`{name}` cannot be used with `ui_mode` {ui_mode} and these parameters."), name)
    };
    // The version has one of the two names.
    let named = |name: &str| ["allowed_payment_method_types", "payment_method_types"].contains(&root(name));
    let types: Vec<_> = form.0.iter().filter(|(name, _)| named(name)).map(|(_, it)| it).collect();
    let never = form.value("redirect_on_completion") == Some("never");
    match () {
        () if hosted && !form.has("success_url") => return Err(missing("success_url")),
        () if !hosted && form.has("success_url") => return Err(not_here("success_url")),
        () if hosted && form.has("return_url") || never && form.has("return_url") => {
            return Err(not_here("return_url"));
        }
        () if !embedded && form.has("redirect_on_completion") => return Err(not_here("redirect_on_completion")),
        () if embedded && !never && !form.has("return_url") => return Err(missing("return_url")),
        () if form.value("mode") != Some("setup") && !form.has("line_items") => return Err(missing("line_items")),
        () if !form.has("currency") && types.is_empty() && !form.has("line_items") => {
            return Err(missing("currency"));
        }
        () => {}
    }
    if form.value("client_reference_id").is_some_and(|it| it.chars().count() > 200) {
        return Err(invalid(None, "Invalid string: must be at most 200 characters", "client_reference_id"));
    }
    let expires_at = integer(form, "expires_at")?.unwrap_or(state.now.saturating_add(86_400));
    if !(1_800..=86_400).contains(&expires_at.saturating_sub(state.now)) {
        let message =
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
        return Err(invalid(None, message, "expires_at"));
    }
    let (id, tail) = (state.random_id(&format!("cs_{}_", mode.name()), 58), state.random_id("", 60));
    let client_secret = (!hosted).then(|| format!("{id}_secret_{tail}"));
    state.issue(client_secret.as_ref().unwrap_or(&id), "checkout.session", Some(expires_at), &[("id", &id)]);
    let setup_intent = (form.value("mode") == Some("setup")).then(|| state.random_id("seti_", 24));
    Ok(json!({"id": id, "object": "checkout.session", "mode": form.value("mode"), "ui_mode": ui_mode, "status": "open",
        "client_secret": client_secret, "url": hosted.then(|| format!("https://checkout.stripe.com/c/pay/{id}")),
        "created": state.now, "expires_at": expires_at, "livemode": mode.is_live(), "payment_status": "no_payment_required",
        "payment_method_types": types, "setup_intent": setup_intent,
        "customer": form.value("customer"), "currency": form.value("currency"), "return_url": form.value("return_url"),
        "client_reference_id": form.value("client_reference_id"), "automatic_tax": {"enabled": false, "status": null},
        "custom_fields": [], "custom_text": {}, "shipping_options": [], "metadata": metadata(form)}))
}
