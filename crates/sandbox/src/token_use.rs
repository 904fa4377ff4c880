//! The use of the fakes' tokens by clients: for each grant a call that the token allows, and one
//! that it does not.
//!
//! Each fake lists its token uses. The tests of the fakes, the demo and the end-to-end tests run
//! them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::text;

/// The use of one grant's token by clients.
pub struct TokenUse {
    /// The grant.
    pub grant: &'static str,
    /// A call that the token allows.
    pub allowed: fn(&ClientToken) -> ClientCall,
    /// A call that the token must not allow.
    pub forbidden: fn(&ClientToken) -> ClientCall,
}

/// The values that a client received.
#[derive(Debug, Clone, Default)]
pub struct ClientToken {
    /// The token.
    pub token: String,
    /// The public values beside the token.
    pub client_parameters: BTreeMap<String, String>,
    /// The caller's reference.
    pub reference: String,
}

impl ClientToken {
    /// The public value with the prefix of one kind of the vendor's ids; empty if there is none.
    pub(crate) fn starting(&self, prefix: &str) -> &str {
        self.client_parameters.values().find(|value| value.starts_with(prefix)).map_or("", String::as_str)
    }
}

/// One call of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCall {
    /// A description for people.
    pub title: &'static str,
    /// Method.
    pub method: &'static str,
    /// Path with the connector's prefix, and query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

impl ClientCall {
    /// A call without headers and body.
    pub(crate) fn new(title: &'static str, method: &'static str, path: impl Into<String>) -> Self {
        Self { title, method, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.body = value.to_string();
        self.header("content-type", "application/json")
    }
}

/// JSON pointers and values that mean a refusal although the status is 200: of Authorize.Net, Nuvei
/// and Paytm.
pub const REFUSALS: &[(&str, &[&str])] =
    &[("/messages/resultCode", &["Error"]), ("/status", &["ERROR"]), ("/body/resultInfo/resultStatus", &["F", "U"])];

/// Whether an answer to a client's call is a refusal: by its status, by the `errors` of GraphQL, or
/// by a member in `REFUSALS`.
pub fn refused(status: u16, body: &str) -> bool {
    let body: Value = serde_json::from_str(body.trim_start_matches('\u{feff}')).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    status >= 400 || errors || REFUSALS.iter().any(|(at, values)| values.contains(&text(&body, at)))
}
