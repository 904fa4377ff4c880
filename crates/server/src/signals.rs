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

/// SIGHUP, which asks the service to read its configuration again.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: std::io::Result<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Catches the signal from now on; without this it ends the process.
    pub(crate) fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()),
        }
    }

    /// Completes at the next signal.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Ok(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
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
