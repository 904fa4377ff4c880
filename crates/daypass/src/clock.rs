//! The wall clock and the monotonic clock of the engine, and a clock for tests. The cache, the
//! exchange and the memory store read time only from here.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use connectors::Timestamp;

/// The source of time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may be wrong, and it may be set forwards or backwards at any moment.
    fn now(&self) -> Timestamp;

    /// Time since some moment in the past. It never goes backwards.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Clocks that stand still until they are moved, for tests.
#[derive(Default)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    elapsed_ms: AtomicI64,
}

impl ManualClock {
    /// A clock whose wall clock shows this moment, in milliseconds of the Unix epoch.
    pub fn at_ms(milliseconds: i64) -> Self {
        Self { wall_ms: AtomicI64::new(milliseconds), elapsed_ms: AtomicI64::new(0) }
    }

    /// Moves both clocks forwards.
    pub fn pass_ms(&self, milliseconds: u32) {
        self.wall_ms.fetch_add(i64::from(milliseconds), Ordering::SeqCst);
        self.elapsed_ms.fetch_add(i64::from(milliseconds), Ordering::SeqCst);
    }

    /// Moves the wall clock only, forwards or backwards.
    pub fn step_ms(&self, milliseconds: i64) {
        self.wall_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall_ms.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.elapsed_ms.load(Ordering::SeqCst)).unwrap_or_default())
    }
}
