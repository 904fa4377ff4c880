//! The OAuth 2.0 token endpoint (RFC 6749) that the fakes of plain OAuth vendors share.
//!
//! A fake says what its vendor's documents say: the place of the client's credentials, the grant
//! types with their fields, and the shape of a refusal. Fakes whose vendor takes JSON, or sends
//! more than RFC 6749 has, check their requests themselves.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Pairs, Request},
    vendor_state::VendorState,
};

/// The place of the client's credentials (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// The `Authorization` header, checked before the form.
    Basic,
    /// The fields `client_id` and `client_secret`, checked before the grant type.
    Form,
    /// Anything else; the fake checks it.
    Vendor,
}

/// The fault of a token request (RFC 6749 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenRequestError {
    /// The content type is not `application/x-www-form-urlencoded`.
    NotAForm,
    /// The client's id or secret is missing or empty.
    Client,
    /// There is no `grant_type`.
    NoGrantType,
    /// The endpoint does not have this grant type.
    UnsupportedGrantType,
    /// A field of the grant is missing or empty.
    MissingField(&'static str),
}

/// A grant type and the fields that it needs.
pub(crate) type GrantType = (&'static str, &'static [&'static str]);

/// The client credentials grant (RFC 6749 section 4.4): it needs no field.
pub(crate) const CLIENT_CREDENTIALS: &[GrantType] = &[("client_credentials", &[])];

/// One vendor's token endpoint.
pub(crate) struct TokenEndpoint {
    pub client_auth: ClientAuth,
    pub grant_types: &'static [GrantType],
    /// The vendor's answer to a faulty request.
    pub refuse: fn(TokenRequestError) -> Answer,
}

/// A token request without a fault.
pub(crate) struct TokenRequest {
    /// The user of Basic authentication, or the field `client_id`.
    pub client_id: String,
    pub grant_type: &'static str,
    form: Pairs,
}

impl TokenEndpoint {
    /// Checks a request.
    ///
    /// # Errors
    /// The vendor's refusal of the first fault.
    pub(crate) fn check(&self, request: &Request) -> Result<TokenRequest, Answer> {
        self.read(request).map_err(self.refuse)
    }

    fn read(&self, request: &Request) -> Result<TokenRequest, TokenRequestError> {
        let form = request.form();
        let basic = request.basic().filter(|(id, secret)| !id.is_empty() && !secret.is_empty());
        if self.client_auth == ClientAuth::Basic && basic.is_none() {
            return Err(TokenRequestError::Client);
        }
        if request.content_type() != "application/x-www-form-urlencoded" {
            return Err(TokenRequestError::NotAForm);
        }
        let given = |name: &str| form.value(name).is_some_and(|value| !value.is_empty());
        if self.client_auth == ClientAuth::Form && !(given("client_id") && given("client_secret")) {
            return Err(TokenRequestError::Client);
        }
        let named = form.value("grant_type").ok_or(TokenRequestError::NoGrantType)?;
        let (grant_type, fields) = self
            .grant_types
            .iter()
            .find(|(grant_type, _)| *grant_type == named)
            .ok_or(TokenRequestError::UnsupportedGrantType)?;
        if let Some(name) = fields.iter().find(|name| !given(name)) {
            return Err(TokenRequestError::MissingField(name));
        }
        let client_id = match basic.filter(|_| self.client_auth == ClientAuth::Basic) {
            Some((id, _)) => id,
            None => form.value("client_id").unwrap_or_default().to_owned(),
        };
        Ok(TokenRequest { client_id, grant_type, form })
    }
}

impl TokenRequest {
    /// A field of the form, if it is not empty.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.value(name).filter(|value| !value.is_empty())
    }

    /// The fields of the form.
    pub(crate) fn form(&self) -> &Pairs {
        &self.form
    }
}

/// Whether the vendor has every scope of a list; one space separates two scopes (RFC 6749
/// section 3.3).
pub(crate) fn has_scopes(list: &str, is_known: impl Fn(&str) -> bool) -> bool {
    list.split(' ').all(|scope| !scope.is_empty() && is_known(scope))
}

/// An error answer of RFC 6749 section 5.2.
pub(crate) fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": description}))
}

