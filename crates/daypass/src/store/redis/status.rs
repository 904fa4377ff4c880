//! The state of the store, logged once for each change. `link` reports to it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::store::redis::trouble::{StoreState, Trouble};

/// How long the log is silent about a kind of trouble that comes and goes.
const SAME_EVERY: Duration = Duration::from_secs(60);
/// How long the store must take all operations before a partial refusal is over.
const REFUSAL_LASTS: Duration = Duration::from_secs(10);

/// The state, and what the log has told about it.
pub(super) struct Status {
    limit: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    state: StoreState,
    round_trip: Option<Duration>,
    /// The last partial refusal.
    refused_at: Option<Instant>,
    /// The kinds of trouble that were logged, and when.
    logged: Vec<(&'static str, Instant)>,
    /// Whether the log's last word is trouble.
    in_trouble: bool,
}

impl Status {
    /// `limit` is the time limit of an operation.
    pub(super) fn new(limit: Duration) -> Self {
        let inner = Inner {
            state: StoreState::Connecting,
            round_trip: None,
            refused_at: None,
            logged: Vec::new(),
            in_trouble: false,
        };
        Self { limit, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> StoreState {
        let inner = self.inner();
        match (&inner.state, inner.round_trip) {
            (StoreState::Connected(_), Some(round_trip)) => StoreState::Connected(round_trip),
            (StoreState::Slow { limit, .. }, round_trip) => StoreState::Slow { limit: *limit, round_trip },
            (state, _) => state.clone(),
        }
    }

    /// A heartbeat has come back after this time.
    pub(super) fn round_trip(&self, time: Duration) {
        self.inner().round_trip = Some(time);
    }

    /// The store does all operations, as far as its heartbeat shows.
    pub(super) fn healthy(&self) {
        let mut inner = self.inner();
        if inner.refused_at.is_some_and(|at| at.elapsed() < REFUSAL_LASTS) {
            return;
        }
        inner.refused_at = None;
        inner.state = StoreState::Connected(inner.round_trip.unwrap_or_default());
        if std::mem::take(&mut inner.in_trouble) {
            tracing::info!("the store is back");
        }
    }

    /// An operation or a heartbeat has failed.
    pub(super) fn failed(&self, trouble: &Trouble) {
        let mut inner = self.inner();
        let state = match trouble {
            Trouble::Broken(cause) => StoreState::Silent { cause: cause.clone() },
            Trouble::Slow => StoreState::Slow { limit: self.limit, round_trip: inner.round_trip },
            Trouble::Refused(refusal) => {
                metrics::counter!("daypass_store_refusals_total", "code" => refusal.code()).increment(1);
                if refusal.is_partial() {
                    inner.refused_at = Some(Instant::now());
                }
                StoreState::Refused { code: refusal.code(), remedy: refusal.remedy() }
            }
            Trouble::Busy | Trouble::Lost => return,
        };
        let kind = state.name();
        inner.logged.retain(|(_, at)| at.elapsed() < SAME_EVERY);
        let told = inner.logged.iter().any(|(logged, _)| *logged == kind);
        let is_new = inner.state.name() != kind;
        inner.state = state.clone();
        // The second part: the log's last word is that the store is back.
        if told || (!is_new && inner.in_trouble) {
            return;
        }
        inner.logged.push((kind, Instant::now()));
        inner.in_trouble = true;
        drop(inner);
        tell(&state);
    }
}

fn tell(state: &StoreState) {
    match state {
        StoreState::Refused { code: code @ "NOPERM", remedy } => {
            tracing::warn!(code, needs = remedy, "the store refuses; tokens are made without it");
        }
        StoreState::Refused { code, remedy } => {
            tracing::warn!(code, remedy, "the store refuses; tokens are made without it");
        }
        StoreState::Silent { cause } => {
            tracing::warn!(cause, "the store does not answer; tokens are made without it");
        }
        StoreState::Slow { limit, round_trip } => {
            let limit_ms = limit.as_millis();
            let round_trip_ms = round_trip.map(|time| time.as_secs_f64() * 1000.0);
            tracing::warn!(
                limit_ms,
                round_trip_ms,
                "the store is slower than store.operation_timeout_ms; tokens are made without it. Where the way to it is \
                 long, raise that setting to three round trips"
            );
        }
        StoreState::InProcess | StoreState::Connecting | StoreState::Connected(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::trouble::Refusal;

    #[tokio::test(start_paused = true)]
    async fn a_partial_refusal_lasts_until_the_store_takes_everything_for_a_while() {
        let status = Status::new(Duration::from_millis(15));
        status.healthy();
        assert_eq!(status.state().name(), "connected");
        status.failed(&Trouble::Refused(Refusal::OutOfMemory));
        status.healthy();
        assert_eq!(status.state().name(), "OOM");
        tokio::time::advance(REFUSAL_LASTS).await;
        status.healthy();
        assert_eq!(status.state().name(), "connected");
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_comes_and_goes_is_logged_once_a_minute() {
        let status = Status::new(Duration::from_millis(15));
        let logged = |status: &Status| status.inner().logged.len();
        for _ in 0..5 {
            status.failed(&Trouble::Broken("reset".into()));
            status.failed(&Trouble::Slow);
            status.healthy();
        }
        assert_eq!(logged(&status), 2);
        let first = status.inner().logged[0].1;
        tokio::time::advance(SAME_EVERY).await;
        status.failed(&Trouble::Broken("reset".into()));
        assert_eq!(logged(&status), 1);
        assert!(status.inner().logged[0].1 > first);
    }
}
