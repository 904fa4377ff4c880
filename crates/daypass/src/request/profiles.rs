//! Credential profiles: credentials that the operator keeps, for callers that never hold them. The
//! settings read them, the request check takes them.

use std::sync::Arc;

use connectors::{Error, Kind, Result};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{
    request::{IncomingRequest, connector_id::canonical_id, credentials::RawCredentials},
    settings::Settings,
};

/// The header by which a caller names a profile.
const HEADER: &str = "x-credential-profile";

/// A connector, and the credentials for it. Never printed.
#[derive(Clone, Debug)]
pub struct Profile(Arc<RawCredentials>);

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let connector = fields.remove("connector");
        let connector = canonical_id(connector.as_ref().and_then(Value::as_str).unwrap_or_default());
        Ok(Self(Arc::new(RawCredentials::new(connector, fields))))
    }
}

impl Profile {
    /// The fault of a profile that no call could use, in words for the operator and without a value.
    pub(crate) fn fault(&self) -> Option<String> {
        let Some(registration) = connectors::find(&self.0.connector) else {
            return Some("connector: no such connector gives tokens".into());
        };
        let error = registration.bind(self.0.fields()).err()?;
        let fields = error.fields.iter().map(|fault| {
            let field = fault.field.trim_start_matches("credentials.");
            format!("{field}: {}", fault.description)
        });
        let fields: Vec<String> = fields.collect();
        Some(if fields.is_empty() { error.message.into_owned() } else { fields.join("; ") })
    }
}

impl IncomingRequest<'_> {
    /// Takes the credentials of a profile, where the request names one, or brings none and its caller
    /// has exactly one for its connector. Returns the profile's name.
    ///
    /// # Errors
    /// Credentials and a profile were both sent, or the caller has no such profile.
    pub(crate) fn take_profile(&mut self, settings: &Settings) -> Result<Option<String>> {
        let sent = !matches!(self.credentials, Ok(None));
        let allowed = settings.policy.profiles(self.caller);
        let name = match (self.profile, sent) {
            (None, true) => return Ok(None),
            (Some(_), true) => return Err(Error::invalid(HEADER, "was sent with credentials; send one of the two")),
            (Some(name), false) => {
                // A profile that does not exist and one of another caller are the same to this one.
                allowed.into_iter().find(|allowed| *allowed == name).ok_or_else(|| denied(self.caller))?
            }
            (None, false) => {
                let asked = self.connector.or(self.header_connector).map(canonical_id);
                let fits = |name: &&str| {
                    let connector = settings.profiles.get(*name).map(|profile| profile.0.connector.as_str());
                    asked.as_deref().is_none_or(|asked| connector == Some(asked))
                };
                let mut fitting = allowed.into_iter().filter(fits);
                match (fitting.next(), fitting.next()) {
                    (None, _) => return Ok(None),
                    (Some(only), None) => only,
                    (Some(_), Some(_)) => return Err(Error::invalid(HEADER, "name one: this caller has several")),
                }
            }
        };
        let profile = settings.profiles.get(name).ok_or_else(|| denied(self.caller))?;
        self.credentials = Ok(Some(profile.0.lent(self.caller.unwrap_or_default())));
        Ok(Some(name.to_owned()))
    }
}

fn denied(caller: Option<&str>) -> Error {
    let rule = match caller {
        Some(caller) => format!("policy.callers.{caller}.profiles"),
        None => "policy.profiles".to_owned(),
    };
    Error::new(Kind::PolicyDenied, format!("{rule} has no such profile"))
}
