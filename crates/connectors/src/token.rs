//! The token that an exchange yields.

use std::borrow::Cow;

use crate::{
    error::{Error, Result},
    expiry::Expiry,
    secret::Secret,
};

/// The longest token that is handed out, in bytes: our own bound, far above the tokens of the
/// fixtures.
const MAX_TOKEN_BYTES: usize = 256 * 1024;

/// The token that an exchange yields, with the values that came with it.
///
/// `Debug` does not show these values: some repeat the token.
#[derive(Clone)]
pub struct Token {
    /// The token itself.
    pub value: Secret,
    /// How the client presents it: `Bearer`, or the vendor's own term.
    pub token_type: String,
    /// When it expires, by the connector's main statement.
    pub expiry: Expiry,
    /// Further ends that are known: the `exp` of a JWT, the end of a session around the token. The
    /// earliest one counts.
    pub further_ends: Vec<Expiry>,
    /// The scopes that the connector granted, where it lists them.
    pub scopes: Vec<String>,
    /// Public values that the client's SDK needs next to the token.
    pub client_parameters: Vec<(Cow<'static, str>, String)>,
    /// Values that came with the token and must stay in the backend.
    pub server_parameters: Vec<(Cow<'static, str>, Secret)>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} {:?}, {:?})", self.token_type, self.value, self.expiry)
    }
}

impl Token {
    /// A token with this expiry.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where the text cannot be a token: empty, with control characters,
    /// or too long.
    pub fn new(value: &str, token_type: impl Into<String>, expiry: Expiry) -> Result<Self> {
        let token_type = token_type.into();
        if value.trim().is_empty() {
            return Err(Error::bad_reply("the connector's answer has no token in it"));
        }
        if value.len() > MAX_TOKEN_BYTES || value.chars().any(char::is_control) {
            return Err(Error::bad_reply("the connector's token has a form that no token can have"));
        }
        if token_type.is_empty() || token_type.len() > 64 || token_type.chars().any(char::is_control) {
            return Err(Error::bad_reply("the connector's token type has a form that none can have"));
        }
        Ok(Self {
            value: value.into(),
            token_type,
            expiry,
            further_ends: Expiry::inside_jwt(value)?.into_iter().collect(),
            scopes: Vec::new(),
            client_parameters: Vec::new(),
            server_parameters: Vec::new(),
        })
    }

    /// Scopes as RFC 6749 section 3.3 writes them: names with spaces between.
    #[must_use]
    pub fn scope_list(mut self, scopes: Option<&str>) -> Self {
        self.scopes = scopes.unwrap_or_default().split_whitespace().map(Into::into).collect();
        self
    }

    /// Adds a further end that is known. The earliest one counts.
    #[must_use]
    pub fn ends_by(mut self, end: Expiry) -> Self {
        self.further_ends.push(end);
        self
    }

    /// The earliest end in epoch seconds, each by the clock that it refers to; `None` where there
    /// is no expiry.
    pub fn earliest_epoch(&self) -> Option<i64> {
        std::iter::once(&self.expiry).chain(&self.further_ends).filter_map(|end| end.epoch()).min()
    }

    /// Adds a public value that the client needs next to the token.
    #[must_use]
    pub fn client(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.client_parameters.push((name.into(), value.into()));
        self
    }

    /// Adds a value that must stay in the backend.
    #[must_use]
    pub fn server(mut self, name: &'static str, value: impl Into<Secret>) -> Self {
        self.server_parameters.push((name.into(), value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_blank_divides_scopes() {
        let scopes = |text| Token::new("t", "Bearer", Expiry::Unpublished).unwrap().scope_list(text).scopes;
        assert_eq!(scopes(Some(" read\u{a0}write  pay\u{b}ments ")), ["read", "write", "pay", "ments"]);
        assert!(scopes(None).is_empty());
    }
}
