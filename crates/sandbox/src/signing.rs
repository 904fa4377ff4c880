//! The hashes of signatures, for the fakes that check signatures as their vendors do.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA-256 (RFC 2104); a key of any length is valid.
pub(crate) fn hmac_sha256(key: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key.as_ref())
        .map_or([0; 32], |mac| mac.chain_update(message).finalize().into_bytes().into())
}

/// SHA-256.
pub(crate) fn sha256(message: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(message).into()
}
