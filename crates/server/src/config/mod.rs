//! The configuration: a TOML file, the environment over it, flags of the command line over that.
//! `sources` reads file and environment. Uses the settings of the engine and checks of `auth` and
//! `logs`. Used by `server`, `engine`, `tls` and `cli`.

pub(crate) mod check;
mod digests;
mod error;
pub(crate) mod files;
mod profiles;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use connectors::Secret;
use daypass::{
    ConnectorSettings, Keyring, Limits, MemoryStore, OutboundProxy, Policy, Profile, Settings, StoreAccess,
    canonical_id,
};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

pub use digests::SettingDigests;
pub use error::ConfigError;

use crate::{
    audit::AuditConfig,
    auth::{
        Authenticator, Caller, ClientCertificates,
        tokens::{TokenIssuer, TokenIssuers},
    },
    logs, pem,
};

/// All settings of the operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the RPC port.
    pub listen: SocketAddr,
    /// Address of the port for metrics and health over plain HTTP.
    pub admin_listen: SocketAddr,
    /// Host names, besides `localhost`, by which a loopback RPC port may be called: those of a proxy
    /// on this machine. Other names are refused, as they may be those of a page in a browser.
    pub allowed_hosts: Vec<String>,
    /// The log filter: a level, or directives as in `info,daypass=debug`.
    pub log: String,
    /// The server's certificate. Without one the server makes one at each start.
    pub tls: Option<Tls>,
    /// Callers and the hashes of their keys. With none, and without client certificates, calls need
    /// no authentication.
    pub callers: Vec<Caller>,
    /// Identity providers whose tokens name callers.
    pub token_issuers: Vec<TokenIssuer>,
    /// Confirms that the RPC port accepts plaintext from other machines.
    pub allow_plaintext_beyond_loopback: bool,
    /// Confirms that calls from other machines need no authentication.
    pub allow_anonymous_beyond_loopback: bool,
    /// Confirms that other machines may read metrics and health, in plaintext and without a key.
    pub allow_admin_beyond_loopback: bool,
    /// Lets the system write the memory of a crashed process, with its credentials, into a file, and
    /// other processes of the same user read it.
    pub allow_core_dumps: bool,
    /// Time between SIGTERM and the close of the RPC port, in which health says that the service ends
    /// and calls are served as before: for load balancers that go on sending for a while.
    /// Milliseconds.
    pub shutdown_delay_ms: u64,
    /// Longest time for calls in flight to finish after that. Milliseconds.
    pub shutdown_grace_ms: u64,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Settings of connections to connectors.
    pub egress: Egress,
    /// The audit log.
    pub audit: AuditConfig,
    /// OpenTelemetry.
    pub telemetry: TelemetryConfig,
    /// The store of tokens between calls.
    pub store: StoreConfig,
    /// Limits of time and number.
    pub limits: Limits,
    /// The operator's policy on tokens.
    pub policy: Policy,
    /// Settings of single connectors, by name.
    pub connectors: BTreeMap<String, ConnectorSettings>,
    /// Credentials that callers use and do not hold, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The files of the profiles, with the settings that name them.
    #[serde(skip)]
    pub profile_files: Vec<(String, PathBuf)>,
}

/// The server's certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, PEM.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub private_key_file: PathBuf,
    /// Certificate authorities whose client certificates authenticate callers, PEM.
    pub client_authorities_file: Option<PathBuf>,
    /// Accepts every certificate of these authorities, also one that names no caller.
    #[serde(default)]
    pub any_client_certificate: bool,
}

/// Settings of connections to connectors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Certificate authorities that are trusted in addition to the public ones, PEM. For a proxy
    /// between this service and the connectors.
    pub authorities_file: Option<PathBuf>,
    /// The HTTP proxy through which calls to connectors go, `http://[user:password@]host:port`.
    /// Absent: that of the environment (`HTTPS_PROXY`), if there is one. Empty: none.
    pub proxy: Option<Secret>,
    /// Hosts that are called without the proxy: names, domains and networks, separated by commas.
    /// Absent: those of the environment (`NO_PROXY`). Loopback is never called through it.
    pub no_proxy: Option<String>,
    /// Whether calls to connectors have the `traceparent` of the call that they belong to.
    pub send_trace_context: bool,
}

