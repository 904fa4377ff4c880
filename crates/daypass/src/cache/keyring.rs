//! The keys of the store: they name stored values (keyed BLAKE3) and seal them
//! (XChaCha20-Poly1305). The cache uses them; the configuration brings them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20::{cipher::consts::U10, hchacha};
use connectors::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde_json::Value;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random;

/// First byte of every sealed value: the layout that follows.
const LAYOUT: u8 = 2;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
/// Bytes of a nonce that make a key of their own.
const NONCE_START_BYTES: usize = 16;
/// Bytes before the sealed text: the layout, the key's id and the nonce.
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;
/// Bytes for which an input of a hash has space from the start.
const USUAL_INPUT_BYTES: usize = 256;

/// The keys of the store: the current one first, then the ones that it replaced.
pub struct Keyring(Vec<Key>);

/// Why there is no keyring.
#[derive(Debug, Error)]
pub enum KeyringError {
    /// A configured key has another form.
    #[error("store.key: must be 32 bytes as base64 or hex")]
    NotAKey,
    /// The system gives no random numbers.
    #[error("{0}")]
    NoRandomNumbers(getrandom::Error),
}

struct Key {
    id: [u8; KEY_ID_BYTES],
    naming: Zeroizing<[u8; 32]>,
    sealing: Zeroizing<[u8; 32]>,
}

impl Keyring {
    /// A ring of configured keys: 32 bytes each, as base64 or hex.
    ///
    /// # Errors
    /// A key has another form. The error contains no part of the key.
    pub fn configured(current: &Secret, previous: &[Secret]) -> Result<Self, KeyringError> {
        let keys = std::iter::once(current).chain(previous);
        let keys: Option<Vec<Key>> = keys.map(|key| decode_key(key.expose()).map(|key| Key::of(&key))).collect();
        keys.map(Self).ok_or(KeyringError::NotAKey)
    }

    /// A ring with one random key, for stores that end with the process.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn ephemeral() -> Result<Self, KeyringError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyringError::NoRandomNumbers)?;
        Ok(Self(vec![Key::of(&bytes)]))
    }

    /// Keyed hashes, one for each key of the ring, the current key first.
    pub(crate) fn digests<'a>(&'a self, of: &'a HashInput) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.0.iter().map(|key| of.keyed_digest(&key.naming))
    }

    /// A keyed hash by the current key.
    pub(crate) fn digest(&self, of: &HashInput) -> [u8; 32] {
        self.digests(of).next().unwrap_or_default()
    }

    /// Encrypts a value for one store key; it opens under no other.
    pub fn seal(&self, store_key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let nonce: [u8; NONCE_BYTES] = random::unique();
        let (start, end) = nonce.split_first_chunk::<NONCE_START_BYTES>()?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + value.len() + TAG_BYTES);
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(value);
        let (_, text) = bytes.split_at_mut(HEAD_BYTES);
        let cipher = cipher(&key.sealing, start)?;
        let tag =
            cipher.seal_in_place_separate_tag(short_nonce(*end.first_chunk()?), Aad::from(store_key), text).ok()?;
        bytes.extend_from_slice(tag.as_ref());
        Some(bytes)
    }

    /// Decrypts a value that was sealed for this store key. `None` where it was sealed for another
    /// one, altered or cut, or where its key is not on the ring.
    pub fn open(&self, store_key: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (layout, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_at_checked(KEY_ID_BYTES)?;
        let (start, rest) = rest.split_first_chunk::<NONCE_START_BYTES>()?;
        let (end, sealed) = rest.split_first_chunk()?;
        if *layout != LAYOUT {
            return None;
        }
        let key = self.0.iter().find(|key| key.id == id)?;
        let cipher = cipher(&key.sealing, start)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = cipher.open_in_place(short_nonce(*end), Aad::from(store_key), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl Key {
    /// Three keys of one, for three purposes (BLAKE3's key derivation).
    fn of(bytes: &[u8; 32]) -> Self {
        let derived = |purpose| Zeroizing::new(blake3::derive_key(purpose, bytes));
        let [a, b, c, d, ..] = *derived("daypass 2026-11 key id");
        let (naming, sealing) = (derived("daypass 2026-11 names"), derived("daypass 2026-11 seals"));
        Self { id: [a, b, c, d], naming, sealing }
    }
}

/// XChaCha20-Poly1305 for the nonces with this start: ChaCha20-Poly1305 with a key that HChaCha20 makes of the
/// start, and the nonce's end as its nonce (draft-irtf-cfrg-xchacha-03 section 2.3).
fn cipher(sealing: &[u8; 32], start: &[u8; NONCE_START_BYTES]) -> Option<LessSafeKey> {
    let key = Zeroizing::new(<[u8; 32]>::from(hchacha::<U10>(&(*sealing).into(), &(*start).into())));
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*key).ok()?))
}

