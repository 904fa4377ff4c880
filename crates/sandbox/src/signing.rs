//! What fakes need to check signatures as their vendors do.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// How far a signed moment may be from the vendor's clock: what vendors call a few minutes.
const SKEW_SECONDS: u64 = 300;

/// HMAC-SHA-256, in base64.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(message).finalize().into_bytes());
    mac.map_or_else(|_| String::new(), |mac| BASE64_STANDARD.encode(mac))
}

/// SHA-256, in base64.
pub(crate) fn sha256(message: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(message))
}

/// Whether a signed moment is close enough to the vendor's clock.
pub(crate) fn is_fresh(moment: i64, now: i64) -> bool {
    moment.abs_diff(now) <= SKEW_SECONDS
}

/// The epoch seconds of an HTTP date.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    text.ends_with(" GMT").then(|| parsed.as_second())
}
