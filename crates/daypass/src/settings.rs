//! The operator's decisions about the engine, and their check at start-up. The server reads them
//! from its configuration; the request check and the exchange use them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use connectors::{Audience, Error, Grant, Input, Kind, Meta, Mode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    exchange::connect::ConnectSettings,
    request::{
        base_urls::{BaseUrlError, BaseUrls},
        caller_policy::{Asked, CallerPolicy},
        choose_grant::choose_grant,
        connector_id::canonical_id,
        profiles::Profile,
    },
};

/// The operator's settings of the engine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Limits in time and size.
    pub limits: Limits,
    /// The tokens that may be handed out.
    pub policy: Policy,
    /// Settings of single connectors, by name.
    pub connectors: BTreeMap<String, ConnectorSettings>,
    /// Credentials that callers use and do not hold, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The hosts that follow from the settings of connectors.
    #[serde(skip)]
    pub hosts: Hosts,
}

/// The hosts of all connectors, made at their first use: they are the same for each call. A clone, whose
/// settings may change, makes its own.
#[derive(Debug, Default)]
pub struct Hosts(OnceLock<HashMap<&'static str, Arc<BaseUrls>>>);

impl Clone for Hosts {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Limits in time and number.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Time for a call without a deadline of its own. Milliseconds.
    pub default_deadline_ms: u64,
    /// Longest time for a call, also where the caller asks for more. Milliseconds.
    pub max_deadline_ms: u64,
    /// Time for one attempt at one call to a connector. Milliseconds.
    pub attempt_timeout_ms: u64,
    /// Time for a connection to a connector, TLS included. Milliseconds.
    pub connect_timeout_ms: u64,
    /// Most calls at a time to one host of one connector.
    pub max_calls_per_host: usize,
    /// Most calls that wait for a permit of one host. Further ones are refused at once.
    pub max_waiting_per_host: usize,
    /// Most callers at a time. Further ones are refused at once.
    pub max_callers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_deadline_ms: 10_000,
            max_deadline_ms: 30_000,
            attempt_timeout_ms: 8_000,
            connect_timeout_ms: 3_000,
            max_calls_per_host: 256,
            max_waiting_per_host: 1_024,
            max_callers: 20_000,
        }
    }
}

/// Longest time that can be set. Milliseconds.
const MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// The fault of a time that is out of range, in words for the operator.
fn time_fault(name: &str, milliseconds: u64) -> Option<String> {
    (!(1..=MAX_MS).contains(&milliseconds)).then(|| format!("{name}: must be from 1 to {MAX_MS} milliseconds (a day)"))
}

/// The fault of a lifetime that no token has, in words for the operator.
fn life_fault(name: &str, seconds: u32) -> Option<String> {
    (seconds == 0).then(|| format!("{name}: must be at least 1 second"))
}

impl Limits {
    /// Most of anything that is counted.
    pub const MAX_COUNT: usize = 1_000_000;

    fn faults(&self) -> Vec<String> {
        let times = [
            ("limits.default_deadline_ms", self.default_deadline_ms),
            ("limits.max_deadline_ms", self.max_deadline_ms),
            ("limits.attempt_timeout_ms", self.attempt_timeout_ms),
            ("limits.connect_timeout_ms", self.connect_timeout_ms),
        ];
        let counts = [
            ("limits.max_calls_per_host", 1, self.max_calls_per_host),
            // Zero is legal: a call that finds no permit is refused at once.
            ("limits.max_waiting_per_host", 0, self.max_waiting_per_host),
            ("limits.max_callers", 1, self.max_callers),
        ];
        let times = times.into_iter().filter_map(|(name, time)| time_fault(name, time));
        let counts = counts.into_iter().filter(|(_, least, count)| !(*least..=Self::MAX_COUNT).contains(count));
        times
            .chain(counts.map(|(name, least, _)| format!("{name}: must be from {least} to {}", Self::MAX_COUNT)))
            .collect()
    }

    /// The time that a call gets, by the time that its caller asks for.
    pub fn time_for(&self, asked: Option<Duration>) -> Duration {
        asked
            .unwrap_or(Duration::from_millis(self.default_deadline_ms))
            .min(Duration::from_millis(self.max_deadline_ms))
    }
}

