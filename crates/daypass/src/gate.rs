//! What stands before each vendor's host: a bound on calls at a time, a breaker for a host in trouble, a budget for retries. One
//! host's trouble stays its own.

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

/// Calls are counted over this long.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer calls than this in a window say nothing.
const ENOUGH_CALLS: u32 = 20;
/// How long a breaker stays open at first; twice as long after each failed probe.
const OPEN_FOR: Duration = Duration::from_secs(5);
/// How long it stays open at most.
const OPEN_FOR_AT_MOST: Duration = Duration::from_secs(40);
/// Retries per call, in hundredths.
const RETRY_PERCENT: i64 = 20;
/// Retries that may be saved up, in hundredths.
const SAVED_AT_MOST: i64 = 2_000;
/// Retries that a host gets on credit at the very start: one call's worth.
const ON_CREDIT: u32 = 2;
/// A call waits for a place for this part of its time at most: the rest is for the vendor.
const WAITING_SHARE: u32 = 2;
/// More hosts than there are; only labels that callers choose can bring so many.
const MAX_GATES: usize = 10_000;
/// An attempt counts this much in the running mean of how long attempts take.
const MEAN_WEIGHT: u32 = 8;

/// The gates of all hosts.
pub(crate) struct Gates {
    gates: Mutex<HashMap<(&'static str, String), Arc<Gate>>>,
    at_a_time: usize,
    waiting: usize,
}

/// The gate of one connector's host.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    at_a_time: usize,
    waiting: usize,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    /// In hundredths of a retry; negative while the credit of the start is not paid back.
    budget: i64,
    credit: u32,
    /// How long an attempt takes, as a running mean.
    usual: Duration,
    /// When the breaker last closed: attempts from before tell nothing about the host as it is now.
    closed_at: Instant,
}

enum Breaker {
    Closed {
        since: Instant,
        calls: u32,
        failures: u32,
    },
    Open {
        until: Instant,
        again_for: Duration,
    },
    /// One probe is under way.
    HalfOpen {
        again_for: Duration,
    },
}

/// The right to make one attempt. Dropped without a verdict, it counts as neither good nor bad.
pub(crate) struct Admission {
    gate: Arc<Gate>,
    _place: OwnedSemaphorePermit,
    since: Instant,
    probe: bool,
    judged: bool,
}

impl Gates {
    /// Gates that let so many calls to one host through at a time, and as many wait.
    pub fn new(at_a_time: usize, waiting: usize) -> Self {
        Self { gates: Mutex::default(), at_a_time, waiting }
    }

    /// The gate of a connector's host.
    pub fn of(&self, connector: &'static str, authority: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Gate {
                places: Arc::new(Semaphore::new(self.at_a_time)),
                queue: Arc::new(Semaphore::new(self.waiting)),
                at_a_time: self.at_a_time,
                waiting: self.waiting,
                state: Mutex::new(State {
                    breaker: Breaker::Closed { since: Instant::now(), calls: 0, failures: 0 },
                    budget: 0,
                    credit: ON_CREDIT,
                    usual: Duration::ZERO,
                    closed_at: Instant::now(),
                }),
            })
        };
        // Hosts come from the registry and the configuration; a label that callers choose must not fill the map. Nor may it
        // make us forget of another host that it is in trouble.
        if gates.len() >= MAX_GATES {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.state().is_closed());
        }
        gates.entry((connector, authority.to_owned())).or_insert_with(new).clone()
    }
}