fn short_nonce([a, b, c, d, e, f, g, h]: [u8; NONCE_BYTES - NONCE_START_BYTES]) -> Nonce {
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

/// A key as it is configured: 32 bytes as base64 or hex.
pub fn decode_key(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let bytes = if text.len() == 64 { hex::decode(text).ok() } else { STANDARD.decode(text).ok() };
    bytes?.try_into().ok()
}

/// The input of a hash: parts, each after its length, and JSON, each before a zero byte, which no JSON text has. Two
/// lists of them never give the same input.
pub(crate) struct HashInput(Vec<u8>);

impl HashInput {
    /// An input for this purpose. Inputs for two purposes are never equal.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Vec::with_capacity(USUAL_INPUT_BYTES)).part(purpose)
    }

    /// Adds a part.
    pub(crate) fn part(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.number(part.len());
        self.0.extend_from_slice(part);
        self
    }

    /// Adds a value as JSON text.
    pub(crate) fn json(mut self, value: &Value) -> Self {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.0, value);
        self.0.push(0);
        self
    }

    /// Adds the number of parts that follow.
    pub(crate) fn count(mut self, parts: usize) -> Self {
        self.number(parts);
        self
    }

    /// Seven bits in each byte, the lowest first; the last byte is below 128.
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Adds the number of parts, and the parts.
    pub(crate) fn parts<T: AsRef<[u8]>>(self, parts: impl ExactSizeIterator<Item = T>) -> Self {
        let counted = self.count(parts.len());
        parts.fold(counted, Self::part)
    }

    /// A hash under this key.
    pub(crate) fn keyed_digest(&self, key: &[u8; 32]) -> [u8; 32] {
        blake3::keyed_hash(key, &self.0).into()
    }

    /// A hash without a key, for what is no secret, and for use inside of sealed values.
    pub(crate) fn unkeyed_digest(&self) -> [u8; 32] {
        blake3::hash(&self.0).into()
    }
}

impl Drop for HashInput {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{
        KeyInit, XChaCha20Poly1305, XNonce,
        aead::{Aead, Payload},
    };

    use super::*;

    fn ring(current: u8, previous: &[u8]) -> Keyring {
        let key = |byte: u8| Secret::from(STANDARD.encode([byte; 32]));
        let previous: Vec<Secret> = previous.iter().map(|byte| key(*byte)).collect();
        Keyring::configured(&key(current), &previous).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_whole_and_under_its_own_key_only() {
        let ring = ring(1, &[]);
        let sealed = ring.seal(b"key", b"value").unwrap();
        assert_eq!(ring.open(b"key", &sealed).as_deref().map(Vec::as_slice), Some(b"value".as_slice()));
        assert_eq!(ring.open(b"another", &sealed), None);
        for cut in 0..sealed.len() {
            assert_eq!(ring.open(b"key", &sealed[..cut]), None);
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(ring.open(b"key", &altered), None, "byte {at}");
        }
    }

    #[test]
    fn the_cipher_is_xchacha20_poly1305() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let start = std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
        let end = std::array::from_fn(|at| 0x50 + u8::try_from(at).unwrap());
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it."
            .to_vec();
        let cipher = cipher(&key, &start).unwrap();
        let tag = cipher.seal_in_place_separate_tag(short_nonce(end), Aad::from(&aad), &mut text).unwrap();
        assert_eq!(hex::encode(tag.as_ref()), "c0875924c1c7987947deafd8780acf49");
        assert!(hex::encode(&text).starts_with("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"));

        // Another implementation opens what the ring seals.
        let ring = Keyring(vec![Key { id: [0; 4], naming: [0; 32].into(), sealing: key.into() }]);
        for length in [0, 1, 15, 16, 64, 400, 5000] {
            let value: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let sealed = ring.seal(b"key", &value).unwrap();
            let (nonce, text) = sealed[1 + KEY_ID_BYTES..].split_at(NONCE_BYTES);
            let payload = Payload { msg: text, aad: b"key" };
            let other = XChaCha20Poly1305::new(&key.into());
            assert_eq!(other.decrypt(XNonce::from_slice(nonce), payload).unwrap(), value);
            assert_eq!(*ring.open(b"key", &sealed).unwrap(), value);
        }
    }

    #[test]
    fn an_input_is_its_parts_each_with_its_bounds() {
        let value = serde_json::json!({"a": ["text\0", 1.5, null]});
        let input = HashInput::of("test").count(300).json(&value).part("end");
        assert_eq!(input.0, b"\x04test\xac\x02{\"a\":[\"text\\u0000\",1.5,null]}\0\x03end");
    }

    #[test]
    fn no_nonce_comes_twice() {
        let nonce = |sealed: Vec<u8>| sealed[1 + KEY_ID_BYTES..HEAD_BYTES].to_vec();
        let (ring, restarted) = (ring(1, &[]), ring(1, &[]));
        let nonces: std::collections::BTreeSet<_> =
            (0..1000).flat_map(|_| [&ring, &restarted]).map(|ring| nonce(ring.seal(b"key", b"").unwrap())).collect();
        assert_eq!(nonces.len(), 2000);
        // Both open what the other one seals.
        assert!(ring.open(b"key", &restarted.seal(b"key", b"value").unwrap()).is_some());
    }

    #[test]
    fn values_of_a_replaced_key_still_open() {
        let (old, both, new) = (ring(1, &[]), ring(2, &[1]), ring(2, &[]));
        let sealed = old.seal(b"key", b"value").unwrap();
        assert!(both.open(b"key", &sealed).is_some());
        assert!(new.open(b"key", &sealed).is_none());
        let of = || HashInput::of("test").part("x");
        assert_eq!(both.digests(&of()).collect::<Vec<_>>(), [new.digest(&of()), old.digest(&of())]);
    }

    #[test]
    fn keys_have_32_bytes() {
        for text in ["", "short", "zz", &STANDARD.encode([0; 31]), &"g".repeat(64)] {
            assert!(Keyring::configured(&Secret::from(text), &[]).is_err(), "{text}");
        }
        assert!(Keyring::configured(&Secret::from("0f".repeat(32)), &[]).is_ok());
    }

    #[test]
    fn two_lists_of_parts_have_two_digests() {
        let ring = ring(1, &[]);
        let digest = |parts: &[&str]| ring.digest(&HashInput::of("test").parts(parts.iter()));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a"]), digest(&["a", ""]));
    }
}
