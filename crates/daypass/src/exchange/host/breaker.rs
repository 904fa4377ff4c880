//! The circuit breaker of one host: closed, open, half-open. Time is an argument. The host limits
//! use it.

use std::time::Duration;

use tokio::time::Instant;

/// The failure rate is counted over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// With fewer attempts in a window, the breaker stays closed.
pub(super) const MIN_ATTEMPTS: u32 = 20;
/// How long the breaker stays open at first; twice as long after each failed probe.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(5);
/// How long it stays open at most.
const MAX_OPEN_FOR: Duration = Duration::from_secs(40);
/// The wait that is asked of callers while a probe is running.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// The outcome of an attempt for its host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
}

/// The role of an attempt that the breaker admits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    Regular,
    /// The one attempt of a half-open breaker.
    Probe,
}

/// An attempt that the breaker does not admit, and the time until it may.
pub(super) struct Refused(pub Duration);

pub(super) struct Breaker {
    state: State,
    /// When the breaker last closed. Attempts from before say nothing about the host as it is now.
    closed_at: Instant,
}

enum State {
    Closed {
        since: Instant,
        attempts: u32,
        failures: u32,
    },
    Open {
        until: Instant,
        next_open_for: Duration,
    },
    /// One probe is running.
    HalfOpen {
        next_open_for: Duration,
    },
}

impl Breaker {
    pub(super) fn closed(now: Instant) -> Self {
        Self { state: State::Closed { since: now, attempts: 0, failures: 0 }, closed_at: now }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Admits an attempt, or refuses it.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Admitted, Refused> {
        if let State::Open { until, next_open_for } = self.state
            && until <= now
        {
            self.state = State::HalfOpen { next_open_for };
            return Ok(Admitted::Probe);
        }
        self.check(now).map(|()| Admitted::Regular)
    }

    /// Whether an attempt would be admitted, without admitting it.
    pub(super) fn check(&self, now: Instant) -> Result<(), Refused> {
        match self.state {
            State::Open { until, .. } if until > now => Err(Refused(until - now)),
            State::HalfOpen { .. } => Err(Refused(PROBE_TIME)),
            State::Open { .. } | State::Closed { .. } => Ok(()),
        }
    }

    /// Records the outcome of an attempt that started at `since`.
    pub(super) fn record(&mut self, admitted: Admitted, since: Instant, outcome: Outcome, now: Instant) {
        if admitted == Admitted::Probe {
            return self.record_probe(outcome, now);
        }
        if since < self.closed_at {
            return;
        }
        if let State::Closed { since, attempts, failures } = &mut self.state {
            if now.duration_since(*since) > WINDOW {
                (*since, *attempts, *failures) = (now, 0, 0);
            }
            *attempts += 1;
            *failures += u32::from(outcome == Outcome::Failure);
            if *attempts >= MIN_ATTEMPTS && *failures * 2 >= *attempts {
                self.state = State::Open { until: now + OPEN_FOR, next_open_for: OPEN_FOR * 2 };
            }
        }
    }

    /// Forgets a probe without an outcome: the next attempt is the probe.
    pub(super) fn abandon_probe(&mut self, now: Instant) {
        if let State::HalfOpen { next_open_for } = self.state {
            self.state = State::Open { until: now, next_open_for };
        }
    }

    fn record_probe(&mut self, outcome: Outcome, now: Instant) {
        match self.state {
            State::HalfOpen { next_open_for } if outcome == Outcome::Failure => {
                let until = now + next_open_for;
                self.state = State::Open { until, next_open_for: (next_open_for * 2).min(MAX_OPEN_FOR) };
            }
            _ => *self = Self::closed(now),
        }
    }
}
