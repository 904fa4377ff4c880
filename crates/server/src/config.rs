//! The configuration: a TOML file, the environment over it, flags over that.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use connectors::Secret;
use daypass::{ConnectorSettings, Keyring, Limits, Policy, Settings, canonical_id};
use figment::{
    Figment, Provider,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::{
    callers::{Caller, Callers},
    logs,
};

/// Environment variables with our prefix that are not configuration.
const NOT_CONFIGURATION: &[&str] = &["config", "credentials", "feature_data"];

/// Everything that an operator can decide.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the RPC listens.
    pub listen: SocketAddr,
    /// Where metrics and health over plain HTTP listen.
    pub admin_listen: SocketAddr,
    /// What is logged: a level, or directives as in `info,daypass=debug`.
    pub log: String,
    /// The server's certificate. Without one a throw-away one is made at each start.
    pub tls: Option<Tls>,
    /// Callers and the hashes of their keys. With none (and no client certificates) everybody may call.
    pub callers: Vec<Caller>,
    /// Says in so many words that the RPC port accepts plaintext from other machines.
    pub allow_plaintext_beyond_loopback: bool,
    /// Says in so many words that anybody on other machines may call.
    pub allow_anonymous_beyond_loopback: bool,
    /// Says in so many words that other machines may read metrics and health, in plaintext and without a key.
    pub allow_admin_beyond_loopback: bool,
    /// How long calls in flight may take to finish after SIGTERM. Milliseconds.
    pub shutdown_grace_ms: u64,
    /// Most connections at a time.
    pub max_connections: usize,
    /// How vendors are reached.
    pub egress: Egress,
    /// Where tokens are kept between calls.
    pub store: StoreConfig,
    /// Limits in time.
    pub limits: Limits,
    /// What may be handed out.
    pub policy: Policy,
    /// Settings of single connectors, by name.
    pub connectors: BTreeMap<String, ConnectorSettings>,
}

/// The server's certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, PEM.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub private_key_file: PathBuf,
    /// Authorities whose client certificates are accepted as proof of the caller, PEM.
    pub client_authorities_file: Option<PathBuf>,
}

/// How vendors are reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Certificate authorities to trust besides the public ones, PEM (for a proxy in front of the vendors).
    pub authorities_file: Option<PathBuf>,
}

/// Where tokens are kept between calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `redis://…` or `rediss://…` for a store that nodes share (Redis 6 or later, Valkey). Absent: inside the process.
    pub url: Option<Secret>,
    /// The key that names and seals what is kept: 32 bytes as base64 or hex. Needed with a URL.
    pub key: Option<Secret>,
    /// Keys that were replaced: what they sealed can still be read. A comma-separated text, or a list.
    #[serde(deserialize_with = "one_or_many")]
    pub previous_keys: Vec<Secret>,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Keys {
        One(Zeroizing<String>),
        Many(Vec<Secret>),
    }
    Ok(match Keys::deserialize(deserializer)? {
        Keys::One(keys) => keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(Secret::from).collect(),
        Keys::Many(keys) => keys,
    })
}

impl StoreConfig {
    /// The key ring of this configuration.
    ///
    /// # Errors
    /// Where there is a URL and no key, or a key has a wrong form.
    pub fn keyring(&self) -> Result<Keyring, String> {
        match (&self.key, &self.url) {
            (Some(key), _) => Keyring::configured(key, &self.previous_keys).map_err(|error| error.to_string()),
            (None, Some(_)) => Err("store.key: a shared store needs a key (`openssl rand -base64 32`)".into()),
            (None, None) => Keyring::ephemeral().map_err(|error| error.to_string()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            log: "info".into(),
            tls: None,
            callers: Vec::new(),
            allow_plaintext_beyond_loopback: false,
            allow_anonymous_beyond_loopback: false,
            allow_admin_beyond_loopback: false,
            shutdown_grace_ms: 35_000,
            max_connections: 20_000,
            egress: Egress::default(),
            store: StoreConfig::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            connectors: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file, if there is one, and the environment over it.
    ///
    /// # Errors
    /// What is wrong, with the name of the setting and never its value.
    pub fn load(file: Option<&Path>) -> Result<Self, String> {
        let mut settings = file.map(from_file).transpose()?.unwrap_or_default();
        put_over(&mut settings, from_environment()?);
        Self::of(&settings)
    }

    /// Where the admin port of a server of this configuration listens, whatever else is wrong with it.
    ///
    /// # Errors
    /// Where that is no address.
    pub fn admin_listen(file: Option<&Path>) -> Result<SocketAddr, String> {
        let mut settings = from_environment()?;
        if let Some(file) = file.filter(|_| !settings.contains_key("admin_listen")) {
            settings = from_file(file)?;
        }
        settings.retain(|name, _| name == "admin_listen");
        Ok(Self::of(&settings)?.admin_listen)
    }

    /// Reads a file's text alone.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(toml: &str) -> Result<Self, String> {
        Self::of(&from_toml(toml, "configuration")?)
    }

    fn of(settings: &Dict) -> Result<Self, String> {
        let mut config: Self =
            Figment::from(Serialized::defaults(settings)).extract().map_err(|error| explain(&error))?;
        config.policy.connectors =
            config.policy.connectors.iter().map(|name| canonical_id(name)).collect::<BTreeSet<_>>();
        Ok(config)
    }

    /// The part that the engine needs.
    pub fn settings(&self) -> Settings {
        Settings { limits: self.limits.clone(), policy: self.policy.clone(), connectors: self.connectors.clone() }
    }

    /// Everything that is wrong with it beyond its form, in words for the operator.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.settings().faults();
        faults.extend(logs::check(&self.log).err());
        faults.extend(self.store.keyring().err());
        faults.extend(Callers::new(&self.callers, false).err());
        if !(1..=Limits::MAX_COUNT).contains(&self.max_connections) {
            faults.push(format!("max_connections: must be from 1 to {}", Limits::MAX_COUNT));
        }
        let certificates = self.tls.as_ref().is_some_and(|tls| tls.client_authorities_file.is_some());
        if !self.listen.ip().is_loopback() {
            if self.tls.is_none() && !self.allow_plaintext_beyond_loopback {
                faults.push(
                    "listen: beyond loopback a certificate is needed ([tls] certificate_file and private_key_file), or \
                     allow_plaintext_beyond_loopback = true"
                        .into(),
                );
            }
            if self.callers.is_empty() && !certificates && !self.allow_anonymous_beyond_loopback {
                faults.push(
                    "listen: beyond loopback callers must be known ([[callers]] with key_sha256, or [tls] \
                     client_authorities_file), or allow_anonymous_beyond_loopback = true"
                        .into(),
                );
            }
        }
        if !self.admin_listen.ip().is_loopback() && !self.allow_admin_beyond_loopback {
            faults.push(
                "admin_listen: beyond loopback metrics and health need allow_admin_beyond_loopback = true, whatever is \
                 allowed on the RPC port"
                    .into(),
            );
        }
        faults
    }

    /// Whether plaintext is accepted on the RPC port.
    pub fn plaintext(&self) -> bool {
        self.listen.ip().is_loopback() || self.allow_plaintext_beyond_loopback
    }
}

fn from_file(file: &Path) -> Result<Dict, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    from_toml(&text, &file.display().to_string())
}

