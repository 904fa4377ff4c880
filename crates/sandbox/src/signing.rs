//! What vendors compute over a request to see whether it was signed with the secret that they know.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Lower-case hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256.
pub(crate) fn sha256(text: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// HMAC-SHA-256; a key of any length is good.
pub(crate) fn hmac_sha256(key: &str, text: &str) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_or([0; 32], |mac| mac.chain_update(text).finalize().into_bytes().into())
}
