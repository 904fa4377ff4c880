//! One fake vendor: its names and functions, and the words inside a credential that make it fail.
//!
//! `vendors/` has one [`FakeVendor`] per connector; the sandbox's state calls it for each request.

use crate::{
    http::{Answer, Handled, Request},
    token_use::TokenUse,
    vendor_state::VendorState,
};

/// The `Retry-After` of every answer with status 429, in seconds.
const RETRY_AFTER_SECONDS: &str = "7";

/// One fake vendor.
pub struct FakeVendor {
    /// The connector's lower-case name, which is its path prefix.
    pub name: &'static str,
    /// Accepted test-mode credentials: the value under the connector's name in `x-connector-auth`.
    pub credentials: &'static str,
    /// Headers (lower-case), form fields and JSON members that carry credentials besides
    /// `Authorization`. A JSON member below the top level is a JSON pointer (RFC 6901).
    pub secrets: &'static [&'static str],
    /// The header that identifies each answer of this vendor, if it has one.
    pub request_id: Option<&'static str>,
    /// The vendor's answer to a request.
    pub serve: fn(&Request, &mut VendorState) -> Handled,
    /// The vendor's failure of a status, in the vendor's shape.
    pub failure: fn(u16, &mut VendorState) -> Answer,
    /// For each grant, a `connector_feature_data` (without the grant's name) that is accepted.
    pub examples: &'static [(&'static str, &'static str)],
    /// For each grant, a call that its token allows and one that it does not.
    pub clients: &'static [TokenUse],
}

/// The effect of a word inside a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Fail(u16),
    Slow,
    Garbage,
}

impl Switch {
    fn of(credential: &str) -> Option<Self> {
        let declined =
            credential.split("decline_").nth(1).and_then(|rest| rest.get(..3)).and_then(|it| it.parse().ok());
        match declined {
            Some(status @ 400..=599) => Some(Self::Fail(status)),
            _ if ["wrong", "invalid", "revoked"].iter().any(|word| credential.contains(word)) => Some(Self::Fail(401)),
            _ if credential.contains("slow") => Some(Self::Slow),
            _ if credential.contains("garbage") => Some(Self::Garbage),
            _ => None,
        }
    }
}

impl FakeVendor {
    /// The switch in the credentials. A token of this fake has none: its random text may contain
    /// such a word.
    pub(crate) fn switch(&self, request: &Request, state: &VendorState) -> Option<Switch> {
        let credentials = request.credentials(self.secrets);
        if credentials.iter().map(String::as_str).chain(request.bearer()).any(|value| state.was_issued(value)) {
            return None;
        }
        credentials.iter().find_map(|value| Switch::of(value))
    }

    /// The answer to a request: of the switch in its credentials, else of the vendor.
    pub fn answer(&self, request: &Request, state: &mut VendorState) -> Answer {
        state.path.clone_from(&request.path);
        let answer = match self.switch(request, state) {
            Some(Switch::Fail(status)) => self.fail(status, state),
            Some(Switch::Garbage) => Answer::garbage(),
            Some(Switch::Slow) | None => (self.serve)(request, state).unwrap_or_else(|refusal| refusal),
        };
        match self.request_id {
            Some(name) => answer.with(name, state.random_id("req_", 14)),
            None => answer,
        }
    }

    /// The vendor's failure of a status; 429 with `Retry-After`.
    pub(crate) fn fail(&self, status: u16, state: &mut VendorState) -> Answer {
        let answer = (self.failure)(status, state);
        if status == 429 { answer.with("retry-after", RETRY_AFTER_SECONDS) } else { answer }
    }
}
