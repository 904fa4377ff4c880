//! Credential profiles: credentials that the operator keeps, for callers that never hold them. The
//! settings read them, `lent` chooses one for a call.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::request::{connector_id::canonical_id, credentials::RawCredentials};

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
    /// The connector.
    pub(super) fn connector(&self) -> &str {
        &self.0.connector
    }

    /// The credentials, for a call of this caller.
    pub(super) fn lent(&self, caller: &str) -> RawCredentials {
        self.0.lent(caller)
    }

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
