//! Which attempts are made again, and after how long. Only what is safe: a call that never left, and one that does no harm twice.

use std::time::Duration;

use connectors::{Kind, Reply};

use crate::TransportError;

/// Most attempts at one call.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause before the second attempt; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A vendor that wants to be left alone for longer than this is not waited for: the caller is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The pause before another attempt at a call that got this reply; nothing where there must be none.
pub(crate) fn after_reply(reply: &Reply, repeatable: bool, attempt: u32) -> Option<Duration> {
    // Conflict: our own attempt before, whose answer we did not get, is still under way.
    let ours = reply.status == 409 && attempt > 1;
    if !repeatable || attempt >= MAX_ATTEMPTS || !(ours || matches!(reply.status, 429 | 502 | 503 | 504)) {
        return None;
    }
    // RFC 9110 section 10.2.3. A date is not worth its clock here: it is answered, not waited for.
    match reply.header("retry-after") {
        None => Some(pause(attempt)),
        Some(seconds) => {
            let asked = Duration::from_secs(seconds.parse().ok()?);
            (asked <= LONGEST_PAUSE).then(|| asked + pause(attempt))
        }
    }
}

/// The pause before another attempt at a call that got no reply; nothing where there must be none.
pub(crate) fn after_error(error: &TransportError, repeatable: bool, attempt: u32) -> Option<Duration> {
    let safe = error.not_sent || repeatable && error.before_reply;
    (safe && attempt < MAX_ATTEMPTS && error.kind == Kind::Unavailable).then(|| pause(attempt))
}

/// Exponential, with full jitter: anything between nothing and the longest.
fn pause(attempt: u32) -> Duration {
    let mut random = [0; 4];
    let _ = getrandom::fill(&mut random);
    let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1)).min(64);
    longest.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn reply(status: u16, retry_after: Option<&str>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert("retry-after", value.parse().unwrap());
        }
        Reply { status, headers, body: Default::default(), sent_at: connectors::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn only_what_is_safe_and_what_the_vendor_wants() {
        for (status, retry_after, repeatable, attempt, again) in [
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
            (429, Some("1"), true, 1, true),
            (429, Some("7"), true, 1, false),
            (503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), true, 1, false),
        ] {
            let pause = after_reply(&reply(status, retry_after), repeatable, attempt);
            assert_eq!(pause.is_some(), again, "{status} {retry_after:?} {repeatable} {attempt}");
        }
        assert!(after_reply(&reply(429, Some("1")), true, 1).unwrap() >= Duration::from_secs(1));
    }
}