/// The tokens that may be handed out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether SERVER tokens may be given to callers that ask for them. Absent: on loopback; beyond it
    /// only to callers whose own rules name the audience.
    pub server_tokens: Option<bool>,
    /// If not empty: only these connectors.
    pub connectors: BTreeSet<String>,
    /// The longest life of a CLIENT token, in seconds.
    pub client_token_max_seconds: u32,
    /// The credential profiles that everybody may use, also callers without a name.
    pub profiles: BTreeSet<String>,
    /// The rules of single callers, by name. They narrow what holds for everybody.
    pub callers: BTreeMap<String, CallerPolicy>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            server_tokens: None,
            connectors: BTreeSet::new(),
            client_token_max_seconds: Self::CLIENT_TOKEN_SECONDS,
            profiles: BTreeSet::new(),
            callers: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// The longest life of a CLIENT token unless the operator says otherwise: a day, in seconds. A
    /// purchase does not take longer, and a stolen token is of no use after it.
    pub const CLIENT_TOKEN_SECONDS: u32 = 86_400;
    /// The limit that no token reaches.
    pub const NO_LIMIT: u32 = u32::MAX;

    /// The reason why a token may not be handed out; `None` where it may.
    pub fn denies(&self, caller: Option<&str>, connector: &str, audience: Audience) -> Option<&'static str> {
        if !self.connectors.is_empty() && !self.connectors.contains(connector) {
            return Some("the operator's policy does not allow this connector");
        }
        let granted =
            self.of(caller).and_then(|rules| rules.audiences.as_ref()).is_some_and(|list| list.contains("server"));
        if audience == Audience::Server && !self.server_tokens.unwrap_or(true) && !granted {
            return Some("the operator's policy does not allow SERVER tokens");
        }
        None
    }

    /// Checks a request against the rules of its caller.
    ///
    /// # Errors
    /// [`Kind::PolicyDenied`], with the rule.
    pub(crate) fn check_rules(
        &self,
        caller: Option<&str>,
        asked: &Asked<'_>,
        given: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let denied = caller.and_then(|name| Some((name, self.of(caller)?.denies(asked, given)?)));
        denied.map_or(Ok(()), |(name, (rule, what))| {
            Err(Error::new(Kind::PolicyDenied, format!("policy.callers.{name}.{rule} does not allow {what}")))
        })
    }

    /// Whether a caller may have a token, without a call and without credentials: the grant and the
    /// audience that it would get.
    ///
    /// # Errors
    /// There is no such grant, or [`Kind::PolicyDenied`] with the rule.
    pub fn test(
        &self,
        caller: &str,
        meta: &'static Meta,
        (grant, audience, mode): (Option<&str>, Option<Audience>, Mode),
        given: impl Fn(&str) -> bool,
    ) -> Result<(&'static Grant, Audience), Error> {
        let grant = choose_grant(meta, grant, audience, &given)?;
        let audience = audience.unwrap_or(grant.audience);
        if let Some(why) = self.denies(Some(caller), meta.id, audience) {
            return Err(Error::new(Kind::PolicyDenied, why));
        }
        self.check_rules(Some(caller), &Asked { connector: meta.id, grant: grant.name, audience, mode }, given)?;
        Ok((grant, audience))
    }

    /// The credential profiles that a caller may use.
    pub(crate) fn profiles(&self, caller: Option<&str>) -> BTreeSet<&str> {
        let own = self.of(caller).into_iter().flat_map(|rules| &rules.profiles);
        own.chain(&self.profiles).map(String::as_str).collect()
    }

    /// The rules of a caller.
    pub(crate) fn of(&self, caller: Option<&str>) -> Option<&CallerPolicy> {
        self.callers.get(caller?)
    }
}

/// Settings of one connector.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectorSettings {
    /// Inputs for callers that do not give them, by the names of `connector_feature_data`.
    pub defaults: Map<String, Value>,
    /// The values that an input may have, by its path: `"policy.roles" = ["…"]`. Callers cannot go
    /// beyond the list.
    pub allowed: BTreeMap<String, Vec<String>>,
    /// Time for one attempt, in place of the common limit. Milliseconds.
    pub attempt_timeout_ms: Option<u64>,
    /// Time for making a connection, in place of the common limit. Milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// The longest life of a CLIENT token, in place of the common limit. Seconds.
    pub client_token_max_seconds: Option<u32>,
    /// Other hosts than the connector's own: `base_url`, `test_base_url`, `<host>_base_url`,
    /// `test_<host>_base_url`.
    #[serde(flatten)]
    pub base_urls: BTreeMap<String, String>,
}