/// An access token to issue.
pub(crate) struct AccessToken {
    pub token: String,
    /// `Bearer`, as the vendor spells it.
    pub token_type: &'static str,
    pub lifetime_seconds: i64,
}

impl AccessToken {
    /// Issues the token, and answers as RFC 6749 section 5.1 says, with the vendor's own members.
    pub(crate) fn issue(self, kind: &'static str, own_members: Value, state: &mut VendorState) -> Answer {
        state.issue(&self.token, kind, Some(state.now.saturating_add(self.lifetime_seconds)), &[]);
        let mut answer = json!({"access_token": self.token, "token_type": self.token_type,
            "expires_in": self.lifetime_seconds});
        if let (Some(members), Value::Object(own_members)) = (answer.as_object_mut(), own_members) {
            members.extend(own_members);
        }
        Answer::json(200, &answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client_auth: ClientAuth, content_type: &str, auth: &str, body: &str) -> Result<TokenRequest, Answer> {
        let endpoint = TokenEndpoint {
            client_auth,
            grant_types: &[("client_credentials", &[]), ("refresh_token", &["refresh_token"])],
            refuse: |fault| Answer::text(400, &format!("{fault:?}")),
        };
        let headers = [("content-type", content_type), ("authorization", auth)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        endpoint.check(&Request::new("POST", "/x/token", headers, body.to_owned()))
    }

    #[test]
    fn the_first_fault_is_refused() {
        const FORM: &str = "application/x-www-form-urlencoded";
        const PAIR: &str = "Basic YTpi";
        let valid = "grant_type=client_credentials&client_id=a&client_secret=b";
        for (client_auth, content_type, auth, body, fault) in [
            (ClientAuth::Basic, "application/json", "", "", "Client"),
            (ClientAuth::Basic, FORM, "Basic YTo=", valid, "Client"),
            (ClientAuth::Basic, "application/json", PAIR, valid, "NotAForm"),
            (ClientAuth::Basic, FORM, PAIR, "scope=a", "NoGrantType"),
            (ClientAuth::Basic, FORM, PAIR, "grant_type=password", "UnsupportedGrantType"),
            (
                ClientAuth::Basic,
                FORM,
                PAIR,
                "grant_type=refresh_token&refresh_token=",
                "MissingField(\"refresh_token\")",
            ),
            (ClientAuth::Form, "text/plain", "", valid, "NotAForm"),
            (ClientAuth::Form, FORM, PAIR, "grant_type=client_credentials", "Client"),
            (ClientAuth::Form, FORM, "", &valid.replace("=b", "="), "Client"),
            (ClientAuth::Vendor, FORM, "", "", "NoGrantType"),
        ] {
            let refused = check(client_auth, content_type, auth, body).err().map(|answer| answer.body);
            assert_eq!(refused.as_deref(), Some(fault), "{client_auth:?} {auth} {body}");
        }
        for (client_auth, auth) in [(ClientAuth::Basic, PAIR), (ClientAuth::Form, ""), (ClientAuth::Vendor, "")] {
            let request = check(client_auth, FORM, auth, valid).unwrap_or_else(|refusal| panic!("{}", refusal.body));
            assert_eq!((request.client_id.as_str(), request.grant_type), ("a", "client_credentials"));
            assert_eq!((request.field("client_secret"), request.field("scope")), (Some("b"), None));
        }
    }

    #[test]
    fn one_space_separates_two_scopes() {
        for (list, known) in [("a", true), ("a b", true), ("a  b", false), ("", false), ("a c", false)] {
            assert_eq!(has_scopes(list, |scope| ["a", "b"].contains(&scope)), known, "{list:?}");
        }
    }
}