/// OpenTelemetry: traces, metrics and logs over OTLP.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// URL of the collector (OTLP over HTTP). Absent: `OTEL_EXPORTER_OTLP_ENDPOINT`, if there is one,
    /// else nothing is sent.
    pub otlp_endpoint: Option<String>,
    /// Headers for the collector, `name=value` separated by commas. Absent:
    /// `OTEL_EXPORTER_OTLP_HEADERS`.
    pub otlp_headers: Option<Secret>,
    /// Longest time for one export. Milliseconds.
    pub otlp_timeout_ms: u64,
    /// The name of this service. Absent: `OTEL_SERVICE_NAME`, else `daypass`.
    pub service_name: Option<String>,
    /// The share of traces that begin here and are sent. A trace that began at the caller is sent as
    /// its caller decided.
    pub trace_sample_ratio: f64,
    /// Time between two exports of metrics. Milliseconds.
    pub metrics_interval_ms: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: None,
            otlp_timeout_ms: 10_000,
            service_name: None,
            trace_sample_ratio: 1.0,
            metrics_interval_ms: 60_000,
        }
    }
}

/// The largest `telemetry.otlp_timeout_ms` and `telemetry.metrics_interval_ms`: an hour.
const MAX_TELEMETRY_MS: u64 = 3_600_000;

impl TelemetryConfig {
    fn faults(&self) -> Vec<String> {
        let times = [("otlp_timeout_ms", self.otlp_timeout_ms), ("metrics_interval_ms", self.metrics_interval_ms)];
        let mut faults: Vec<String> = times
            .into_iter()
            .filter(|(_, time)| !(1..=MAX_TELEMETRY_MS).contains(time))
            .map(|(name, _)| format!("telemetry.{name}: must be from 1 to {MAX_TELEMETRY_MS}"))
            .collect();
        if !(0.0..=1.0).contains(&self.trace_sample_ratio) {
            faults.push("telemetry.trace_sample_ratio: must be from 0 to 1".into());
        }
        faults
    }
}

/// Hosts that are never called through a proxy.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

impl Egress {
    /// The outbound proxy, and the place that it was configured in.
    ///
    /// # Errors
    /// It is no `http://` URL.
    pub(crate) fn proxy(&self) -> Result<Option<(OutboundProxy, &'static str)>, ConfigError> {
        let from_environment = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| Some((std::env::var(name).ok().filter(|value| !value.is_empty())?, name)))
        };
        let (url, place) = match &self.proxy {
            Some(url) => (url.expose().to_owned(), "egress.proxy"),
            None => from_environment(["HTTPS_PROXY", "https_proxy"]).unwrap_or_default(),
        };
        if url.is_empty() {
            return Ok(None);
        }
        let hosts = self.no_proxy.clone();
        let hosts = hosts.or_else(|| from_environment(["NO_PROXY", "no_proxy"]).map(|(hosts, _)| hosts));
        let hosts = format!("{LOOPBACK},{}", hosts.unwrap_or_default());
        let proxy = OutboundProxy::new(&url, &hosts);
        proxy.map(|proxy| Some((proxy, place))).map_err(|error| ConfigError::Setting(format!("{place}: {error}")))
    }
}

/// The largest `store.operation_timeout_ms`. A call that waits longer for a store is better off
/// without it.
const MAX_STORE_TIMEOUT_MS: u64 = 10_000;
/// The values of `store.memory_mib`: less holds too few tokens to serve references, more is a mistake.
const STORE_MEMORY_MIB: std::ops::RangeInclusive<u64> = 16..=1024 * 1024;