impl Settings {
    /// The hosts of a connector, with the operator's replacements.
    ///
    /// # Errors
    /// A replacement cannot be used.
    pub(crate) fn bases(&self, meta: &Meta) -> Result<Arc<BaseUrls>, BaseUrlError> {
        let of = |meta: &Meta| {
            let none = BTreeMap::new();
            BaseUrls::new(meta, self.connectors.get(meta.id).map_or(&none, |own| &own.base_urls)).map(Arc::new)
        };
        let all = self.hosts.0.get_or_init(|| {
            let metas = connectors::CONNECTORS.iter().map(|registration| registration.meta);
            metas.filter_map(|meta| Some((meta.id, of(meta).ok()?))).collect()
        });
        all.get(meta.id).map_or_else(|| of(meta), |bases| Ok(bases.clone()))
    }

    /// The settings with names in their one form.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        let callers = std::mem::take(&mut self.policy.callers);
        self.policy.callers = callers.into_iter().map(|(name, rules)| (name, rules.canonical())).collect();
        self
    }

    /// All faults of the settings, in words for the operator.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.limits.faults();
        faults.extend(life_fault("policy.client_token_max_seconds", self.policy.client_token_max_seconds));
        for name in self.policy.connectors.iter().filter(|name| connectors::find(name).is_none()) {
            faults.push(format!("policy.connectors: no connector named {name} gives tokens"));
        }
        faults.extend(self.policy.callers.iter().flat_map(|(caller, rules)| rules.faults(caller)));
        let of_callers = self.policy.callers.iter().flat_map(|(caller, rules)| {
            rules.profiles.iter().map(move |name| (format!("policy.callers.{caller}.profiles"), name))
        });
        let of_all = self.policy.profiles.iter().map(|name| ("policy.profiles".to_owned(), name));
        for (rule, name) in of_callers.chain(of_all).filter(|(_, name)| !self.profiles.contains_key(*name)) {
            faults.push(format!("{rule}: no profile in [profiles] is named {name}"));
        }
        for (name, profile) in &self.profiles {
            faults.extend(profile.fault().map(|fault| format!("profiles.{name}.{fault}")));
        }
        for (name, settings) in &self.connectors {
            let Some(registration) = connectors::find(&canonical_id(name)) else {
                faults.push(format!("connectors.{name}: no such connector gives tokens"));
                continue;
            };
            if let Err(fault) = BaseUrls::new(registration.meta, &settings.base_urls) {
                faults.push(format!("connectors.{name}.{fault}"));
            }
            for path in settings.allowed.keys() {
                let input = path.split('.').next().unwrap_or_default();
                let mut inputs = registration.meta.grants.iter().flat_map(|grant| grant.inputs);
                if !inputs.any(|known| known.name == input) {
                    faults.push(format!("connectors.{name}.allowed.{path}: no grant has an input {input}"));
                }
            }
            for (key, value) in &settings.defaults {
                let inputs =
                    registration.meta.grants.iter().flat_map(|grant| grant.inputs).filter(|input| input.name == key);
                if let Some(fault) = default_fault(inputs, value) {
                    faults.push(format!("connectors.{name}.defaults.{key}: {fault}"));
                }
            }
            let times = [
                ("attempt_timeout_ms", settings.attempt_timeout_ms),
                ("connect_timeout_ms", settings.connect_timeout_ms),
            ];
            faults.extend(
                times.iter().filter_map(|(key, time)| time_fault(&format!("connectors.{name}.{key}"), (*time)?)),
            );
            let life = settings.client_token_max_seconds;
            faults
                .extend(life.and_then(|life| life_fault(&format!("connectors.{name}.client_token_max_seconds"), life)));
        }
        faults
    }

    /// Time for one attempt at a call to this connector.
    pub fn attempt_timeout(&self, id: &str) -> Duration {
        let own = self.connector(id).and_then(|settings| settings.attempt_timeout_ms);
        Duration::from_millis(own.unwrap_or(self.limits.attempt_timeout_ms))
    }

    /// The longest life of a CLIENT token of this connector for this caller, in seconds.
    pub fn client_token_max_seconds(&self, id: &str, caller: Option<&str>) -> u32 {
        let own = self.connector(id).and_then(|settings| settings.client_token_max_seconds);
        let common = own.unwrap_or(self.policy.client_token_max_seconds);
        let of_caller = self.policy.of(caller).and_then(|rules| rules.client_token_max_seconds);
        common.min(of_caller.unwrap_or(common))
    }

    /// The decisions about connections.
    pub fn connect(&self) -> ConnectSettings {
        ConnectSettings {
            default_timeout: Duration::from_millis(self.limits.connect_timeout_ms),
            timeouts: self.connect_timeouts(),
            operator_hosts: self.operator_hosts(),
        }
    }

    /// Connection time limits of single connectors, by `host[:port]` of each of their base URLs.
    fn connect_timeouts(&self) -> HashMap<String, Duration> {
        self.connectors
            .iter()
            .filter_map(|(id, settings)| {
                let limit = Duration::from_millis(settings.connect_timeout_ms?);
                let bases = BaseUrls::new(connectors::find(id)?.meta, &settings.base_urls).ok()?;
                Some(bases.authorities().into_iter().map(move |authority| (authority, limit)))
            })
            .flatten()
            .collect()
    }

    /// The hosts that the operator configured in place of the connectors' own.
    fn operator_hosts(&self) -> HashSet<String> {
        let urls = self.connectors.values().flat_map(|settings| settings.base_urls.values());
        let hosts = urls.filter_map(|url| Some(url.parse::<http::Uri>().ok()?.host()?.to_ascii_lowercase()));
        hosts.collect()
    }

    /// The settings of a connector, if there are any.
    pub fn connector(&self, id: &str) -> Option<&ConnectorSettings> {
        self.connectors.get(id)
    }
}

