//! The limits of each connector host: how many calls run at a time and how many wait, a circuit
//! breaker and a retry budget. Trouble at one host does not affect another. The exchange uses it
//! for each attempt.

pub(crate) mod breaker;
mod retry_budget;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use connectors::{Error, Kind};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::exchange::host::{
    breaker::{Admitted, Breaker, Outcome, Refused},
    retry_budget::RetryBudget,
};

/// A call waits for a permit for this part of its time at most; the rest is for the connector.
const WAITING_SHARE: u32 = 2;
/// More hosts than there are. Only labels that callers choose can bring so many.
const MAX_HOSTS: usize = 10_000;
/// The weight of the past in the running mean of the latency, in attempts.
const MEAN_WEIGHT: u32 = 8;

/// The limits of all hosts.
pub(crate) struct Hosts {
    limits: Mutex<HashMap<(&'static str, String), Arc<HostLimits>>>,
    max_calls: usize,
    max_waiting: usize,
}

/// The limits of one connector's host.
pub(crate) struct HostLimits {
    connector: &'static str,
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    max_calls: usize,
    max_waiting: usize,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    budget: RetryBudget,
    /// The running mean of the time that an attempt takes.
    mean_latency: Duration,
}

/// The permit for one attempt. Dropped without an outcome, it counts as neither success nor
/// failure.
pub(crate) struct Permit {
    host: Arc<HostLimits>,
    _permit: OwnedSemaphorePermit,
    since: Instant,
    admitted: Admitted,
    recorded: bool,
}

impl Hosts {
    /// Limits that let so many calls to one host run at a time, and so many wait.
    pub(super) fn new(max_calls: usize, max_waiting: usize) -> Self {
        Self { limits: Mutex::default(), max_calls, max_waiting }
    }

    /// The limits of a connector's host.
    pub(super) fn limits_of(&self, connector: &'static str, authority: &str) -> Arc<HostLimits> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        // A label in a host name may be the caller's: it must not fill the map. A host in trouble
        // stays in the map.
        if limits.len() >= MAX_HOSTS {
            limits.retain(|_, host| Arc::strong_count(host) > 1 || !host.state().breaker.is_closed());
        }
        let new = || Arc::new(HostLimits::new(connector, self.max_calls, self.max_waiting));
        limits.entry((connector, authority.to_owned())).or_insert_with(new).clone()
    }
}

impl HostLimits {
    fn new(connector: &'static str, max_calls: usize, max_waiting: usize) -> Self {
        Self {
            connector,
            permits: Arc::new(Semaphore::new(max_calls)),
            queue: Arc::new(Semaphore::new(max_waiting)),
            max_calls,
            max_waiting,
            state: Mutex::new(State {
                breaker: Breaker::closed(Instant::now()),
                budget: RetryBudget::new(),
                mean_latency: Duration::ZERO,
            }),
        }
    }

    /// Acquires a permit. It waits where the queue has room and the wait leaves the connector
    /// enough time.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] while the breaker is open, [`Kind::Overloaded`] where no permit can be
    /// or was acquired in time.
    pub(super) async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Permit, Error> {
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(deadline).await?,
        };
        let admitted = self.state().breaker.admit(Instant::now()).map_err(open)?;
        Ok(Permit { host: self.clone(), _permit: permit, since: Instant::now(), admitted, recorded: false })
    }

    async fn wait(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let now = Instant::now();
        let longest = deadline.saturating_duration_since(now) / WAITING_SHARE;
        let mean_latency = {
            let state = self.state();
            // An open breaker refuses the call now, not after the wait.
            state.breaker.check(now).map_err(open)?;
            state.mean_latency
        };
        let ahead = self.max_waiting.saturating_sub(self.queue.available_permits());
        #[expect(clippy::cast_precision_loss, reason = "an estimate, of small numbers")]
        let wait = mean_latency.mul_f64(ahead as f64 / self.max_calls.max(1) as f64);
        if wait > longest {
            return Err(overloaded(wait));
        }
        let _in_queue = self.queue.clone().try_acquire_owned().map_err(|_| overloaded(wait))?;
        match timeout_at(now + longest, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(overloaded(wait)),
        }
    }

    /// Counts a call for the retry budget, once for all of its attempts.
    pub(super) fn count_call(&self) {
        self.state().budget.count_call();
    }

