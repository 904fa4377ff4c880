//! What fakes need to check signatures as their vendors do.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// How far a signed moment may be from the vendor's clock: what vendors call a few minutes.
const SKEW_SECONDS: u64 = 300;

/// HMAC-SHA-256; a key of any length is good.
pub(crate) fn hmac_sha256(key: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key.as_ref())
        .map_or([0; 32], |mac| mac.chain_update(message).finalize().into_bytes().into())
}

/// SHA-256.
pub(crate) fn sha256(message: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// Standard base64.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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