impl Gate {
    /// Waits for a place, if there is room to wait and the wait would leave the vendor enough time.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] while the breaker is open, [`Kind::Overloaded`] where waiting is or was in vain.
    pub async fn enter(self: &Arc<Self>, deadline: Instant) -> Result<Admission, Error> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.wait(deadline).await?,
        };
        let probe = self.state().admit()?;
        Ok(Admission { gate: self.clone(), _place: place, since: Instant::now(), probe, judged: false })
    }

    async fn wait(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let now = Instant::now();
        let patience = deadline.saturating_duration_since(now) / WAITING_SHARE;
        let usual = {
            let state = self.state();
            // Who would find it open need not wait for that.
            state.refuse_if_open()?;
            state.usual
        };
        let ahead = self.waiting.saturating_sub(self.queue.available_permits());
        #[expect(clippy::cast_precision_loss, reason = "an estimate, of small numbers")]
        let wait = usual.mul_f64(ahead as f64 / self.at_a_time.max(1) as f64);
        if wait > patience {
            return Err(overloaded(wait));
        }
        let _room = self.queue.clone().try_acquire_owned().map_err(|_| overloaded(wait))?;
        match timeout_at(now + patience, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(overloaded(wait)),
        }
    }

    /// Whether one more attempt is within the host's budget; it is spent if so.
    pub fn may_retry(&self) -> bool {
        let mut state = self.state();
        if state.credit > 0 {
            state.credit -= 1;
        } else if state.budget < 100 {
            return false;
        }
        state.budget -= 100;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_closed(&self) -> bool {
        matches!(self.breaker, Breaker::Closed { .. })
    }

    /// Whether an attempt may be made now; whether it is the probe.
    fn admit(&mut self) -> Result<bool, Error> {
        let now = Instant::now();
        match self.breaker {
            Breaker::Open { until, again_for } if until <= now => {
                self.breaker = Breaker::HalfOpen { again_for };
                Ok(true)
            }
            _ => self.refuse_if_open().map(|()| false),
        }
    }

    fn refuse_if_open(&self) -> Result<(), Error> {
        let now = Instant::now();
        match self.breaker {
            Breaker::Open { until, .. } if until > now => Err(open(until - now)),
            Breaker::HalfOpen { .. } => Err(open(Duration::from_secs(1))),
            _ => Ok(()),
        }
    }

    fn judge(&mut self, probe: bool, since: Instant, good: bool) {
        let now = Instant::now();
        self.usual = (self.usual * (MEAN_WEIGHT - 1) + now.duration_since(since)) / MEAN_WEIGHT;
        if probe {
            self.breaker = match self.breaker {
                Breaker::HalfOpen { again_for } if !good => {
                    Breaker::Open { until: now + again_for, again_for: (again_for * 2).min(OPEN_FOR_AT_MOST) }
                }
                _ => {
                    self.closed_at = now;
                    Breaker::Closed { since: now, calls: 0, failures: 0 }
                }
            };
            return;
        }
        if since < self.closed_at {
            return;
        }
        if let Breaker::Closed { since, calls, failures } = &mut self.breaker {
            if now.duration_since(*since) > WINDOW {
                (*since, *calls, *failures) = (now, 0, 0);
            }
            *calls += 1;
            *failures += u32::from(!good);
            if *calls >= ENOUGH_CALLS && *failures * 2 >= *calls {
                self.breaker = Breaker::Open { until: now + OPEN_FOR, again_for: OPEN_FOR * 2 };
            }
        }
    }
}

impl Admission {
    /// Counts a call, once for all of its attempts: what retries are measured by.
    pub fn first_attempt(&self) {
        let mut state = self.gate.state();
        state.budget = (state.budget + RETRY_PERCENT).min(SAVED_AT_MOST);
    }

    /// Says how the attempt went.
    pub fn judge(mut self, good: bool) {
        self.judged = true;
        self.gate.state().judge(self.probe, self.since, good);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // A probe that nobody waited for has told nothing: the next call is the probe.
        if self.probe && !self.judged {
            let mut state = self.gate.state();
            if let Breaker::HalfOpen { again_for } = state.breaker {
                state.breaker = Breaker::Open { until: Instant::now(), again_for };
            }
        }
    }
}

