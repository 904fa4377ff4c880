//! The server: engine, RPC port and admin port, from the start to the drain. Uses `engine`, `rpc`,
//! `listen`, `admin`, `live` and `reload`. Used by the commands `serve` and `demo`.

use std::{future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use connectrpc::{ConnectRpcService, DeadlinePolicy, Limits, Router};
use connectrpc_reflection::Reflector;
use sandbox::Sandbox;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    access_log::AccessLog,
    admin::{self, Metrics, MetricsError},
    audit::{AuditError, AuditLog},
    auth::{ClientCertificates, tokens::TokenIssuers},
    config::{Config, ConfigError, SettingDigests},
    engine::{self, EngineError, Process},
    listen::{self, Admission, BindError, Listener},
    live::{Live, LiveError},
    playground::{self, Playground},
    reload::{self, Source},
    rpc::{TokenService, health::Health, json_request::JsonRequests},
    signals::Hangups,
    supervisor,
    tls::ServerTls,
};

/// Most bytes of a request message.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Most bytes of a request body: a message and its frames.
const MAX_BODY_BYTES: usize = MAX_MESSAGE_BYTES + 1024;

/// Time for the key sets of identity providers before the server starts without them.
const KEY_SET_TIME: Duration = Duration::from_secs(6);

/// Time for the store to connect before the server starts without it. The first calls then share
/// their tokens between nodes.
const STORE_CONNECT_TIME: Duration = Duration::from_secs(1);

/// The fully qualified names of the services, for health checks.
const SERVICES: [&str; 2] = ["ucs.v2.MerchantAuthenticationService", "types.MerchantAuthenticationService"];

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The configuration is faulty.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration makes no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Callers, certificate or log filter cannot be used.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket has no address.
    #[error(transparent)]
    Address(#[from] io::Error),
    /// The audit log cannot be kept.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Metrics cannot be collected.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The descriptors of the services cannot be read.
    #[error("{0}")]
    Reflection(String),
}

/// A server that is bound to its ports and not yet serving.
pub(crate) struct Server {
    listener: Listener,
    tls: ServerTls,
    admin: TcpListener,
    health: Arc<Health>,
    live: Live,
    config: Config,
}

/// The means to read the configuration again while the server runs.
pub(crate) struct Reloading {
    /// Where the configuration comes from.
    pub source: Source,
    /// The digests of the configuration that the server was made from.
    pub digests: SettingDigests,
    /// The signal that asks for it.
    pub hangups: Hangups,
}

