//! Times in requests and answers, for all fakes. Times are Unix seconds.

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

/// The tolerance for a signed time, taken as five minutes: vendors write "a few minutes".
const SKEW_SECONDS: u64 = 300;

/// A time to write: its text is of RFC 3339, in UTC.
pub(crate) fn timestamp(unix_seconds: i64) -> Timestamp {
    Timestamp::from_second(unix_seconds).unwrap_or_default()
}

/// Whether a signed time is within the tolerance of the vendor's clock.
pub(crate) fn is_fresh(signed_at: i64, now: i64) -> bool {
    signed_at.abs_diff(now) <= SKEW_SECONDS
}

/// The Unix seconds of an HTTP date (RFC 9110 section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let parsed = DateTimeParser::new().parse_timestamp(text).ok()?;
    text.ends_with(" GMT").then(|| parsed.as_second())
}
