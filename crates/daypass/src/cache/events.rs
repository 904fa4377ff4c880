//! The counter of cache events. Every other module of the cache may use it.

use std::sync::OnceLock;

use metrics::Counter;

/// An event of the cache: its service to a caller, or its finding in the store.
#[derive(Clone, Copy)]
pub(super) enum CacheEvent {
    /// A stored token was handed out.
    Hit,
    /// A stored token was handed out for its own reference again.
    Replay,
    /// A new token was made.
    Miss,
    /// The caller received the result of another caller's fetch.
    Coalesced,
    /// A background refresh was started.
    Refresh,
    /// Credentials were refused, because the connector has just rejected them.
    RejectionRemembered,
    /// A stored value could not be opened. The last event: the table of counters ends with it.
    SealedValueRefused,
}

impl CacheEvent {
    const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Replay => "replay",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Refresh => "refresh",
            Self::RejectionRemembered => "rejection_remembered",
            Self::SealedValueRefused => "sealed_value_refused",
        }
    }
}

/// How often each event happened. A counter is looked up at its first event.
#[derive(Default)]
pub(super) struct CacheEvents([OnceLock<Counter>; CacheEvent::SealedValueRefused as usize + 1]);

impl CacheEvents {
    pub(super) fn count(&self, event: CacheEvent) {
        if let Some(counter) = self.0.get(event as usize) {
            let counter =
                counter.get_or_init(|| metrics::counter!("daypass_kept_tokens_total", "event" => event.label()));
            counter.increment(1);
        }
    }
}
