//! Stripe's errors, by the types and codes of <https://docs.stripe.com/api/errors>.

use serde_json::{Value, json};

use crate::{http::Answer, vendor_state::TokenError};

pub(super) fn error(status: u16, kind: &str, code: Option<&str>, message: &str, param: Option<&str>) -> Answer {
    let members = [("type", Some(kind)), ("code", code), ("message", Some(message)), ("param", param)];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    Answer::json(status, &json!({"error": Value::Object(members)}))
}

pub(super) fn invalid(code: Option<&str>, message: &str, param: &str) -> Answer {
    error(400, "invalid_request_error", code, message, Some(param))
}

pub(super) fn unauthorized(code: Option<&str>, message: &str) -> Answer {
    error(401, "invalid_request_error", code, message, None)
}

pub(super) fn unrecognized_path(method: &str, path: &str) -> Answer {
    error(404, "invalid_request_error", None, &format!("Unrecognized request URL ({method}: {path})."), None)
}

pub(super) fn failure(status: u16) -> Answer {
    let refused = |code, message| error(status, "invalid_request_error", code, message, None);
    match status {
        401 => refused(None, "Invalid API Key provided: sk_test_****cked"),
        403 => refused(
            None,
            "The provided key 'rk_test_****cked' does not have the required permissions for this endpoint.",
        ),
        429 => refused(Some("rate_limit"), "Request rate limit exceeded."),
        500.. => error(status, "api_error", None, "An unknown error occurred.", None),
        _ => refused(None, "The request was refused."),
    }
}

/// A key as Stripe repeats it in a message.
pub(super) fn masked(key: &str) -> String {
    let tail: Vec<char> = key.chars().rev().take(4).collect();
    format!("{}****{}", key.chars().take(8).collect::<String>(), tail.into_iter().rev().collect::<String>())
}

/// The refusal of a token as a key.
pub(super) fn refused_key(reason: TokenError, token: &str) -> Answer {
    match reason {
        TokenError::Expired => {
            unauthorized(Some("api_key_expired"), &format!("Expired API Key provided: {}", masked(token)))
        }
        TokenError::Unknown | TokenError::Used => {
            unauthorized(None, &format!("Invalid API Key provided: {}", masked(token)))
        }
    }
}