impl Server {
    /// Checks the configuration and binds the ports.
    ///
    /// # Errors
    /// All faults of the configuration, or the first part of the server that cannot start.
    pub(crate) async fn bind(config: Config) -> Result<Self, ServerError> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(ConfigError::Faults(faults).into());
        }
        let engine = Arc::new(engine::build(&config, Process::Node)?);
        if !engine.wait_for_store(STORE_CONNECT_TIME).await {
            tracing::warn!("the store does not answer; tokens are made without it until it does");
        }
        let (live, tls) = Live::new(&config, engine)?;
        let log = AccessLog::new(AuditLog::start(&config.audit)?);
        let (router, health) = router(TokenService::new(live.engine.clone(), live.authenticator.clone(), log.clone()))?;
        fetch_key_sets(&config, live.issuers.clone()).await?;
        let max_deadline = Duration::from_millis(config.limits.max_deadline_ms);
        // Each connection is a file descriptor, and the usual soft limit is 1024. Where the limit
        // cannot be raised, the server accepts fewer connections.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        if !config.allow_core_dumps {
            hide_memory();
        }
        let listener = Listener {
            socket: listen::bind(config.listen, "DAYPASS_LISTEN").await?,
            tls: live.tls.clone(),
            plaintext: config.plaintext(),
            max_connections: config.max_connections,
            max_deadline,
            service: service(router, max_deadline, log.clone()),
            log,
            playground: None,
            admission: Admission {
                authenticator: live.authenticator.clone(),
                local_names: config.listen.ip().is_loopback().then(|| config.allowed_hosts.clone()),
            },
        };
        let admin = listen::bind(config.admin_listen, "DAYPASS_ADMIN_LISTEN").await?;
        Ok(Self { listener, tls, admin, health, live, config })
    }

    /// Serves the playground beside the RPC, for a server whose calls all go to this sandbox. Its URL,
    /// or `None` where the port is not for a browser of this machine: beyond loopback, without
    /// plaintext, or for known callers only.
    ///
    /// # Errors
    /// The socket has no address.
    pub(crate) fn serve_playground(&mut self, sandbox: &Sandbox) -> Result<Option<String>, ServerError> {
        let config = &self.config;
        let takes_anybody =
            config.callers.is_empty() && config.client_certificates() == ClientCertificates::NotAccepted;
        if !config.listen.ip().is_loopback() || !config.plaintext() || !takes_anybody {
            return Ok(None);
        }
        self.listener.playground = Some(Arc::new(Playground::new(self.live.engine.clone(), sandbox)));
        Ok(Some(format!("http://{}{}", self.address()?, playground::PATH)))
    }

    /// The address of the RPC port.
    ///
    /// # Errors
    /// The socket has no address.
    pub(crate) fn address(&self) -> Result<SocketAddr, ServerError> {
        Ok(self.listener.socket.local_addr()?)
    }

    /// What the RPC port accepts, in words.
    pub(crate) fn accepts(&self) -> String {
        let config = &self.config;
        let transport = if config.plaintext() { "plaintext and TLS" } else { "TLS only" };
        let callers = match (config.client_certificates(), config.callers.is_empty()) {
            (ClientCertificates::NotAccepted, true) => "from anybody who reaches it",
            (ClientCertificates::NotAccepted, false) => "from callers with a key or token",
            (ClientCertificates::OfCallers, _) => "from callers with a key, a token or a certificate of theirs",
            (ClientCertificates::Any, _) => "from callers with a key, a token or any certificate of the authorities",
        };
        format!("{transport}, {callers}")
    }

    /// The address of the admin port.
    ///
    /// # Errors
    /// The socket has no address.
    pub(crate) fn admin_address(&self) -> Result<SocketAddr, ServerError> {
        Ok(self.admin.local_addr()?)
    }

    /// The certificate authority that clients must trust, where the server made its own.
    pub(crate) fn authority_file(&self) -> Option<PathBuf> {
        self.tls.authority_file.clone()
    }

    /// Serves until `shutdown`. Then health says NOT_SERVING, after the configured delay no
    /// connection is accepted, and calls in flight finish. A reload replaces what can change.
    pub(crate) async fn serve(
        self,
        shutdown: impl Future<Output = ()>,
        reloading: Option<Reloading>,
        metrics: Metrics,
    ) {
        let (ready, is_ready) = watch::channel(true);
        let engine = self.live.engine.clone();
        for setting in self.config.insecure() {
            tracing::warn!(setting, "this setting takes a protection away");
            metrics::gauge!("daypass_insecure_setting", "setting" => setting).set(1.0);
        }
        let admin = tokio::spawn(admin::serve(self.admin, metrics, is_ready, engine.clone()));
        self.tls.report_expiry();
        let delay = Duration::from_millis(self.config.shutdown_delay_ms);
        let grace = Duration::from_millis(self.config.shutdown_grace_ms);
        let reload = reloading.map(|Reloading { source, digests, hangups }| {
            tokio::spawn(reload::run(source, self.config, digests, self.live, hangups))
        });
        supervisor::ready();
        let health = self.health;
        let draining = async move {
            shutdown.await;
            tracing::info!("draining");
            supervisor::stopping();
            health.shutdown();
            let _ = ready.send(false);
            tokio::time::sleep(delay).await;
        };
        let audit = self.listener.log.audit.clone();
        self.listener.serve(draining, grace).await;
        if let Some(audit) = audit {
            audit.flush().await;
        }
        admin.abort();
        if let Some(reload) = reload {
            reload.abort();
        }
        engine.leave_store().await;
        tracing::info!("stopped");
    }
}

/// Lets neither the system write this process's memory into a file, nor another process of the same user
/// read it.
fn hide_memory() {
    let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Starts to fetch the key sets of identity providers, and waits for the first round. A provider that
/// does not answer names no caller until it does.
async fn fetch_key_sets(config: &Config, issuers: Arc<TokenIssuers>) -> Result<(), ServerError> {
    if issuers.is_empty() {
        return Ok(());
    }
    let transport = issuers.transport(engine::authorities(config)?.as_deref());
    let transport = transport.map_err(|error| ConfigError::Setting(format!("token_issuers: {error}")))?;
    let first = Arc::new(Notify::new());
    tokio::spawn(issuers.run(transport, first.clone()));
    let _ = timeout(KEY_SET_TIME, first.notified()).await;
    Ok(())
}

fn service(router: Router, max_deadline: Duration, log: Arc<AccessLog>) -> ConnectRpcService {
    let limits = Limits::default().with_max_message_size(MAX_MESSAGE_BYTES).with_max_request_body_size(MAX_BODY_BYTES);
    ConnectRpcService::new(router)
        .with_limits(limits)
        .with_deadline_policy(DeadlinePolicy::new().with_max(max_deadline))
        .with_interceptor(JsonRequests { log })
}

fn router(service: TokenService) -> Result<(Router, Arc<Health>), ServerError> {
    let service = Arc::new(service);
    let router = protocol::ucs::v2::MerchantAuthenticationServiceExt::register(service.clone(), Router::new());
    let router = protocol::types::MerchantAuthenticationServiceExt::register(service, router);
    let reflector = Reflector::from_descriptor_set_bytes(protocol::DESCRIPTORS)
        .map_err(|error| ServerError::Reflection(error.to_string()))?;
    let router = connectrpc_reflection::install(router, reflector);
    Ok(Health::install(router, &SERVICES))
}
