use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256, Sha512};

use crate::encoding::base64url;

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4) over the parts, one after the other.
pub(crate) fn hmac_sha256(key: impl AsRef<[u8]>, parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is good for HMAC; the all-zero result of the impossible case opens nothing.
    Hmac::<Sha256>::new_from_slice(key.as_ref()).map_or([0; 32], |mut mac| {
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    })
}

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-512 over the parts, one after the other.
pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a JWS signs: header and claims, each base64url, joined by a dot (RFC 7515 section 5.1). Append the signature with
/// [`signed_jwt`].
pub(crate) fn jwt_to_sign(header: &impl Serialize, claims: &impl Serialize) -> String {
    let part = |value: Vec<u8>| base64url(value);
    format!(
        "{}.{}",
        part(serde_json::to_vec(header).unwrap_or_default()),
        part(serde_json::to_vec(claims).unwrap_or_default())
    )
}

/// The whole JWS: what was signed and its signature.
pub(crate) fn signed_jwt(to_sign: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{to_sign}.{}", base64url(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_standards() {
        // RFC 4231, test case 2; FIPS 180-4 examples for "abc".
        assert_eq!(
            hex(hmac_sha256("Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(hex(sha256(&[b"a", b"bc"])), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hex(sha512(&[b"abc"])).starts_with("ddaf35a193617abacc417349ae204131"));
    }
}