/// The fault of a default value. Inputs of several grants may share a name; the value must be legal
/// for each of them.
fn default_fault<'a>(inputs: impl Iterator<Item = &'a Input>, value: &Value) -> Option<String> {
    let mut inputs = inputs.peekable();
    if inputs.peek().is_none() {
        return Some("no grant has such an input".into());
    }
    inputs.find(|input| !input.kind.accepts(value)).map(|input| format!("must be {}", input.kind.describe()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let faults = |limits: Limits| Settings { limits, ..Settings::default() }.faults();
        let good = Limits::default;
        assert!(faults(Limits { max_waiting_per_host: 0, ..good() }).is_empty());
        for (limits, named) in [
            (Limits { default_deadline_ms: 0, ..good() }, "default_deadline_ms"),
            (Limits { max_deadline_ms: u64::MAX, ..good() }, "max_deadline_ms"),
            (Limits { attempt_timeout_ms: 0, ..good() }, "attempt_timeout_ms"),
            (Limits { connect_timeout_ms: 0, ..good() }, "connect_timeout_ms"),
            (Limits { max_calls_per_host: 0, ..good() }, "max_calls_per_host"),
            (Limits { max_waiting_per_host: usize::MAX, ..good() }, "max_waiting_per_host"),
            (Limits { max_callers: usize::MAX, ..good() }, "max_callers"),
        ] {
            let faults = faults(limits);
            assert!(faults.len() == 1 && faults[0].contains(named), "{named}: {faults:?}");
        }
        let own = ConnectorSettings { attempt_timeout_ms: Some(0), ..ConnectorSettings::default() };
        let settings = Settings { connectors: [("stripe".to_owned(), own)].into(), ..Settings::default() };
        assert_eq!(settings.faults().len(), 1);
    }

    #[test]
    fn a_default_must_be_legal_for_each_grant_with_that_input() {
        let inputs = [Input::text_of("x", 5), Input::text_of("x", 3)];
        let fault = |inputs: &[Input], value: &str| default_fault(inputs.iter(), &value.into());
        assert_eq!(fault(&inputs, "abc"), None);
        assert_eq!(fault(&inputs, "abcd").as_deref(), Some("must be text of 1 to 3 characters"));
        assert_eq!(fault(&[], "abc").as_deref(), Some("no grant has such an input"));
    }
}