    /// Spends one retry of the budget; returns whether there was one.
    pub(super) fn spend_retry(&self) -> bool {
        self.state().budget.spend()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records the outcome of the attempt.
    pub(super) fn record(mut self, outcome: Outcome) {
        self.recorded = true;
        let now = Instant::now();
        let mut state = self.host.state();
        let took = now.duration_since(self.since);
        state.mean_latency = (state.mean_latency * (MEAN_WEIGHT - 1) + took) / MEAN_WEIGHT;
        let was_closed = state.breaker.is_closed();
        state.breaker.record(self.admitted, self.since, outcome, now);
        let (connector, is_closed) = (self.host.connector, state.breaker.is_closed());
        drop(state);
        if was_closed != is_closed {
            let change = if is_closed { -1.0 } else { 1.0 };
            metrics::gauge!("daypass_breakers_open", "connector" => connector).increment(change);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.admitted == Admitted::Probe && !self.recorded {
            self.host.state().breaker.abandon_probe(Instant::now());
        }
    }
}

fn open(Refused(left): Refused) -> Error {
    Error {
        retry_after: Some(left),
        ..Error::new(Kind::Unavailable, "the connector has been failing; no call is made until it is tried again")
    }
}

fn overloaded(wait: Duration) -> Error {
    Error {
        retry_after: Some(wait.max(Duration::from_secs(1))),
        ..Error::new(Kind::Overloaded, "too many calls to this connector are under way")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        breaker::{MIN_ATTEMPTS, OPEN_FOR},
        retry_budget::ADVANCE,
        *,
    };

    async fn attempt(host: &Arc<HostLimits>, outcome: Outcome) -> Result<(), Error> {
        let permit = host.acquire(Instant::now() + Duration::from_secs(1)).await?;
        host.count_call();
        permit.record(outcome);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_host_gets_no_call_but_one_probe() {
        let hosts = Hosts::new(10, 10);
        let (sick, healthy) = (hosts.limits_of("x", "sick"), hosts.limits_of("x", "healthy"));
        for _ in 0..MIN_ATTEMPTS {
            attempt(&sick, Outcome::Failure).await.unwrap();
            attempt(&healthy, Outcome::Success).await.unwrap();
        }
        let refused = attempt(&sick, Outcome::Success).await.unwrap_err();
        assert_eq!((refused.kind, refused.retry_after), (Kind::Unavailable, Some(OPEN_FOR)));
        attempt(&healthy, Outcome::Success).await.unwrap();

        tokio::time::advance(OPEN_FOR).await;
        let probe = sick.acquire(Instant::now() + Duration::from_secs(1)).await.unwrap();
        assert!(attempt(&sick, Outcome::Success).await.is_err(), "one probe at a time");
        probe.record(Outcome::Failure);
        tokio::time::advance(OPEN_FOR).await;
        assert!(attempt(&sick, Outcome::Success).await.is_err(), "twice as long after a failed probe");
        tokio::time::advance(OPEN_FOR).await;
        drop(sick.acquire(Instant::now() + Duration::from_secs(1)).await.unwrap());
        attempt(&sick, Outcome::Success).await.expect("after an abandoned probe the next attempt is the probe");
        attempt(&sick, Outcome::Success).await.expect("closed again");
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_calls_may_fail_before_it_opens() {
        let host = Hosts::new(10, 10).limits_of("x", "host");
        for nth in 0..200 {
            attempt(&host, if nth % 5 < 3 { Outcome::Success } else { Outcome::Failure }).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn permits_and_the_queue_are_bounded() {
        let host = Hosts::new(1, 1).limits_of("x", "host");
        let soon = || Instant::now() + Duration::from_millis(100);
        let held = host.acquire(soon()).await.unwrap();
        let waiting = tokio::spawn({
            let host = host.clone();
            async move { host.acquire(soon()).await.map(drop).map_err(|error| error.kind) }
        });
        tokio::task::yield_now().await;
        assert_eq!(host.acquire(soon()).await.err().map(|error| error.kind), Some(Kind::Overloaded));
        let began = Instant::now();
        assert_eq!(waiting.await.unwrap(), Err(Kind::Overloaded), "our limit, not the connector's fault");
        assert!(began.elapsed() <= Duration::from_millis(51), "half of the time is for the connector");
        drop(held);
        assert!(host.acquire(soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_does_not_wait_where_the_wait_would_be_too_long() {
        let host = Hosts::new(1, 100).limits_of("x", "host");
        let until = |seconds| Instant::now() + Duration::from_secs(seconds);
        for _ in 0..50 {
            let permit = host.acquire(until(10)).await.unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
            permit.record(Outcome::Success);
        }
        let _held = host.acquire(until(10)).await.unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let host = host.clone();
                tokio::spawn(async move { host.acquire(until(100)).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        let refused = host.acquire(until(8)).await.err().unwrap();
        assert_eq!((refused.kind, began.elapsed()), (Kind::Overloaded, Duration::ZERO));
        assert!(refused.retry_after > Some(Duration::from_secs(4)), "{refused:?}");
        waiting.into_iter().for_each(|waiting| waiting.abort());
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_from_before_the_breaker_closed_do_not_open_it() {
        let host = Hosts::new(100, 0).limits_of("x", "host");
        let mut old = Vec::new();
        for _ in 0..40 {
            old.push(host.acquire(Instant::now()).await.unwrap());
        }
        for permit in old.drain(..20) {
            permit.record(Outcome::Failure);
        }
        assert!(attempt(&host, Outcome::Success).await.is_err(), "open");
        tokio::time::advance(OPEN_FOR).await;
        attempt(&host, Outcome::Success).await.expect("the probe");
        for permit in old {
            permit.record(Outcome::Failure);
        }
        attempt(&host, Outcome::Success).await.expect("still closed");
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_refuses_at_once_though_all_permits_are_taken() {
        let host = Hosts::new(20, 10).limits_of("x", "host");
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(host.acquire(Instant::now()).await.unwrap());
        }
        held.into_iter().for_each(|permit| permit.record(Outcome::Failure));
        host.permits.forget_permits(20);
        let began = Instant::now();
        let refused = host.acquire(began + Duration::from_secs(10)).await.err().unwrap();
        assert_eq!((refused.kind, began.elapsed()), (Kind::Unavailable, Duration::ZERO));
    }

    #[tokio::test]
    async fn retries_stay_within_a_fifth_of_the_calls() {
        let host = Hosts::new(10, 10).limits_of("x", "host");
        let mut retries = 0;
        for calls in 1..=1000_u32 {
            drop(host.acquire(Instant::now() + Duration::from_secs(1)).await.unwrap());
            host.count_call();
            retries += u32::from(host.spend_retry()) + u32::from(host.spend_retry());
            assert!(retries <= ADVANCE.max(calls / 5), "{retries} retries of {calls} calls");
        }
        assert_eq!(retries, 200);
    }
}
