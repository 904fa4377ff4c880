//! Setup Intents and Payment Intents.

use serde_json::{Value, json};

use super::{
    errors::invalid,
    mode::Mode,
    params::{check, integer, metadata, one_of},
};
use crate::{
    http::{Answer, Pairs},
    vendor_state::VendorState,
};

pub(super) fn setup_intent(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "allowed_payment_method_types attach_to_self automatic_payment_methods confirm confirmation_token customer customer_account description \
        excluded_payment_method_types flow_directions mandate_data on_behalf_of payment_method payment_method_configuration \
        payment_method_data payment_method_options payment_method_types return_url single_use usage use_stripe_sdk";
    check(form, known, &[])?;
    one_of(form, "usage", &["off_session", "on_session"])?;
    one_of(form, "automatic_payment_methods[allow_redirects]", &["always", "never"])?;
    Ok(intent("seti_", "setup_intent", form, mode, state))
}

pub(super) fn payment_intent(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    let known = "allowed_payment_method_types amount application_fee_amount automatic_payment_methods capture_method confirm confirmation_method currency \
        customer customer_account description error_on_requires_action mandate mandate_data off_session on_behalf_of \
        payment_method payment_method_configuration payment_method_data payment_method_options payment_method_types \
        radar_options receipt_email return_url setup_future_usage shipping statement_descriptor \
        statement_descriptor_suffix transfer_data transfer_group use_stripe_sdk";
    check(form, known, &["amount", "currency"])?;
    if integer(form, "amount")?.is_some_and(|amount| amount < 1) {
        return Err(invalid(
            Some("parameter_invalid_integer"),
            "This value must be greater than or equal to 1.",
            "amount",
        ));
    }
    if form.value("currency").is_some_and(|it| it.len() != 3) {
        return Err(invalid(None, "Invalid currency: three letters are expected", "currency"));
    }
    one_of(form, "automatic_payment_methods[allow_redirects]", &["always", "never"])?;
    Ok(intent("pi_", "payment_intent", form, mode, state))
}

fn intent(prefix: &str, kind: &'static str, form: &Pairs, mode: Mode, state: &mut VendorState) -> Value {
    let id = state.random_id(prefix, 24);
    let secret = state.random_id(&format!("{id}_secret_"), 25);
    state.issue(&secret, kind, None, &[("id", &id)]);
    json!({"id": id, "object": kind, "client_secret": secret, "status": "requires_payment_method", "created": state.now,
        "livemode": mode.is_live(), "amount": integer(form, "amount").ok().flatten(), "currency": form.value("currency"),
        "customer": form.value("customer"), "usage": form.value("usage"), "metadata": metadata(form)})
}
