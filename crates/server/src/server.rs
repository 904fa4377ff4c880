//! The whole service: engine, RPC port, admin port, drain.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use connectrpc::{ConnectRpcService, DeadlinePolicy, Limits, Router};
use connectrpc_reflection::Reflector;
use daypass::{Clock, ConnectTimeouts, Engine, FallbackStore, MemoryStore, RedisStore, Store, SystemClock, Transport};
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

use crate::{
    admin,
    callers::Callers,
    config::Config,
    listen::{self, Listener},
    logs, protocol,
    rpc::TokenService,
    tls::{self, ServerTls},
    undecodable::Undecodable,
};

/// Most bytes of a request message.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// How long the start waits for the store, so that the first calls share already.
const WAIT_FOR_STORE: Duration = Duration::from_secs(1);

/// A server that is bound to its ports and not yet serving.
pub struct Server {
    listener: Listener,
    tls: ServerTls,
    admin: TcpListener,
    health: Arc<connectrpc_health::StaticChecker>,
    engine: Arc<Engine<Transport>>,
    config: Config,
}

impl Server {
    /// Checks the configuration and binds the ports.
    ///
    /// # Errors
    /// Everything that is wrong, in words for the operator.
    pub async fn bind(config: Config) -> Result<Self, String> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        let engine = Arc::new(engine(&config, true)?);
        if !engine.wait_for_store(WAIT_FOR_STORE).await {
            tracing::warn!("the store does not answer; tokens are made without it until it does");
        }
        let by_certificate = config.tls.as_ref().is_some_and(|tls| tls.client_authorities_file.is_some());
        let callers = Callers::new(&config.callers, by_certificate)?;
        let (router, health) = router(TokenService::new(engine.clone(), callers))?;
        let max_deadline = Duration::from_millis(config.limits.max_deadline_ms);
        let service = ConnectRpcService::new(router)
            .with_limits(
                Limits::default()
                    .with_max_message_size(MAX_MESSAGE_BYTES)
                    .with_max_request_body_size(MAX_MESSAGE_BYTES + 1024),
            )
            .with_deadline_policy(DeadlinePolicy::new().with_max(max_deadline))
            .with_interceptor(Undecodable);
        let tls = match &config.tls {
            Some(files) => tls::configured(files)?,
            None => tls::throw_away()?,
        };
        // A connection is a file: the usual soft limit of 1024 is not enough. Where it cannot be raised, less are served.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        let listener = Listener {
            socket: listen::bind(config.listen, "DAYPASS_LISTEN").await?,
            tls: TlsAcceptor::from(tls.config.clone()),
            plaintext: config.plaintext(),
            max_connections: config.max_connections,
            max_deadline,
            service,
        };
        let admin = listen::bind(config.admin_listen, "DAYPASS_ADMIN_LISTEN").await?;
        Ok(Self { listener, tls, admin, health, engine, config })
    }

    /// Where the RPC listens.
    ///
    /// # Errors
    /// Where the socket has no address.
    pub fn address(&self) -> Result<SocketAddr, String> {
        self.listener.socket.local_addr().map_err(|error| error.to_string())
    }

    /// Where the admin port listens.
    ///
    /// # Errors
    /// Where the socket has no address.
    pub fn admin_address(&self) -> Result<SocketAddr, String> {
        self.admin.local_addr().map_err(|error| error.to_string())
    }

    /// The certificate that clients must trust, where the server made its own.
    pub fn authority_file(&self) -> Option<PathBuf> {
        self.tls.authority_file.clone()
    }

    /// Serves until `shutdown`; then health says NOT_SERVING, no connection is accepted, and calls in flight finish.
    ///
    /// # Errors
    /// Where metrics cannot be collected.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), String> {
        let (ready, is_ready) = watch::channel(true);
        let admin = tokio::spawn(admin::serve(self.admin, admin::collect_metrics()?, is_ready, self.engine.clone()));
        let grace = Duration::from_millis(self.config.shutdown_grace_ms);
        let health = self.health;
        let draining = async move {
            shutdown.await;
            tracing::info!("draining");
            health.shutdown();
            let _ = ready.send(false);
        };
        self.listener.serve(draining, grace).await;
        admin.abort();
        self.engine.leave_store().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The engine of a configuration: of a node that keeps tokens for its life, or of a command that
/// ends soon.
///
/// # Errors
/// Where the certificate authorities cannot be read.
pub fn engine(config: &Config, is_node: bool) -> Result<Engine<Transport>, String> {
    let authorities = match &config.egress.authorities_file {
        None => None,
        Some(file) => Some(std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?),
    };
    let settings = config.settings();
    let connect_timeouts = ConnectTimeouts {
        default: Duration::from_millis(config.limits.connect_timeout_ms),
        by_authority: Arc::new(settings.connect_timeouts()),
    };
    let transport = Transport::new(connect_timeouts, authorities.as_deref()).map_err(|error| error.to_string())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store: Arc<dyn Store> = match &config.store.url {
        Some(url) if is_node => {
            Arc::new(FallbackStore::new(url.expose(), clock.clone()).map_err(|error| error.to_string())?)
        }
        Some(url) => Arc::new(RedisStore::new(url.expose()).map_err(|error| error.to_string())?),
        None => Arc::new(MemoryStore::new(clock.clone())),
    };
    Ok(Engine::new(settings, transport, clock, store, config.store.keyring()?))
}

fn router(service: TokenService) -> Result<(Router, Arc<connectrpc_health::StaticChecker>), String> {
    let service = Arc::new(service);
    let router = protocol::ucs::v2::MerchantAuthenticationServiceExt::register(service.clone(), Router::new());
    let router = protocol::types::MerchantAuthenticationServiceExt::register(service, router);
    let reflector = Reflector::from_descriptor_set_bytes(protocol::DESCRIPTORS).map_err(|error| error.to_string())?;
    let router = connectrpc_reflection::install(router, reflector);
    let names = ["ucs.v2.MerchantAuthenticationService", "types.MerchantAuthenticationService"];
    Ok(connectrpc_health::install_static(router, names))
}

/// SIGTERM or SIGINT, heard from the moment of this call. The second one ends the process at once.
pub fn signal() -> impl Future<Output = ()> {
    let mut signals = Signals::listen();
    async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            logs::flush();
            std::process::exit(130);
        });
    }
}

/// Takes SIGHUP, whose default is to end the process at once, from now on. It is the usual signal to
/// read settings again, which the service does not do.
pub fn ignore_hangups() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::warn!("SIGHUP does nothing: settings are read at the start only");
            }
        });
    }
}

/// The signals that end the service.
#[cfg(unix)]
struct Signals([std::io::Result<tokio::signal::unix::Signal>; 2]);
#[cfg(not(unix))]
struct Signals;

impl Signals {
    fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Self([SignalKind::terminate(), SignalKind::interrupt()].map(signal))
        }
        #[cfg(not(unix))]
        Self
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Self([Ok(terminate), Ok(interrupt)]) = self {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}
