//! The vault's setup tokens.
//!
//! Written from the types of the npm package `@paypal/paypal-server-sdk` 2.5.0.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    vendor_state::{HEX_DIGITS, Idempotent, VendorState},
};

/// `SetupTokenRequest`: exactly one source, of these three here.
pub(super) fn setup_token(request: &Request, state: &mut VendorState) -> Handled {
    let key = request.header("paypal-request-id").map(str::to_owned);
    let scoped = key.map(|key| format!("setup-tokens\n{key}"));
    let make = |state: &mut VendorState| new_setup_token(request, state).unwrap_or_else(|refusal| refusal);
    match state.idempotent(scoped, 3 * 3_600, request, make) {
        Idempotent::First(answer) => Ok(answer),
        // A repeated request answers with 200.
        Idempotent::Replay(answer) => Ok(Answer { status: 200, ..answer }),
        Idempotent::Conflict => {
            Err(unprocessable("DUPLICATE_REQUEST_ID", "The request id was used for another request.", state))
        }
    }
}

fn new_setup_token(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let source = body.get("payment_source").and_then(Value::as_object).cloned().unwrap_or_default();
    let known = |name: &String| ["customer", "payment_source"].contains(&name.as_str());
    let Some((kind, described)) = source.iter().next().filter(|_| source.len() == 1) else {
        return Err(unprocessable("INVALID_PAYMENT_SOURCE", "Exactly one payment source is expected.", state));
    };
    let context = described.get("experience_context").cloned().unwrap_or_default();
    let url = |name: &str| context.get(name).and_then(Value::as_str).is_some_and(|it| it.contains("://"));
    let usage = described.get("usage_type").and_then(Value::as_str);
    let fits = match kind.as_str() {
        "card" => described.is_object(),
        "paypal" => url("return_url") && url("cancel_url") && matches!(usage, Some("MERCHANT" | "PLATFORM")),
        // `VenmoExperienceContext` has no addresses.
        "venmo" => context.get("return_url").is_none() && matches!(usage, Some("MERCHANT" | "PLATFORM")),
        _ => false,
    };
    if !fits || !body.as_object().is_some_and(|body| body.keys().all(known)) {
        return Err(unprocessable("INVALID_PARAMETER_SYNTAX", "The payment source is not valid.", state));
    }
    let id = state.random_id_of("", 17, b"0123456789ABCDEFGHJKLMNPRSTUVWXY");
    state.issue(&id, "vault_setup_token", Some(state.now.saturating_add(3 * 86_400)), &[]);
    let mut links = vec![
        json!({"rel": "self", "method": "GET", "href": format!("https://api-m.sandbox.paypal.com/v3/vault/setup-tokens/{id}")}),
    ];
    if kind != "card" {
        let href = format!("https://www.sandbox.paypal.com/agreements/approve?approval_session_id={id}");
        links.push(json!({"rel": "approve", "method": "GET", "href": href}));
    }
    let status = if kind == "card" { "CREATED" } else { "PAYER_ACTION_REQUIRED" };
    let customer = body.get("customer").cloned().unwrap_or_else(|| json!({"id": state.random_id("customer_", 10)}));
    Ok(Answer::json(
        201,
        &json!({"id": id, "customer": customer, "status": status, "payment_source": source, "links": links}),
    ))
}

/// A refusal with an issue in its details.
fn unprocessable(issue: &str, description: &str, state: &mut VendorState) -> Answer {
    Answer::json(
        422,
        &json!({"name": "UNPROCESSABLE_ENTITY", "message": "The requested action could not be performed.",
            "debug_id": state.random_id_of("", 13, HEX_DIGITS),
            "details": [{"issue": issue, "description": description}]}),
    )
}
