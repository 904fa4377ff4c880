//! The choice of the attempts to repeat, and of the pause before each. Only a safe attempt is
//! repeated: of a call that was not sent, or that the connector's step function declares
//! repeatable.

use std::time::Duration;

use connectors::Reply;

use crate::{
    exchange::transport::{Connection, NotSent, TransportError},
    random,
};

/// Most attempts at one call.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause before the second attempt; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest wait that a connector can ask for. A longer one goes into the error.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One attempt at a call.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    /// The first attempt has the number 1.
    pub number: u32,
    /// Whether sending the call twice does no harm.
    pub repeatable: bool,
}

impl Attempt {
    /// The pause before another attempt, after this reply. `None` where there must be none.
    pub(super) fn pause_after_reply(self, reply: &Reply) -> Option<Duration> {
        // 409 after the first attempt: the connector still works on an attempt whose reply was
        // lost.
        let still_working = reply.status == 409 && self.number > 1;
        if !self.repeatable || !(still_working || matches!(reply.status, 429 | 502 | 503 | 504)) {
            return None;
        }
        let wait = match reply.retry_after() {
            Some(wait) => wait,
            // A date needs the connector's clock: the call fails at once.
            None if reply.asks_to_wait() => return None,
            None => Duration::ZERO,
        };
        if wait <= LONGEST_WAIT { self.pause().map(|pause| wait + pause) } else { None }
    }

    /// The pause before another attempt, after an attempt without a reply. `None` where there must
    /// be none.
    pub(super) fn pause_after_error(self, error: &TransportError) -> Option<Duration> {
        match error {
            TransportError::NotSent(NotSent::NoConnection(fault)) if fault.may_pass() => self.pause(),
            TransportError::Broken(Connection::BeforeReply) if self.repeatable => self.pause(),
            TransportError::NotSent(_)
            | TransportError::Broken(_)
            | TransportError::TimedOut
            | TransportError::BadReply(_) => None,
        }
    }

    /// Exponential backoff with full jitter: any time up to the longest. `None` after the last
    /// attempt.
    fn pause(self) -> Option<Duration> {
        if self.number >= MAX_ATTEMPTS {
            return None;
        }
        let longest = FIRST_PAUSE * 2_u32.saturating_pow(self.number.saturating_sub(1)).min(64);
        Some(longest.mul_f64(f64::from(u32::from_le_bytes(random::bytes())) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};

    fn reply(status: u16, header: Option<(&'static str, &str)>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        Reply { status, headers, body: Default::default(), sent_at: connectors::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn only_safe_attempts_are_repeated_and_only_after_a_short_wait() {
        for (status, header, repeatable, number, again) in [
            (503, None, true, 1, true),
            (502, None, true, 2, true),
            (504, None, true, 3, false),
            (503, None, false, 1, false),
            (500, None, true, 1, false),
            (400, None, true, 1, false),
            (409, None, true, 1, false),
            (409, None, true, 2, true),
            (409, None, false, 2, false),
            (200, None, true, 1, false),
            (429, None, true, 1, true),
            (429, None, false, 1, false),
            (429, Some(("retry-after", "1")), true, 1, true),
            (429, Some(("retry-after", "7")), true, 1, false),
            (429, Some(("x-ratelimit-retry", "1")), true, 1, true),
            (429, Some(("x-ratelimit-retry", "9")), true, 1, false),
            (503, Some(("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")), true, 1, false),
        ] {
            let pause = Attempt { number, repeatable }.pause_after_reply(&reply(status, header));
            assert_eq!(pause.is_some(), again, "{status} {header:?} {repeatable} {number}");
        }
        let first = Attempt { number: 1, repeatable: true };
        assert!(first.pause_after_reply(&reply(429, Some(("retry-after", "1")))).unwrap() >= Duration::from_secs(1));
    }
}
