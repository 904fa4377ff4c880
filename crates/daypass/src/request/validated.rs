//! A request that passed every check that needs no call to a connector. The cache derives its keys
//! from it, the exchange its calls.

use std::{sync::Arc, time::Duration};

use connectors::{Audience, BoundConnector, Error, Grant, InputKind, Inputs, Kind, Meta, Mode, Registration, Result};
use serde_json::Value;

use crate::{
    request::{
        IncomingRequest,
        allowed_values::check_allowed,
        base_urls::BaseUrls,
        caller_policy::Asked,
        choose_grant::choose_grant,
        client_limit::ClientLimit,
        credentials::RawCredentials,
        feature_data::{FeatureData, read_object},
        further_fields::FurtherFields,
    },
    settings::{ConnectorSettings, Settings},
};

/// A checked request.
pub struct TokenRequest {
    /// The caller's reference.
    pub reference: String,
    /// Whether it is the reference of a session.
    pub of_session: bool,
    /// The connector's description.
    pub meta: &'static Meta,
    /// The connector, bound to the credentials.
    pub bound: Box<dyn BoundConnector>,
    /// The credentials as they came: for redaction and for the cache keys.
    pub credentials: RawCredentials,
    /// The grant.
    pub grant: &'static Grant,
    /// The holder of the token: the grant's audience, or SERVER where the caller asked for values
    /// that must stay in the backend.
    pub audience: Audience,
    /// Test or live.
    pub mode: Mode,
    /// The inputs, checked.
    pub inputs: Inputs,
    /// The base URLs of its calls.
    pub bases: Arc<BaseUrls>,
    /// The operator's limit for the life of the token.
    pub(crate) client_limit: ClientLimit,
    /// Longest time for one attempt at one call.
    pub(crate) attempt_timeout: Duration,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenRequest({} {} {:?})", self.meta.id, self.grant.name, self.mode)
    }
}

impl TokenRequest {
    /// Checks a request to its connector. A request that fails here causes no call to the
    /// connector.
    ///
    /// # Errors
    /// The caller's mistake, with the fields at fault, or the operator's policy.
    pub fn check(
        request: IncomingRequest<'_>,
        registration: &'static Registration,
        settings: &Settings,
    ) -> Result<Self> {
        check_reference(request.reference)?;
        let meta = registration.meta;
        let caller = request.caller;
        let allow = |audience| match settings.policy.denies(caller, meta.id, audience) {
            Some(why) => Err(Error::new(Kind::PolicyDenied, why)),
            None => Ok(()),
        };
        allow(Audience::Client)?;
        let mut credentials = request.credentials?.ok_or_else(no_credentials)?;
        let further = FurtherFields::take(&mut credentials, meta);
        let bound = registration.bind(credentials.fields())?;
        let mode = mode(bound.mode(), request.test_mode, meta)?;

        let no_settings = ConnectorSettings::default();
        let own = settings.connector(meta.id).unwrap_or(&no_settings);
        let bases = settings
            .bases(meta)
            .map_err(|_| Error::new(Kind::Internal, "the connector's configured hosts are not valid"))?;
        further.check_hosts(meta, &bases, mode)?;
        let required = request.server_token.then_some(Audience::Server);
        let asked = FeatureData::read(request.feature_data, required)?;
        let mut values = asked.inputs;
        let given = |name: &str| values.contains_key(name) || own.defaults.contains_key(name);
        let grant = choose_grant(meta, asked.grant.as_deref(), asked.audience, given)?;
        let audience = asked.audience.unwrap_or(grant.audience);
        allow(audience)?;
        for (name, value) in further.inputs.iter().chain(&own.defaults) {
            if grant.inputs.iter().any(|input| input.name == name) && !values.contains_key(name) {
                values.insert(name.clone(), value.clone());
            }
        }
        let metadata = read_object(request.metadata, "metadata")?;
        let mut inputs = Inputs::check(grant, values, asked.scopes, asked.ttl_seconds, &metadata)?;
        check_allowed(&inputs, &own.allowed)?;
        let asked = Asked { connector: meta.id, grant: grant.name, audience, mode };
        settings.policy.check_rules(caller, &asked, |name| inputs.iter().any(|(given, _)| given == name))?;
        let client_limit = ClientLimit::of(meta, grant, settings.client_token_max_seconds(meta.id, caller));
        client_limit.apply(meta, grant, &mut inputs)?;
        let reference = request.reference.into();
        let attempt_timeout = settings.attempt_timeout(meta.id);
        Ok(Self {
            reference,
            of_session: request.of_session,
            meta,
            bound,
            credentials,
            grant,
            audience,
            mode,
            inputs,
            bases,
            client_limit,
            attempt_timeout,
        })
    }

