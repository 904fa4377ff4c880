//! The request as it comes in, and the checks that need no call to a connector. The engine uses
//! this module first; nothing here does IO.

mod allowed_values;
pub(crate) mod base_urls;
pub(crate) mod caller_policy;
pub(crate) mod choose_grant;
pub(crate) mod client_limit;
pub(crate) mod connector_id;
pub(crate) mod credentials;
mod feature_data;
mod further_fields;
mod lent;
mod positions;
pub(crate) mod profiles;
pub(crate) mod validated;

use std::time::Duration;

use connectors::{CONNECTORS, Error, FieldViolation, Kind, Registration, Result};

use crate::request::{
    connector_id::{Availability, availability, canonical_id},
    credentials::RawCredentials,
};

/// One call as it came in. No field has been checked.
pub struct IncomingRequest<'a> {
    /// The caller's reference.
    pub reference: &'a str,
    /// Whether it is the reference of a session. Clients count sessions and tokens apart, so that one
    /// text may stand for one of each.
    pub of_session: bool,
    /// The connector that the body names.
    pub connector: Option<&'a str>,
    /// The connector that the header names.
    pub header_connector: Option<&'a str>,
    /// The credentials, if there were any; or why they could not be read.
    pub credentials: Result<Option<RawCredentials>>,
    /// The credential profile that the request names.
    pub profile: Option<&'a str>,
    /// `metadata`, JSON.
    pub metadata: Option<&'a str>,
    /// `connector_feature_data`, JSON.
    pub feature_data: Option<&'a str>,
    /// `test_mode`.
    pub test_mode: Option<bool>,
    /// Whether the path itself asks for a SERVER token.
    pub server_token: bool,
    /// Whether a new SERVER token is wanted even where one could be shared.
    pub fresh: bool,
    /// How long a shared SERVER token should still live. One with less is handed out only where no new
    /// one can be had in a moment.
    pub wanted_left: Option<Duration>,
    /// The authenticated caller, where callers are known.
    pub caller: Option<&'a str>,
}

impl IncomingRequest<'_> {
    /// The one connector that header, body and credentials agree on.
    ///
    /// # Errors
    /// No connector is named, several are, or the named one gives no tokens.
    pub(crate) fn registration(&self) -> Result<&'static Registration> {
        let credentials = self.credentials.as_ref().ok().and_then(Option::as_ref);
        let named = [
            ("connector", self.connector),
            ("x-connector", self.header_connector),
            ("x-connector-auth", credentials.map(|credentials| credentials.connector.as_str())),
        ];
        let mut names = named.iter().filter_map(|(field, name)| name.map(|name| (*field, name)));
        let Some((first_field, first)) = names.next() else {
            return Err(Error::invalid("connector", "name one in the body or in the x-connector header"));
        };
        let registration = registered(first, first_field)?;
        let id = registration.meta.id;
        for (field, other) in names {
            // The spelling rarely differs in more than its case.
            if !other.eq_ignore_ascii_case(id) && canonical_id(other) != id {
                let description = format!("{first_field} and {field} name different connectors; they must agree");
                return Err(Error::invalid(field, description));
            }
        }
        Ok(registration)
    }
}

/// The connector of this name.
fn registered(name: &str, field: &str) -> Result<&'static Registration> {
    // The spelling rarely differs in more than its case.
    let mut all = CONNECTORS.iter();
    if let Some(registration) = all.find(|registration| registration.meta.id.eq_ignore_ascii_case(name)) {
        return Ok(registration);
    }
    let id = canonical_id(name);
    match availability(&id) {
        Availability::Available(registration) => Ok(registration),
        Availability::Unavailable(why) => Err(Error::new(
            Kind::UnsupportedGrant,
            format!("{id} gives no tokens: {why}; `daypass connectors` lists those that do"),
        )),
        Availability::Unknown => Err(unknown_connector(field)),
    }
}

fn unknown_connector(field: &str) -> Error {
    Error {
        fields: vec![FieldViolation {
            field: field.into(),
            description: "no such connector; `daypass connectors` lists them".into(),
        }],
        ..Error::new(Kind::UnknownConnector, format!("{field} names no connector that is known"))
    }
}
