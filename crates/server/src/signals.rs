//! Signals of the operating system. Used by the commands that run until a signal ends them.

use std::future::Future;

use crate::logs;

/// Exit code after a second signal: 128 and the number of SIGINT, as shells have it.
const TERMINATED: i32 = 130;

/// Completes at SIGTERM or SIGINT, which are caught from the moment of this call. A second signal
/// ends the process at once.
pub(crate) fn shutdown() -> impl Future<Output = ()> {
    let mut signals = Signals::listen();
    async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            logs::flush();
            std::process::exit(TERMINATED);
        });
    }
}

/// Ignores SIGHUP, which ends a process by default. Many services read their settings again at this
/// signal; this service logs that it does not.
pub(crate) fn ignore_hangups() {
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
