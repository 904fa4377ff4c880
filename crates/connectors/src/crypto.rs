//! Hashes and signatures that connectors' requests need.

use aes::{Aes256, Block};
use hmac::{Hmac, Mac};
use p521::ecdsa::{
    Signature, SigningKey,
    signature::{
        RandomizedSigner,
        rand_core::{self, CryptoRng, RngCore},
    },
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde::Serialize;
use sha2::{Digest, Sha256, Sha512};

use crate::encoding::base64url;

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4) over the parts, one after the other.
pub(crate) fn hmac_sha256(key: impl AsRef<[u8]>, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length, so the all-zero result never occurs.
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

/// ES512 (RFC 7518 section 3.4): ECDSA with P-521 and SHA-512, `None` where the key is none.
///
/// The secret number of a signature must not be equal for two messages. It is an HMAC of the
/// message under the key, in the manner of RFC 6979: no random bytes, and equal signatures for
/// equal messages.
pub(crate) fn es512(key: &p521::SecretKey, message: &[u8]) -> Option<Vec<u8>> {
    let bytes = key.to_bytes();
    let mac = Hmac::<Sha512>::new_from_slice(&bytes).ok()?.chain_update(sha512(&[message]));
    let signer = SigningKey::from_bytes(&bytes).ok()?;
    let signature: Signature = signer.try_sign_with_rng(&mut FromMac { mac, blocks: 0 }, message).ok()?;
    Some(signature.to_bytes().to_vec())
}

/// RS256 (RFC 7518 section 3.3): RSA with PKCS #1 version 1.5 and SHA-256, `None` where the DER is
/// no RSA key of 2048 bits or more. `pkcs1` tells RFC 8017 appendix A.1.2 from PKCS #8.
///
/// This padding has no random part: equal messages have equal signatures.
pub(crate) fn rs256(der: &[u8], pkcs1: bool, message: &[u8]) -> Option<Vec<u8>> {
    let key = if pkcs1 { RsaKeyPair::from_der(der) } else { RsaKeyPair::from_pkcs8(der) }.ok()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

/// The source of the secret number, which must be below 2^521.
struct FromMac {
    mac: Hmac<Sha512>,
    blocks: u64,
}

impl CryptoRng for FromMac {}

impl RngCore for FromMac {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(64) {
            let block = self.mac.clone().chain_update(self.blocks.to_be_bytes()).finalize().into_bytes();
            part.iter_mut().zip(block).for_each(|(to, from)| *to = from);
            self.blocks += 1;
        }
        // 66 bytes have seven bits more than 521; without this, most numbers would be rejected.
        if let Some(first) = bytes.first_mut() {
            *first &= 1;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// The signing input of a JWS: header and claims, each base64url, joined by a dot (RFC 7515
/// section 5.1). [`signed_jwt`] appends the signature.
pub(crate) fn jwt_to_sign(header: &impl Serialize, claims: &impl Serialize) -> String {
    let part = |value: Vec<u8>| base64url(value);
    format!(
        "{}.{}",
        part(serde_json::to_vec(header).unwrap_or_default()),
        part(serde_json::to_vec(claims).unwrap_or_default())
    )
}

/// The whole JWS: the signing input and the signature.
pub(crate) fn signed_jwt(to_sign: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{to_sign}.{}", base64url(signature))
}

/// A JWE in compact form with `A256KW` and `A256GCM` (RFC 7516 section 7.1, RFC 7518 sections 4.4
/// and 5.3). `random` must be fresh for each call: content key and initialization vector come from
/// it.
pub(crate) fn jwe_a256kw(key: &[u8; 32], random: &[u8; 32], mut payload: Vec<u8>) -> Option<String> {
    let header = base64url(br#"{"alg":"A256KW","enc":"A256GCM"}"#);
    let content_key = hmac_sha256(random, &[b"content key"]);
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = hmac_sha256(random, &[b"initialization vector"]);
    let vector = [a, b, c, d, e, f, g, h, i, j, k, l];
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).ok()?);
    let (nonce, header_bytes) = (Nonce::assume_unique_for_key(vector), Aad::from(header.as_bytes()));
    let tag = sealing.seal_in_place_separate_tag(nonce, header_bytes, &mut payload).ok()?;
    let parts = [header.clone(), base64url(wrap_key(key, &content_key)), base64url(vector), base64url(payload)];
    Some(format!("{}.{}", parts.join("."), base64url(tag)))
}

/// The AES key wrap of a content key (RFC 3394 section 2.2.1).
fn wrap_key(key: &[u8; 32], content_key: &[u8; 32]) -> Vec<u8> {
    // Here, as the names of `KeyInit` are those of `Mac`.
    use aes::cipher::{BlockEncrypt, KeyInit};
    let cipher = Aes256::new(key.into());
    let mut check = [0xA6; 8];
    let mut registers: Vec<[u8; 8]> = content_key.chunks_exact(8).filter_map(|part| part.try_into().ok()).collect();
    let mut step: u64 = 0;
    for _ in 0..6 {
        for register in &mut registers {
            step += 1;
            let mut block = Block::default();
            block.iter_mut().zip(check.iter().chain(register.iter())).for_each(|(to, from)| *to = *from);
            cipher.encrypt_block(&mut block);
            let bytes = || block.iter().copied();
            check.iter_mut().zip(bytes().zip(step.to_be_bytes())).for_each(|(to, (byte, step))| *to = byte ^ step);
            register.iter_mut().zip(bytes().skip(8)).for_each(|(to, byte)| *to = byte);
        }
    }
    check.into_iter().chain(registers.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use p521::ecdsa::{VerifyingKey, signature::Verifier};

    #[test]
    fn es512_signs_the_same_message_the_same_way() {
        let key = p521::SecretKey::from_slice(&[1; 66]).unwrap();
        let [first, again, other] = [b"one", b"one", b"two"].map(|message| es512(&key, message).unwrap());
        assert_eq!((first.len(), &first), (132, &again));
        assert_ne!(first[..66], other[..66], "two messages with one number");
        let signature = Signature::from_slice(&first).unwrap();
        let public = VerifyingKey::from_affine(*key.public_key().as_affine()).unwrap();
        assert!(public.verify(b"one", &signature).is_ok() && public.verify(b"two", &signature).is_err());
    }

    #[test]
    fn vectors_of_the_standards() {
        // RFC 4231, test case 2; FIPS 180-4 examples for "abc".
        assert_eq!(
            hex::encode(hmac_sha256("Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex::encode(sha256(&[b"a", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(hex::encode(sha512(&[b"abc"])).starts_with("ddaf35a193617abacc417349ae204131"));
        // RFC 3394 section 4.6.
        let bytes = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
        let key = bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let data = bytes("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
        assert_eq!(
            hex::encode(wrap_key(&key, &data)),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
        );
    }
}