    /// The credentials and secret inputs, each as it is.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.credentials.values().chain(self.secret_inputs())
    }

    /// The credentials that are not public, and the secret inputs. No answer may contain one.
    pub(crate) fn private_values(&self) -> impl Iterator<Item = &str> {
        self.credentials.values_of(|name| !self.meta.is_public(name)).chain(self.secret_inputs())
    }

    /// The credentials that are public ids.
    pub(crate) fn public_values(&self) -> impl Iterator<Item = &str> {
        self.credentials.values_of(|name| self.meta.is_public(name))
    }

    fn secret_inputs(&self) -> impl Iterator<Item = &str> {
        let inputs = self.grant.inputs.iter().filter(|input| input.kind == InputKind::Secret);
        inputs.filter_map(|input| self.inputs.text(input.name))
    }

    /// A text for the operator with every secret replaced, also where it is encoded for a form or
    /// for JSON.
    pub fn redacted(&self, text: &str) -> String {
        redacted(text, self.secrets())
    }
}

fn redacted<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut written: Vec<String> = secrets
        .filter(|secret| !secret.is_empty())
        .flat_map(|secret| {
            let form = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let json = Value::from(secret).to_string();
            let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
            [secret.to_owned(), form, json.to_owned()]
        })
        .collect();
    // The longest first: where one secret begins another, the rest of the longer one would stay.
    written.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    written.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[REDACTED]"))
}

fn no_credentials() -> Error {
    Error::new(
        Kind::InvalidCredentials,
        "no credentials: send them as request metadata, x-connector-auth: {\"<Connector>\": {…}}, or name a profile that \
         the operator gave this caller in x-credential-profile",
    )
}

fn check_reference(reference: &str) -> Result<()> {
    let length = reference.chars().count();
    if (1..=255).contains(&length) && !reference.chars().any(char::is_control) && !reference.trim().is_empty() {
        return Ok(());
    }
    Err(Error::invalid("merchant_access_token_id", "must be 1 to 255 visible characters, unique to the token"))
}

/// The mode of a call: the one that the credentials show, else the one that is asked for, else
/// live.
fn mode(of_credentials: Option<Mode>, test_mode: Option<bool>, meta: &Meta) -> Result<Mode> {
    let asked = test_mode.map(|test| if test { Mode::Test } else { Mode::Live });
    match (of_credentials, asked) {
        (Some(own), Some(asked)) if own != asked => Err(Error::invalid(
            "test_mode",
            format!(
                "{} mode is asked for, but these are {} credentials of {}; nothing was sent",
                asked.label(),
                own.label(),
                meta.name
            ),
        )),
        (Some(mode), _) | (None, Some(mode)) => Ok(mode),
        (None, None) => Ok(Mode::Live),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_begins_another_is_redacted_in_full() {
        for (text, secrets, want) in [
            ("a=key1&b=key1-and-more", &["key1", "key1-and-more"][..], "a=[REDACTED]&b=[REDACTED]"),
            ("unchanged", &["", "x"], "unchanged"),
            ("x=a+b%26", &["a b&"], "x=[REDACTED]"),
            (r#"{"x":"\"q\""}"#, &["\"q\""], r#"{"x":"[REDACTED]"}"#),
        ] {
            assert_eq!(redacted(text, secrets.iter().copied()), want);
        }
    }
}
