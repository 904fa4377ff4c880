//! Hashes, and times in signatures, for the fakes that check signatures as their vendors do.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The tolerance for a signed time, taken as five minutes: vendors write "a few minutes".
const SKEW_SECONDS: u64 = 300;

/// HMAC-SHA-256 (RFC 2104); a key of any length is valid.
pub(crate) fn hmac_sha256(key: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key.as_ref())
        .map_or([0; 32], |mac| mac.chain_update(message).finalize().into_bytes().into())
}

/// SHA-256.
pub(crate) fn sha256(message: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// Whether a signed time is within the tolerance of the vendor's clock; both are Unix seconds.
pub(crate) fn is_fresh(signed_at: i64, now: i64) -> bool {
    signed_at.abs_diff(now) <= SKEW_SECONDS
}

/// The Unix seconds of an HTTP date (RFC 9110 section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    text.ends_with(" GMT").then(|| parsed.as_second())
}