fn open(left: Duration) -> Error {
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
    use super::*;

    async fn attempt(gate: &Arc<Gate>, good: bool) -> Result<(), Error> {
        let admission = gate.enter(Instant::now() + Duration::from_secs(1)).await?;
        admission.first_attempt();
        admission.judge(good);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_host_is_left_alone_and_probed_once() {
        let gates = Gates::new(10, 10);
        let (sick, healthy) = (gates.of("x", "sick"), gates.of("x", "healthy"));
        for _ in 0..ENOUGH_CALLS {
            attempt(&sick, false).await.unwrap();
            attempt(&healthy, true).await.unwrap();
        }
        let refused = attempt(&sick, true).await.unwrap_err();
        assert_eq!((refused.kind, refused.retry_after), (Kind::Unavailable, Some(OPEN_FOR)));
        attempt(&healthy, true).await.unwrap();

        tokio::time::advance(OPEN_FOR).await;
        let probe = sick.enter(Instant::now() + Duration::from_secs(1)).await.unwrap();
        assert!(attempt(&sick, true).await.is_err(), "one probe at a time");
        probe.judge(false);
        tokio::time::advance(OPEN_FOR).await;
        assert!(attempt(&sick, true).await.is_err(), "twice as long after a failed probe");
        tokio::time::advance(OPEN_FOR).await;
        drop(sick.enter(Instant::now() + Duration::from_secs(1)).await.unwrap());
        attempt(&sick, true).await.expect("an abandoned probe leaves the place to the next");
        attempt(&sick, true).await.expect("closed again");
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_calls_may_fail_before_it_opens() {
        let gate = Gates::new(10, 10).of("x", "host");
        for nth in 0..200 {
            attempt(&gate, nth % 5 < 3).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_and_the_queue_are_bounded() {
        let gate = Gates::new(1, 1).of("x", "host");
        let soon = || Instant::now() + Duration::from_millis(100);
        let held = gate.enter(soon()).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(soon()).await.map(drop).map_err(|error| error.kind) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.enter(soon()).await.err().map(|error| error.kind), Some(Kind::Overloaded));
        let began = Instant::now();
        assert_eq!(waiting.await.unwrap(), Err(Kind::Overloaded), "that is our fault, not the vendor's");
        assert!(began.elapsed() <= Duration::from_millis(51), "half of the time is for the vendor");
        drop(held);
        assert!(gate.enter(soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_waiting_would_be_in_vain() {
        let gate = Gates::new(1, 100).of("x", "host");
        let until = |seconds| Instant::now() + Duration::from_secs(seconds);
        for _ in 0..50 {
            let admission = gate.enter(until(10)).await.unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
            admission.judge(true);
        }
        let _held = gate.enter(until(10)).await.unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.enter(until(100)).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        let refused = gate.enter(until(8)).await.err().unwrap();
        assert_eq!((refused.kind, began.elapsed()), (Kind::Overloaded, Duration::ZERO));
        assert!(refused.retry_after > Some(Duration::from_secs(4)), "{refused:?}");
        waiting.into_iter().for_each(|waiting| waiting.abort());
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_from_before_it_closed_do_not_open_it_again() {
        let gate = Gates::new(100, 0).of("x", "host");
        let mut old = Vec::new();
        for _ in 0..40 {
            old.push(gate.enter(Instant::now()).await.unwrap());
        }
        for admission in old.drain(..20) {
            admission.judge(false);
        }
        assert!(attempt(&gate, true).await.is_err(), "open");
        tokio::time::advance(OPEN_FOR).await;
        attempt(&gate, true).await.expect("the probe");
        for admission in old {
            admission.judge(false);
        }
        attempt(&gate, true).await.expect("still closed");
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_refuses_at_once_though_all_places_are_taken() {
        let gate = Gates::new(20, 10).of("x", "host");
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(gate.enter(Instant::now()).await.unwrap());
        }
        held.into_iter().for_each(|admission| admission.judge(false));
        gate.places.forget_permits(20);
        let began = Instant::now();
        let refused = gate.enter(began + Duration::from_secs(10)).await.err().unwrap();
        assert_eq!((refused.kind, began.elapsed()), (Kind::Unavailable, Duration::ZERO));
    }

    #[tokio::test]
    async fn retries_stay_within_a_fifth_of_the_calls() {
        let gate = Gates::new(10, 10).of("x", "host");
        let mut retries = 0;
        for calls in 1..=1000_u32 {
            gate.enter(Instant::now() + Duration::from_secs(1)).await.unwrap().first_attempt();
            retries += u32::from(gate.may_retry()) + u32::from(gate.may_retry());
            assert!(retries <= ON_CREDIT.max(calls / 5), "{retries} retries of {calls} calls");
        }
        assert_eq!(retries, 200);
    }
}
