//! The fields of credentials that existing clients of this API send and the connector's own
//! credentials do not have. The request check takes them out first: what the call does not use is
//! in no key of the cache.

use connectors::{Error, FurtherField, Meta, Mode, Result, further_field};
use http::Uri;
use serde_json::{Map, Value};

use crate::request::{base_urls::BaseUrls, credentials::RawCredentials};

/// The further fields of one request.
pub(super) struct FurtherFields {
    /// Hosts that the credentials name, by field.
    hosts: Vec<(String, Value)>,
    /// Values for inputs of the grant.
    pub inputs: Map<String, Value>,
}

impl FurtherFields {
    /// Takes them out of the credentials.
    pub(super) fn take(credentials: &mut RawCredentials, meta: &Meta) -> Self {
        let further = |name: &str| match meta.credentials.iter().any(|own| own.name == name) {
            true => None,
            false => further_field(meta.id, name),
        };
        let fields = credentials.fields().keys();
        let found: Vec<_> = fields.filter_map(|name| Some((name.clone(), further(name)?))).collect();
        let mut taken = Self { hosts: Vec::new(), inputs: Map::new() };
        for (name, meaning) in found {
            match (meaning, credentials.take(&name)) {
                (FurtherField::Host, Some(value)) => taken.hosts.push((name, value)),
                (FurtherField::Input, Some(value)) => drop(taken.inputs.insert(name, value)),
                (FurtherField::Ignored, _) | (_, None) => {}
            }
        }
        taken
    }

    /// Checks that each host is one that the call goes to anyway.
    ///
    /// # Errors
    /// [`connectors::Kind::InvalidCredentials`] that names the field.
    pub(super) fn check_hosts(&self, meta: &Meta, bases: &BaseUrls, mode: Mode) -> Result<()> {
        if self.hosts.is_empty() {
            return Ok(());
        }
        let own = BaseUrls::new(meta, &std::collections::BTreeMap::new()).ok();
        for (name, value) in &self.hosts {
            let uri: Option<Uri> = value.as_str().and_then(|url| url.parse().ok());
            let is_of = |mode| {
                let own = own.iter().chain([bases]);
                uri.as_ref().is_some_and(|uri| own.into_iter().any(|bases| bases.allow(mode, uri)))
            };
            let other = if mode == Mode::Test { Mode::Live } else { Mode::Test };
            let fault = match (is_of(mode), is_of(other)) {
                (true, _) => continue,
                (false, true) => format!(
                    "is {}'s host of {} mode, and this call is in {} mode; test_mode says which; nothing was sent",
                    meta.name,
                    other.label(),
                    mode.label()
                ),
                (false, false) => format!(
                    "callers do not choose where credentials go: leave it out, or give {}'s own host; the operator \
                     sets another one in the configuration",
                    meta.name
                ),
            };
            return Err(Error::invalid_credential(name, fault));
        }
        Ok(())
    }
}
