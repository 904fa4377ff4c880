//! Shared payment tokens, a preview of Stripe.
//!
//! Written from <https://docs.stripe.com/api/shared-payment/issued-token/create> and the changelog
//! of 2026-04-22.

use serde_json::{Value, json};

use super::{
    errors::{invalid, unrecognized_path},
    mode::Mode,
    params::{check, integer},
};
use crate::{
    http::{Answer, Pairs},
    vendor_state::VendorState,
};

/// The preview that brought the call. No released version has it.
const SINCE: &str = "2026-04-22.preview";

pub(super) fn issued_token(form: &Pairs, version: &str, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    if !version.ends_with(".preview") || version < SINCE {
        return Err(unrecognized_path("POST", "/v1/shared_payment/issued_tokens"));
    }
    let known =
        "payment_method return_url seller_details setup_future_usage shared_metadata usage_limits use_stripe_sdk";
    check(form, known, &["payment_method", "seller_details", "usage_limits"])?;
    let required = ["usage_limits[currency]", "usage_limits[max_amount]", "seller_details[network_business_profile]"];
    if let Some(name) = required.into_iter().find(|name| form.value(name).is_none()) {
        return Err(invalid(Some("parameter_missing"), &format!("Missing required param: {name}."), name));
    }
    let (max, at) = (integer(form, "usage_limits[max_amount]")?, integer(form, "usage_limits[expires_at]")?);
    if max.is_some_and(|max| max < 1) {
        return Err(invalid(Some("parameter_invalid_integer"), "Must be at least 1.", "usage_limits[max_amount]"));
    }
    if at.is_some_and(|at| at <= state.now) {
        return Err(invalid(None, "Must be a time in the future.", "usage_limits[expires_at]"));
    }
    let method = form.value("payment_method").unwrap_or_default();
    if !method.starts_with("pm_") || method.contains("missing") {
        let message = format!("No such PaymentMethod: '{method}'");
        return Err(invalid(Some("resource_missing"), &message, "payment_method"));
    }
    let id = state.random_id("spt_", 24);
    state.issue(&id, "shared_payment.issued_token", at, &[("id", &id)]);
    Ok(json!({"id": id, "object": "shared_payment.issued_token", "created": state.now, "livemode": mode.is_live(),
        "status": "active", "deactivated_at": null, "deactivated_reason": null, "next_action": null,
        "payment_method": method, "shared_metadata": {},
        "seller_details": {"network_business_profile": form.value("seller_details[network_business_profile]")},
        "usage_limits": {"currency": form.value("usage_limits[currency]"), "max_amount": max, "expires_at": at}}))
}
