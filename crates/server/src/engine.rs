//! Builds the engine of a configuration. Used by `server` and by the commands that make one call.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use daypass::{Clock, Egress, Engine, FallbackStore, MemoryStore, RedisStore, Store, SystemClock, Transport};

use crate::{
    config::{Config, ConfigError},
    telemetry::spans,
};

/// The kind of process that the engine runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// A node: it keeps tokens in memory too, and works while a shared store is down.
    Node,
    /// A command that ends after one call.
    Command,
}

/// The configuration makes no engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The file of certificate authorities cannot be read.
    #[error("{}: {source}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The transport refuses the certificate authorities.
    #[error("{0}")]
    Transport(String),
    /// The way to the store cannot be used.
    #[error("{0}")]
    Store(String),
    /// The store has no usable key.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The engine of a configuration.
///
/// # Errors
/// The certificate authorities, the store's URL or its key cannot be used.
pub(crate) fn build(config: &Config, process: Process) -> Result<Engine<Transport>, EngineError> {
    let authorities = authorities(config)?;
    let settings = config.settings();
    let proxy = config.egress.proxy()?;
    if let (Some((_, place)), Process::Node) = (&proxy, process) {
        tracing::info!("calls to connectors go through the proxy of {place}");
    }
    let trace_context = config.egress.send_trace_context.then_some(spans::header as fn() -> _);
    let egress = Egress {
        connect: settings.connect(),
        proxy: proxy.map(|(proxy, _)| proxy),
        trace_context,
        max_idle_per_host: Some(settings.limits.max_calls_per_host),
    };
    let transport =
        Transport::new(egress, authorities.as_deref()).map_err(|error| EngineError::Transport(error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = store(config, process, &clock)?;
    Ok(Engine::new(settings, transport, clock, store, config.store.keyring()?))
}

/// The authorities that are trusted besides the public ones.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn authorities(config: &Config) -> Result<Option<Vec<u8>>, EngineError> {
    let file = config.egress.authorities_file.as_ref();
    file.map(|file| std::fs::read(file).map_err(|source| EngineError::Authorities { file: file.clone(), source }))
        .transpose()
}

fn store(config: &Config, process: Process, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, EngineError> {
    let Some(access) = config.store.access()? else {
        return Ok(Arc::new(MemoryStore::of_mib(config.store.memory_mib, clock.clone())));
    };
    let store_timeout = Duration::from_millis(config.store.operation_timeout_ms);
    let refused = |error: daypass::OpenError| EngineError::Store(error.to_string());
    Ok(match process {
        Process::Node => Arc::new(FallbackStore::new(access, store_timeout, clock.clone()).map_err(refused)?),
        Process::Command => Arc::new(RedisStore::new(access, store_timeout).map_err(refused)?),
    })
}
