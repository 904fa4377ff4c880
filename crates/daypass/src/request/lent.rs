//! The credential profile of a call: the one that it names, or the only one of its caller. The engine
//! asks first.

use connectors::{Error, Kind, Result};

use crate::{
    request::{IncomingRequest, connector_id::canonical_id, profiles::Profile},
    settings::Settings,
};

/// The header by which a caller names a profile.
const HEADER: &str = "x-credential-profile";

impl IncomingRequest<'_> {
    /// Takes the credentials of a profile, where the request names one, or brings none and its caller
    /// has exactly one for its connector. Returns the profile's name.
    ///
    /// # Errors
    /// Credentials and a profile were both sent, or the caller has no such profile.
    pub(crate) fn take_profile(&mut self, settings: &Settings) -> Result<Option<String>> {
        let sent = !matches!(self.credentials, Ok(None));
        match (self.profile, sent) {
            (None, true) => return Ok(None),
            (Some(_), true) => return Err(Error::invalid(HEADER, "was sent with credentials; send one of the two")),
            (_, false) => {}
        }
        let asked = self.connector.or(self.header_connector);
        let Some((name, profile)) = settings.profile_of(self.caller, self.profile, asked)? else { return Ok(None) };
        self.credentials = Ok(Some(profile.lent(self.caller.unwrap_or_default())));
        Ok(Some(name.to_owned()))
    }
}

impl Settings {
    /// The connector of the profile that a call without credentials uses: the one that it names, else
    /// the only one of its caller. `None` where the engine refuses the call.
    pub fn profile_connector(&self, caller: Option<&str>, profile: Option<&str>) -> Option<&str> {
        let (_, profile) = self.profile_of(caller, profile, None).ok()??;
        Some(profile.connector())
    }

    /// The profile that a call uses: the one that it names, else the only one of its caller, for the
    /// connector where it names one.
    fn profile_of(
        &self,
        caller: Option<&str>,
        named: Option<&str>,
        connector: Option<&str>,
    ) -> Result<Option<(&str, &Profile)>> {
        let asked = connector.map(canonical_id);
        let fits = |name: &str, profile: &Profile| match named {
            Some(named) => name == named,
            None => asked.as_deref().is_none_or(|asked| profile.connector() == asked),
        };
        let allowed = self.policy.profiles(caller).into_iter();
        let known = allowed.filter_map(|name| self.profiles.get_key_value(name));
        let mut fitting = known.filter(|(name, profile)| fits(name, profile));
        match (fitting.next(), fitting.next()) {
            // A profile that does not exist and one of another caller are the same to this one.
            (None, _) if named.is_some() => Err(denied(caller)),
            (None, _) => Ok(None),
            (Some((name, profile)), None) => Ok(Some((name, profile))),
            (Some(_), Some(_)) => Err(Error::invalid(HEADER, "name one: this caller has several")),
        }
    }
}

fn denied(caller: Option<&str>) -> Error {
    let rule = match caller {
        Some(caller) => format!("policy.callers.{caller}.profiles"),
        None => "policy.profiles".to_owned(),
    };
    Error::new(Kind::PolicyDenied, format!("{rule} has no such profile"))
}
