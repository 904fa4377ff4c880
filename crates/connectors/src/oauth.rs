//! OAuth 2.0 at a token endpoint: the answer and the refusal.

use serde::Deserialize;

use crate::{
    encoding,
    error::{Error, Kind, Refusal, Result},
    expiry::{Expiry, Seconds},
    grant::Grant,
    http::reply::Reply,
    secret::Secret,
    token::Token,
};

/// A success (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub(crate) struct AccessToken {
    pub access_token: Secret,
    #[serde(default, deserialize_with = "encoding::lenient")]
    pub token_type: Option<String>,
    pub expires_in: Seconds,
    #[serde(default, deserialize_with = "encoding::lenient")]
    pub scope: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    pub refresh_token: Option<Secret>,
}

impl AccessToken {
    /// The token, with its lifetime counted from before the call was sent, and with the refresh
    /// token where the grant hands it out.
    pub(crate) fn token(self, reply: &Reply, grant: &Grant) -> Result<Token> {
        match self.token_type {
            None => Err(Error::bad_reply("the connector's answer is not as documented")),
            Some(_) => self.token_or_bearer(reply, grant),
        }
    }

    /// The same, for connectors whose answers may lack the token type.
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

/// A refusal (RFC 6749 section 5.2), where no other form is documented.
pub(crate) fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error"], &["/error_description"], &[]);
    let kind = kind(refusal.code.as_deref());
    refusal.kind(kind)
}

/// The kind of an error code (RFC 6749 section 5.2), where the code is more exact than the status:
/// a wrong client may come with status 400.
pub(crate) fn kind(code: Option<&str>) -> Option<Kind> {
    match code {
        Some("invalid_client") => Some(Kind::CredentialsRejected),
        Some("unauthorized_client") => Some(Kind::PermissionDenied),
        _ => None,
    }
}
