use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use connectors::Audience;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Bases, canonical_id};

/// What the operator decides about the engine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Limits in time and size.
    pub limits: Limits,
    /// What may be handed out.
    pub policy: Policy,
    /// Settings of single connectors, by name.
    pub connectors: BTreeMap<String, ConnectorSettings>,
}

/// Limits in time.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Time for a call whose caller sets no deadline. Milliseconds.
    pub default_deadline_ms: u64,
    /// Longest time for a call, whatever the caller asks for. Milliseconds.
    pub max_deadline_ms: u64,
    /// Time for one attempt at one vendor call. Milliseconds.
    pub attempt_timeout_ms: u64,
    /// Time for making a connection to a vendor, TLS included. Milliseconds.
    pub connect_timeout_ms: u64,
    /// Most calls at a time to one host of one connector.
    pub max_calls_per_host: usize,
    /// Most calls that wait for a place at one host. Further ones are refused at once.
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

impl Limits {
    /// How long a call may take whose caller asks for this much time.
    pub fn time_for(&self, asked: Option<Duration>) -> Duration {
        asked
            .unwrap_or(Duration::from_millis(self.default_deadline_ms))
            .min(Duration::from_millis(self.max_deadline_ms))
    }
}

/// What may be handed out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether SERVER tokens may be given to callers that ask for them.
    pub server_tokens: bool,
    /// If not empty: only these connectors.
    pub connectors: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { server_tokens: true, connectors: BTreeSet::new() }
    }
}

impl Policy {
    /// Why this may not be handed out, if so.
    pub fn denies(&self, connector: &str, audience: Audience) -> Option<&'static str> {
        if !self.connectors.is_empty() && !self.connectors.contains(connector) {
            return Some("the operator's policy does not allow this connector");
        }
        if audience == Audience::Server && !self.server_tokens {
            return Some("the operator's policy does not allow SERVER tokens");
        }
        None
    }
}

/// Settings of one connector.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectorSettings {
    /// Inputs for callers that do not give them, under the names of `connector_feature_data`.
    pub defaults: Map<String, Value>,
    /// Time for one attempt, in place of the common limit. Milliseconds.
    pub attempt_timeout_ms: Option<u64>,
    /// Time for making a connection, in place of the common limit. Milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// Other hosts than the vendor's own: `base_url`, `test_base_url`, `<host>_base_url`, `test_<host>_base_url`.
    #[serde(flatten)]
    pub base_urls: BTreeMap<String, String>,
}

impl Settings {
    /// Everything that is wrong with them, in words for the operator.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for name in self.policy.connectors.iter().filter(|name| connectors::find(name).is_none()) {
            faults.push(format!("policy.connectors: no connector named {name} gives tokens"));
        }
        for (name, settings) in &self.connectors {
            let Some(entry) = connectors::find(&canonical_id(name)) else {
                faults.push(format!("connectors.{name}: no such connector gives tokens"));
                continue;
            };
            if let Err(fault) = Bases::of(entry.meta, Some(settings)) {
                faults.push(format!("connectors.{name}.{fault}"));
            }
            for (key, value) in &settings.defaults {
                let known = entry.meta.grants.iter().flat_map(|grant| grant.inputs).find(|input| input.name == key);
                match known {
                    None => faults.push(format!("connectors.{name}.defaults.{key}: no grant has such an input")),
                    Some(input) if !input.form.accepts(value) => {
                        faults.push(format!("connectors.{name}.defaults.{key}: must be {}", input.form.describe()));
                    }
                    Some(_) => {}
                }
            }
        }
        faults
    }

    /// Time for one attempt at a call to this connector.
    pub fn attempt_timeout(&self, id: &str) -> Duration {
        let own = self.connector(id).and_then(|settings| settings.attempt_timeout_ms);
        Duration::from_millis(own.unwrap_or(self.limits.attempt_timeout_ms))
    }

    /// Connectors' own connection limits, by `host[:port]` of every base URL of theirs.
    pub fn connect_timeouts(&self) -> HashMap<String, Duration> {
        self.connectors
            .iter()
            .filter_map(|(id, settings)| {
                let limit = Duration::from_millis(settings.connect_timeout_ms?);
                let bases = Bases::of(connectors::find(id)?.meta, Some(settings)).ok()?;
                Some(bases.authorities().into_iter().map(move |authority| (authority, limit)))
            })
            .flatten()
            .collect()
    }

    /// The settings of a connector, if there are any.
    pub fn connector(&self, id: &str) -> Option<&ConnectorSettings> {
        self.connectors.get(id)
    }
}
