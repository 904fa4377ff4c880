//! Messages to the supervisor of the process, as systemd's `Type=notify-reload` wants them
//! (sd_notify(3)). Without a supervisor they go nowhere. Used by `server` and `reload`.

use sd_notify::NotifyState;

/// The service takes calls.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The service reads its configuration again. [`ready`] ends this state.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The service ends.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the supervisor cannot be told the state of the service");
    }
}