/// The store of tokens between calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `redis://…`, `redis+sentinel://…` or `redis+cluster://…` for a store that nodes share (Redis 6
    /// or later, Valkey), with `rediss` for TLS; see `docs/store.md`. Absent: the memory of the
    /// process.
    pub url: Option<Secret>,
    /// Certificate authorities of the store in the place of the public ones, PEM.
    pub authorities_file: Option<PathBuf>,
    /// The certificate chain with which this service shows itself to the store, PEM.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub private_key_file: Option<PathBuf>,
    /// The user at the sentinels. Absent: the default user.
    pub sentinel_user: Option<String>,
    /// The password at the sentinels.
    pub sentinel_password: Option<Secret>,
    /// The key that derives names and seals values: 32 bytes as base64 or hex. Required with a URL.
    pub key: Option<Secret>,
    /// Former keys, which still open the values that they sealed. A comma-separated text, or a
    /// list.
    #[serde(deserialize_with = "one_or_many")]
    pub previous_keys: Vec<Secret>,
    /// Longest time for one operation of the shared store, in milliseconds. A slower store counts
    /// as absent: tokens are made without it until it is fast again.
    pub operation_timeout_ms: u64,
    /// Most memory for tokens, in MiB, where no store is shared. Beyond it, the tokens that were not
    /// asked for the longest are forgotten, and the next call of their reference makes a new one.
    pub memory_mib: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: None,
            authorities_file: None,
            certificate_file: None,
            private_key_file: None,
            sentinel_user: None,
            sentinel_password: None,
            key: None,
            previous_keys: Vec::new(),
            operation_timeout_ms: 15,
            memory_mib: MemoryStore::USUAL_MIB,
        }
    }
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
    /// The way to the shared store, with the files of its TLS. `None` without a URL.
    ///
    /// # Errors
    /// A file cannot be read, or a certificate is without its key.
    pub fn access(&self) -> Result<Option<StoreAccess>, ConfigError> {
        let Some(url) = &self.url else { return Ok(None) };
        let read = |name: &str, file: &Path| {
            std::fs::read(file)
                .map_err(|error| ConfigError::Setting(format!("store.{name}: {}{error}", pem::Shown(file))))
        };
        let authorities = self.authorities_file.as_deref().map(|file| read("authorities_file", file)).transpose()?;
        let certificate = match (&self.certificate_file, &self.private_key_file) {
            (None, None) => None,
            (Some(chain), Some(key)) => {
                let key = Zeroizing::new(read("private_key_file", key)?);
                let key = std::str::from_utf8(&key)
                    .map_err(|_| ConfigError::Setting("store.private_key_file: expected PEM".into()))?;
                Some((read("certificate_file", chain)?, Secret::from(key)))
            }
            _ => {
                let fault = "store.certificate_file and store.private_key_file: each needs the other";
                return Err(ConfigError::Setting(fault.into()));
            }
        };
        let (sentinel_user, sentinel_password) = (self.sentinel_user.clone(), self.sentinel_password.clone());
        Ok(Some(StoreAccess { url: url.clone(), authorities, certificate, sentinel_user, sentinel_password }))
    }

    /// The keys of this configuration.
    ///
    /// # Errors
    /// There is a URL and no key, or a key is malformed.
    pub fn keyring(&self) -> Result<Keyring, ConfigError> {
        match (&self.key, &self.url) {
            (Some(key), _) => Keyring::configured(key, &self.previous_keys).map_err(ConfigError::invalid),
            (None, Some(_)) => Err(ConfigError::StoreKeyMissing),
            (None, None) => Keyring::ephemeral().map_err(ConfigError::invalid),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            allowed_hosts: Vec::new(),
            log: "info".into(),
            tls: None,
            callers: Vec::new(),
            token_issuers: Vec::new(),
            allow_plaintext_beyond_loopback: false,
            allow_anonymous_beyond_loopback: false,
            allow_admin_beyond_loopback: false,
            allow_core_dumps: false,
            shutdown_delay_ms: 0,
            shutdown_grace_ms: 35_000,
            max_connections: 20_000,
            egress: Egress::default(),
            audit: AuditConfig::default(),
            telemetry: TelemetryConfig::default(),
            store: StoreConfig::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            connectors: BTreeMap::new(),
            profiles: BTreeMap::new(),
            profile_files: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the file, if there is one, and the environment over it.
    ///
    /// # Errors
    /// A setting cannot be read. The error has its name and never its value.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with_digests(file).map(|(config, _)| config)
    }

    /// The same, with digests of all settings, by which a later configuration differs.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn load_with_digests(file: Option<&Path>) -> Result<(Self, SettingDigests), ConfigError> {
        let mut settings = file.map(sources::file).transpose()?.unwrap_or_default();
        sources::merge(&mut settings, sources::environment()?);
        files::read_secrets(&mut settings)?;
        let profile_files = profiles::read(&mut settings)?;
        let config = Self { profile_files, ..Self::from_settings(&settings)? };
        let digests = SettingDigests::of(&settings, config.files());
        Ok((config, digests))
    }

    /// The files whose content belongs to the configuration, with the settings that name them.
    pub(crate) fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files = self.profile_files.clone();
        if let Some(tls) = &self.tls {
            let own = [("certificate_file", &tls.certificate_file), ("private_key_file", &tls.private_key_file)];
            let authorities = tls.client_authorities_file.iter().map(|file| ("client_authorities_file", file));
            let named = own.into_iter().chain(authorities);
            files.extend(named.map(|(name, file)| (format!("tls.{name}"), file.clone())));
        }
        files
    }

    /// Takes what a reload cannot change from the configuration of the start: the ports, what protects
    /// them, and limits. The faults of a new configuration are those beside the ports that are open.
    pub(crate) fn keep_fixed(&mut self, running: &Self) {
        (self.listen, self.admin_listen) = (running.listen, running.admin_listen);
        self.allow_plaintext_beyond_loopback = running.allow_plaintext_beyond_loopback;
        self.allow_anonymous_beyond_loopback = running.allow_anonymous_beyond_loopback;
        self.allow_admin_beyond_loopback = running.allow_admin_beyond_loopback;
        let Limits { max_deadline_ms, max_calls_per_host, max_waiting_per_host, max_callers, .. } = running.limits;
        self.limits =
            Limits { max_deadline_ms, max_calls_per_host, max_waiting_per_host, max_callers, ..self.limits.clone() };
    }

    /// The admin address of a server with this configuration. Faults of other settings do not
    /// matter.
    ///
    /// # Errors
    /// The setting is no address.
    pub fn admin_listen(file: Option<&Path>) -> Result<SocketAddr, ConfigError> {
        let mut settings = sources::environment()?;
        if let Some(file) = file.filter(|_| !settings.contains_key("admin_listen")) {
            settings = sources::file(file)?;
        }
        settings.retain(|name, _| name == "admin_listen");
        Ok(Self::from_settings(&settings)?.admin_listen)
    }

    /// Reads the text of a file, without the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(toml: &str) -> Result<Self, ConfigError> {
        Self::from_settings(&sources::toml(toml, "configuration")?)
    }

    fn from_settings(settings: &sources::Settings) -> Result<Self, ConfigError> {
        let mut config: Self = sources::extract(settings)?;
        config.policy.connectors =
            config.policy.connectors.iter().map(|name| canonical_id(name)).collect::<BTreeSet<_>>();
        Ok(config)
    }

    /// The engine's part of the configuration.
    pub fn settings(&self) -> Settings {
        let mut policy = self.policy.clone();
        // Beyond loopback a SERVER token needs the operator's word.
        policy.server_tokens = policy.server_tokens.or(Some(self.listen.ip().is_loopback()));
        let (connectors, profiles) = (self.connectors.clone(), self.profiles.clone());
        Settings { limits: self.limits.clone(), policy, connectors, profiles, ..Settings::default() }.canonical()
    }

    /// All faults beyond the form of single settings, as texts for the operator.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.settings().faults();
        faults.extend(logs::check(&self.log).err().map(|error| error.to_string()));
        faults.extend(self.store.keyring().err().map(|error| error.to_string()));
        match self.store.access() {
            Ok(access) => faults.extend(access.and_then(|access| access.check().err()).map(|error| error.to_string())),
            Err(error) => faults.push(error.to_string()),
        }
        match TokenIssuers::new(&self.token_issuers) {
            Ok(issuers) => {
                let callers = Authenticator::new(&self.callers, self.client_certificates(), issuers.into());
                faults.extend(callers.err().map(|error| error.to_string()));
            }
            Err(error) => faults.push(error.to_string()),
        }
        let unknown =
            self.policy.callers.keys().filter(|name| !self.callers.iter().any(|caller| caller.name == **name));
        faults.extend(unknown.map(|name| format!("policy.callers.{name}: no caller in [[callers]] has this name")));
        if !(1..=Limits::MAX_COUNT).contains(&self.max_connections) {
            faults.push(format!("max_connections: must be from 1 to {}", Limits::MAX_COUNT));
        }
        if !(1..=MAX_STORE_TIMEOUT_MS).contains(&self.store.operation_timeout_ms) {
            faults.push(format!("store.operation_timeout_ms: must be from 1 to {MAX_STORE_TIMEOUT_MS}"));
        }
        if !STORE_MEMORY_MIB.contains(&self.store.memory_mib) {
            let (least, most) = STORE_MEMORY_MIB.into_inner();
            faults.push(format!("store.memory_mib: must be from {least} to {most}"));
        }
        faults.extend(self.egress.proxy().err().map(|error| error.to_string()));
        faults.extend(self.telemetry.faults());
        faults.extend(self.audit.fault().map(|fault| fault.to_string()));
        faults.extend(self.exposure_faults().into_iter().map(ToOwned::to_owned));
        faults
    }

    /// Ports that other machines reach without the protection, or the confirmation, that they need.
    fn exposure_faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        if !self.listen.ip().is_loopback() {
            if self.tls.is_none() && !self.allow_plaintext_beyond_loopback {
                faults.push(
                    "listen: beyond loopback a certificate is needed ([tls] certificate_file and private_key_file), or \
                     allow_plaintext_beyond_loopback = true",
                );
            }
            if self.is_anonymous() && !self.allow_anonymous_beyond_loopback {
                faults.push(
                    "listen: beyond loopback callers must be known ([[callers]] with key_sha256, or [tls] \
                     client_authorities_file), or allow_anonymous_beyond_loopback = true",
                );
            }
        }
        if !self.admin_listen.ip().is_loopback() && !self.allow_admin_beyond_loopback {
            faults.push(
                "admin_listen: beyond loopback metrics and health need allow_admin_beyond_loopback = true, whatever is \
                 allowed on the RPC port",
            );
        }
        faults
    }

    /// The settings that are on and take a protection away.
    pub(crate) fn insecure(&self) -> Vec<&'static str> {
        // These credentials are then used by everybody who reaches the port.
        let open_profiles = self.is_anonymous() && !self.policy.profiles.is_empty();
        let any_certificate = self.tls.as_ref().is_some_and(|tls| tls.any_client_certificate);
        [
            ("allow_plaintext_beyond_loopback", self.allow_plaintext_beyond_loopback),
            ("allow_anonymous_beyond_loopback", self.allow_anonymous_beyond_loopback),
            ("allow_admin_beyond_loopback", self.allow_admin_beyond_loopback),
            ("allow_core_dumps", self.allow_core_dumps),
            ("tls.any_client_certificate", any_certificate),
            ("policy.profiles", open_profiles),
        ]
        .into_iter()
        .filter_map(|(setting, on)| on.then_some(setting))
        .collect()
    }

    /// Whether calls need no authentication.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.callers.is_empty() && self.client_certificates() == ClientCertificates::NotAccepted
    }

    /// Whether client certificates authenticate callers.
    pub fn client_certificates(&self) -> ClientCertificates {
        match &self.tls {
            Some(tls) if tls.client_authorities_file.is_none() => ClientCertificates::NotAccepted,
            Some(tls) if tls.any_client_certificate => ClientCertificates::Any,
            Some(_) => ClientCertificates::OfCallers,
            None => ClientCertificates::NotAccepted,
        }
    }

    /// Whether the RPC port accepts plaintext.
    pub fn plaintext(&self) -> bool {
        self.listen.ip().is_loopback() || self.allow_plaintext_beyond_loopback
    }
}
