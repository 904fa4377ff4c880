//! The retry budget of one host: retries stay a fixed share of its calls, so that they do not add
//! load to a host in trouble. The host limits use it.

/// Retries per call, in hundredths.
const RETRY_PERCENT: i64 = 20;
/// Most retries that can be saved up, in hundredths.
const MAX_SAVED: i64 = 2_000;
/// Retries that a host gets in advance: enough for its first call.
pub(super) const ADVANCE: u32 = 2;

pub(super) struct RetryBudget {
    /// In hundredths of a retry; negative until the advance is paid back.
    saved: i64,
    advance: u32,
}

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self { saved: 0, advance: ADVANCE }
    }

    /// Counts a call. All of its attempts count once.
    pub(super) fn count_call(&mut self) {
        self.saved = (self.saved + RETRY_PERCENT).min(MAX_SAVED);
    }

    /// Spends one retry; returns whether there was one.
    pub(super) fn spend(&mut self) -> bool {
        if self.advance > 0 {
            self.advance -= 1;
        } else if self.saved < 100 {
            return false;
        }
        self.saved -= 100;
        true
    }
}
