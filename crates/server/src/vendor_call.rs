//! The first call to a connector, with the secrets redacted, as text for people. Used by the command
//! `explain` and by `playground`.

use connectors::Call;
use daypass::TokenRequest;
use serde::Serialize;

/// What stands for a header value that is made of secrets.
const REDACTED: &str = "[REDACTED]";

/// A checked request, and the first call that it leads to.
#[derive(Serialize)]
pub(crate) struct VendorCall {
    /// The connector's name as people write it.
    pub connector: &'static str,
    /// The grant.
    pub grant: &'static str,
    /// The audience of the token.
    pub audience: &'static str,
    /// `test` or `live`.
    pub mode: &'static str,
    /// The call; `None` where the token is made without one.
    pub call: Option<RedactedCall>,
}

/// A call without its secrets.
#[derive(Serialize)]
pub(crate) struct RedactedCall {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers in their order.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: String,
}

impl VendorCall {
    /// The call of a request. Credentials and secret inputs are redacted as they are, and header
    /// values that are made of them.
    pub(crate) fn new(request: &TokenRequest, first: Option<&Call>) -> Self {
        let call = first.map(|call| RedactedCall {
            method: call.method.to_string(),
            url: request.redacted(&call.uri.to_string()),
            headers: call
                .headers
                .iter()
                .map(|(name, value)| {
                    let value = value.to_str().ok().filter(|_| !value.is_sensitive());
                    (name.to_string(), value.map_or_else(|| REDACTED.to_owned(), |value| request.redacted(value)))
                })
                .collect(),
            body: request.redacted(&String::from_utf8_lossy(&call.body)),
        });
        Self {
            connector: request.meta.name,
            grant: request.grant.name,
            audience: request.grant.audience.label(),
            mode: request.mode.label(),
            call,
        }
    }
}
