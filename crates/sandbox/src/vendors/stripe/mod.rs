//! Stripe: requests to it and its grants.
//!
//! Written from its OpenAPI document, its fixtures of 2026, the types of its npm package `stripe`
//! 23.1.0 and <https://docs.stripe.com/api>. The SDKs also call endpoints that Stripe does not
//! document (`payment_pages`, `elements/sessions`, `terminal/sessions`): their answers are
//! invented, and they check the token only.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Pairs, Request},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

mod accounts;
mod caller;
mod checkout;
mod customers;
mod errors;
mod intents;
mod mode;
mod params;
mod shared_payment;
mod terminal;
#[cfg(test)]
mod tests;
mod token_uses;
mod versions;

use caller::{Caller, caller};
use errors::{error, failure, invalid, masked, refused_key, unauthorized, unrecognized_path};
use mode::Mode;
use params::check;
use token_uses::TOKEN_USES;
use versions::version;

const EXAMPLES: &[(&str, &str)] = &[
    ("checkout_session_setup", "{}"),
    ("ephemeral_key", r#"{"customer":"cus_1"}"#),
    ("customer_session", r#"{"customer":"cus_1","components":{"payment_element":{"enabled":true}}}"#),
    ("account_session", r#"{"account":"acct_1","components":{"payments":{"enabled":true}}}"#),
    ("setup_intent", "{}"),
    ("terminal_connection_token", r#"{"location":"tml_1"}"#),
    ("payment_intent", r#"{"amount":1000,"currency":"EUR"}"#),
    (
        "shared_payment_issued_token",
        r#"{"payment_method":"pm_1","seller_details":{"network_business_profile":"profile_1"},"max_amount":1000,"currency":"USD"}"#,
    ),
];

pub(super) static STRIPE: FakeVendor = FakeVendor {
    name: "stripe",
    credentials: r#"{"api_key": "sk_test_sandbox"}"#,
    secrets: &[],
    request_id: Some("request-id"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: TOKEN_USES,
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let (key, caller) = caller(request, state)?;
    let version = version(request)?;
    check_headers(request)?;
    let segments = request.segments();
    match (&caller, request.method.as_str(), segments.as_slice()) {
        (Caller::Secret(mode), "POST", path) => create_once(path, request, &key, version, *mode, state),
        (Caller::Secret(_), "DELETE", ["v1", "ephemeral_keys", id]) => Ok(revoke(id, "deleted", state)?),
        (Caller::Secret(_), "GET", ["v1", "customers", id]) => {
            Ok(Answer::json(200, &json!({"id": id, "object": "customer"})))
        }
        (Caller::Customer(own), "GET", ["v1", "customers", id]) if own == id && !own.is_empty() => {
            Ok(Answer::json(200, &json!({"id": id, "object": "customer"})))
        }
        (Caller::Customer(own), "GET", ["v1", "payment_methods"]) if request.query.value("customer") == Some(own) => {
            Ok(Answer::json(
                200,
                &json!({"object": "list", "data": [], "has_more": false, "url": "/v1/payment_methods"}),
            ))
        }
        (Caller::Reader, "POST", ["v1", "terminal", "sessions"]) => {
            if let Ok(token) = state.active(&key, &["connection_token"]) {
                token.used = true;
            }
            Ok(Answer::json(200, &json!({"object": "terminal.session"})))
        }
        (Caller::Public, "POST", ["v1", "payment_pages", id, "confirm"]) => {
            confirm("checkout.session", id, request, state)
        }
        (Caller::Public, "POST", ["v1", "setup_intents", id, "confirm"]) => confirm("setup_intent", id, request, state),
        (Caller::Public, "POST", ["v1", "payment_intents", id, "confirm"]) => {
            confirm("payment_intent", id, request, state)
        }
        (Caller::Public, "GET", ["v1", "elements", "sessions"]) => {
            let secret = request.query.value("customer_session_client_secret").unwrap_or_default();
            state.active(secret, &["customer_session"]).map_err(|reason| refused_key(reason, secret))?;
            Ok(Answer::json(200, &json!({"object": "elements_session", "customer": {"payment_methods": []}})))
        }
        (Caller::Public, "POST", ["v1", "account_sessions", "claim"]) => claim(request, state),
        (Caller::Secret(_), ..) => Err(unrecognized(request)),
        (Caller::Public, ..) => Err(unauthorized(
            Some("secret_key_required"),
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
        )),
        (Caller::Customer(_) | Caller::Reader, ..) => {
            let message = format!("The provided key '{}' does not have the required permissions.", masked(&key));
            Err(error(403, "invalid_request_error", None, &message, None))
        }
    }
}

/// Checks the account and the content type.
fn check_headers(request: &Request) -> Result<(), Answer> {
    if request.header("stripe-account").is_some_and(|account| !account.starts_with("acct_")) {
        let message = "The provided key does not have access to that account (or that account does not exist).";
        return Err(error(403, "invalid_request_error", Some("account_invalid"), message, None));
    }
    let form_type = request.body.is_empty() || request.content_type() == "application/x-www-form-urlencoded";
    if !form_type {
        let message = "Invalid request: the POST content type must be application/x-www-form-urlencoded.";
        return Err(error(400, "invalid_request_error", None, message, None));
    }
    Ok(())
}

fn unrecognized(request: &Request) -> Answer {
    unrecognized_path(&request.method, &request.path)
}

/// Creates an object, once per key and idempotency key.
fn create_once(
    path: &[&str],
    request: &Request,
    key: &str,
    version: &str,
    mode: Mode,
    state: &mut VendorState,
) -> Handled {
    let idempotency_key = request.header("idempotency-key").map(str::to_owned);
    if idempotency_key.as_ref().is_some_and(|it| it.len() > 255) {
        let message = "Idempotency-Key: at most 255 characters.";
        return Err(error(400, "invalid_request_error", None, message, None));
    }
    let scoped = idempotency_key.as_ref().map(|it| format!("{key}\n{it}"));
    let create = |state: &mut VendorState| {
        let made = create(path, &request.form(), request, version, mode, state);
        made.unwrap_or_else(|| Err(unrecognized(request))).unwrap_or_else(|refusal| refusal)
    };
    let answer = once_answer(state.idempotent(scoped, 86_400, request, create));
    Ok(idempotency_key.into_iter().fold(answer, |answer, key| answer.with("idempotency-key", key)))
}

/// The answer to a request with or without an idempotency key.
fn once_answer(result: Idempotent) -> Answer {
    match result {
        Idempotent::First(answer) => answer,
        Idempotent::Replay(answer) => answer.with("idempotent-replayed", "true"),
        Idempotent::Conflict => {
            let message =
                "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            error(400, "idempotency_error", None, message, None)
        }
    }
}

/// Confirms the object of a client secret; a client secret works once.
fn confirm(kind: &'static str, id: &str, request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let secret = form.value("client_secret").unwrap_or_default();
    let token = state.active(secret, &[kind]).map_err(|reason| refused_key(reason, secret))?;
    if token.attribute("id") != id {
        let message = format!("The client_secret does not match the {kind} '{id}'.");
        return Err(invalid(None, &message, "client_secret"));
    }
    token.used = true;
    let status = if kind == "checkout.session" { "complete" } else { "succeeded" };
    Ok(Answer::json(200, &json!({"id": id, "object": kind, "status": status})))
}

/// Opens an Account Session in a page: its secret works once.
fn claim(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let secret = form.value("client_secret").unwrap_or_default();
    let token = state.active(secret, &["account_session"]).map_err(|reason| refused_key(reason, secret))?;
    token.used = true;
    Ok(Answer::json(200, &json!({"object": "account_session.claim", "account": token.attribute("account")})))
}

/// Revokes a token by the id of its object.
fn revoke(id: &str, status: &str, state: &mut VendorState) -> Handled {
    let missing = || {
        error(404, "invalid_request_error", Some("resource_missing"), &format!("No such object: '{id}'"), Some("id"))
    };
    let token = state.find_token("id", id).filter(|token| !token.used).ok_or_else(missing)?;
    token.used = true;
    Ok(Answer::json(200, &json!({"id": id, "object": token.kind, "status": status})))
}

/// Creates an object for a secret key; `None` if there is no such path.
fn create(
    path: &[&str],
    form: &Pairs,
    request: &Request,
    version: &str,
    mode: Mode,
    state: &mut VendorState,
) -> Option<Handled> {
    if let Err(refusal) = versions::check(path, form, version) {
        return Some(Err(refusal));
    }
    let made = match path {
        ["v1", "customers"] => customers::new_customer(form, mode, state),
        ["v1", "ephemeral_keys"] => customers::ephemeral_key(form, request, mode, state),
        ["v1", "checkout", "sessions"] => checkout::checkout_session(form, version, mode, state),
        ["v1", "customer_sessions"] => customers::customer_session(form, mode, state),
        ["v1", "account_sessions"] => accounts::account_session(form, mode, state),
        ["v1", "shared_payment", "issued_tokens"] => shared_payment::issued_token(form, version, mode, state),
        ["v1", "setup_intents"] => intents::setup_intent(form, mode, state),
        ["v1", "payment_intents"] => intents::payment_intent(form, mode, state),
        ["v1", "terminal", "connection_tokens"] => terminal::connection_token(form, mode, state),
        ["v1", "refunds"] => check(form, "amount charge payment_intent reason", &[])
            .map(|()| json!({"id": state.random_id("re_", 24), "object": "refund", "status": "succeeded"})),
        ["v1", "checkout", "sessions", id, "expire"] => return Some(revoke(id, "expired", state)),
        ["v1", "setup_intents" | "payment_intents", id, "cancel"] => return Some(revoke(id, "canceled", state)),
        _ => return None,
    };
    Some(made.map(|object| Answer::json(200, &object)))
}
