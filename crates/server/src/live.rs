//! The parts of the server that change while it runs: made from one configuration, replaced
//! together. A new part that a reload replaces belongs here. Uses the engine, `auth`, `tls` and
//! `logs`. Used by `server`, which hands the parts to `rpc` and `listen`, and by `reload`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use daypass::{Engine, Transport};
use rustls::ServerConfig;

use crate::{
    auth::{
        Authenticator, CallerError,
        tokens::{IssuerError, TokenIssuers},
    },
    config::Config,
    logs::{self, LogError},
    tls::{self, ServerTls, TlsError},
};

/// The parts. Each is read once at the start of a call or of a connection, which keeps it.
pub(crate) struct Live {
    /// Has the limits, the policy and the settings of connectors.
    pub engine: Arc<Engine<Transport>>,
    /// Knows the callers.
    pub authenticator: Arc<ArcSwap<Authenticator>>,
    /// Know the keys of identity providers. They stay the same while the server runs.
    pub issuers: Arc<TokenIssuers>,
    /// Has the certificate.
    pub tls: Arc<ArcSwap<ServerConfig>>,
}

/// A configuration from which the parts cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    /// The callers cannot be used.
    #[error(transparent)]
    Callers(#[from] CallerError),
    /// An identity provider cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuerError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The log filter cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Live {
    /// The parts of this configuration, and the files that go with its certificate.
    ///
    /// # Errors
    /// A part cannot be made.
    pub(crate) fn new(config: &Config, engine: Arc<Engine<Transport>>) -> Result<(Self, ServerTls), LiveError> {
        let issuers = Arc::new(TokenIssuers::new(&config.token_issuers)?);
        let authenticator = Authenticator::new(&config.callers, config.client_certificates(), issuers.clone())?;
        let tls = match &config.tls {
            Some(files) => tls::from_files(files)?,
            None => tls::self_made()?,
        };
        let live = Self {
            engine,
            authenticator: Arc::new(ArcSwap::from_pointee(authenticator)),
            issuers,
            tls: Arc::new(ArcSwap::new(tls.config.clone())),
        };
        Ok((live, tls))
    }

    /// Replaces all parts, or none. Calls and connections that have begun keep theirs.
    ///
    /// # Errors
    /// A part cannot be made.
    pub(crate) fn replace(&self, config: &Config) -> Result<(), LiveError> {
        let authenticator = Authenticator::new(&config.callers, config.client_certificates(), self.issuers.clone())?;
        let tls = config.tls.as_ref().map(tls::from_files).transpose()?;
        logs::set_filter(&config.log)?;
        // Nothing below can fail.
        self.engine.replace_settings(config.settings());
        self.authenticator.store(Arc::new(authenticator));
        if let Some(tls) = tls {
            tls.report_expiry();
            self.tls.store(tls.config);
        }
        Ok(())
    }
}