/// Where the text is no TOML, the place is told and nothing of the line: it may hold a secret.
fn from_toml(text: &str, name: &str) -> Result<Dict, String> {
    Toml::from_str(text).map(canonical).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        format!("{name}: line {line}, column {column}: cannot be read as TOML")
    })
}

fn from_environment() -> Result<Dict, String> {
    let variables = Env::prefixed("DAYPASS_")
        .ignore(NOT_CONFIGURATION)
        .filter(|key| !is_service_link(key.as_str(), &Env::var_or(&format!("DAYPASS_{key}"), "")))
        .split("__")
        .data()
        .map_err(|error| explain(&error))?;
    Ok(variables.into_values().next().map(canonical).unwrap_or_default())
}

/// With one spelling of each connector, so that what is said of it in one place meets what is said in another.
fn canonical(mut settings: Dict) -> Dict {
    if let Some(Value::Dict(_, connectors)) = settings.get_mut("connectors") {
        for (name, settings) in std::mem::take(connectors) {
            put_over(connectors, [(canonical_id(&name), settings)].into());
        }
    }
    settings
}

/// Key by key, however deep.
fn put_over(under: &mut Dict, over: Dict) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Dict(_, under)), Value::Dict(_, over)) => put_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Whether the variable is one of those that Kubernetes sets for services: for one named `daypass`, and for its neighbours whose
/// names begin so (`DAYPASS_REDIS_SERVICE_HOST`, `DAYPASS_REDIS_PORT_6379_TCP_ADDR`). `DAYPASS_ADMIN_PORT=9090` is a mistake.
fn is_service_link(key: &str, value: &str) -> bool {
    if key.contains("__") {
        return false;
    }
    let key = format!("_{}_", key.to_ascii_lowercase());
    let protocol = |rest: &str| ["tcp_", "udp_", "sctp_"].iter().any(|protocol| rest.starts_with(protocol));
    key.ends_with("_service_host_")
        || key.contains("_service_port_")
        || key.ends_with("_port_") && value.contains("://")
        || key.match_indices("_port_").any(|(at, port)| {
            let rest = key.get(at + port.len()..).and_then(|rest| rest.split_once('_'));
            rest.is_some_and(|(number, rest)| number.parse::<u16>().is_ok() && protocol(rest))
        })
}

/// The error without the offending value, which may be a secret.
fn explain(error: &figment::Error) -> String {
    let setting = error.path.join(".");
    let what = match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("expected {expected}"),
        Kind::InvalidLength(_, expected) => format!("wrong length, expected {expected}"),
        Kind::MissingField(field) => format!("{field} is missing"),
        Kind::UnknownField(field, known) => format!("unknown setting {field}; known are {}", known.join(", ")),
        Kind::UnknownVariant(_, known) => format!("expected one of {}", known.join(", ")),
        Kind::DuplicateField(field) => format!("{field} is given twice"),
        _ => "cannot be read".into(),
    };
    if setting.is_empty() { what } else { format!("{setting}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_services_are_told_from_settings() {
        for (key, value, link) in [
            ("SERVICE_HOST", "10.0.0.1", true),
            ("SERVICE_PORT", "80", true),
            ("PORT", "tcp://10.0.0.1:80", true),
            ("PORT_80_TCP", "tcp://10.0.0.1:80", true),
            ("REDIS_SERVICE_HOST", "10.0.0.1", true),
            ("ADMIN_SERVICE_PORT_METRICS", "9090", true),
            ("ADMIN_PORT", "tcp://10.0.0.1:9090", true),
            ("PORT_X_PORT_6379_SCTP_ADDR", "10.0.0.1", true),
            ("ADMIN_PORT", "9090", false),
            ("ADMIN_LISTEN", "127.0.0.1:9090", false),
            ("PORT_X_TCP", "x", false),
            ("CONNECTORS__X_SERVICE_HOST", "x", false),
        ] {
            assert_eq!(is_service_link(key, value), link, "{key}");
        }
        let settings = Config::parse("no_setting = 1").unwrap_err();
        for setting in settings.split([' ', ',']) {
            assert!(!is_service_link(setting, "tcp://10.0.0.1:80"), "{setting}");
        }
    }
}
