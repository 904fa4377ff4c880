//! OAuth 2.0 as the vendors' token endpoints speak it.

use serde::Deserialize;

use crate::{Error, Expiry, Grant, Kind, Refusal, Reply, Result, Seconds, Secret, Token};

/// A success (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub(crate) struct AccessToken {
    pub access_token: Secret,
    pub token_type: Option<String>,
    pub expires_in: Seconds,
    pub scope: Option<String>,
    pub refresh_token: Option<Secret>,
}

impl AccessToken {
    /// The token, living from before the call was sent; with the refresh token where the grant hands it out.
    pub(crate) fn token(self, reply: &Reply, grant: &Grant) -> Result<Token> {
        match self.token_type {
            None => Err(Error::bad_reply("the connector's answer is not as documented")),
            Some(_) => self.token_or_bearer(reply, grant),
        }
    }

    /// The same, for vendors whose answers may leave out what kind of token it is.
    pub(crate) fn token_or_bearer(self, reply: &Reply, grant: &Grant) -> Result<Token> {
        let expiry = Expiry::after_reply(reply, self.expires_in)?;
        let token_type = self.token_type.unwrap_or("Bearer".into());
        let token = Token::new(self.access_token.expose(), token_type, expiry)?.scope_list(self.scope.as_deref());
        let wanted = grant.server_parameters.contains(&"refresh_token");
        Ok(match self.refresh_token.filter(|_| wanted) {
            Some(refresh_token) => token.server("refresh_token", refresh_token),
            None => token,
        })
    }
}

/// A refusal (RFC 6749 section 5.2). A wrong client may come with status 400.
pub(crate) fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/error"], &["/error_description"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("invalid_client") => Some(Kind::CredentialsRejected),
        Some("unauthorized_client") => Some(Kind::PermissionDenied),
        _ => None,
    };
    refusal.kind(kind)
}
