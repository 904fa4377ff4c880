use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use connectors::Secret;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// First byte of every sealed value: the layout that follows.
const LAYOUT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// The keys under which stored values are named and sealed: the current one first, then those that it replaced.
pub struct Keyring(Vec<Key>);

struct Key {
    id: [u8; KEY_ID_BYTES],
    naming: [u8; 32],
    sealing: XChaCha20Poly1305,
}

impl Keyring {
    /// A ring of configured keys: 32 bytes each, as base64 or hex.
    ///
    /// # Errors
    /// Where a key has another form. Never with a part of it.
    pub fn configured(current: &Secret, previous: &[Secret]) -> Result<Self, String> {
        std::iter::once(current)
            .chain(previous)
            .map(|key| {
                let bytes = decode(key.expose()).ok_or("store.key: must be 32 bytes as base64 or hex")?;
                Ok(Key::of(&bytes))
            })
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// A ring with one key that nobody else has, for stores that end with the process.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn ephemeral() -> Result<Self, String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Self(vec![Key::of(&bytes)]))
    }

    /// A keyed hash of a text of ours, by every key of the ring, the current one first.
    pub(crate) fn names<'a>(&'a self, of: &'a HashInput) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.0.iter().map(|key| mac(&key.naming, &of.0))
    }

    /// A keyed hash by the current key.
    pub(crate) fn name(&self, of: &HashInput) -> [u8; 32] {
        self.names(of).next().unwrap_or_default()
    }

    /// Encrypts a value for one place; it opens nowhere else.
    pub(crate) fn seal(&self, place: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = key.sealing.encrypt(XNonce::from_slice(&nonce), Payload { msg: value, aad: place }).ok()?;
        let mut bytes = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + sealed.len());
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Some(bytes)
    }

    /// Decrypts a value that was sealed for this place. Nothing where it was sealed for another, altered, cut, or sealed by a
    /// key that is not on the ring.
    pub(crate) fn open(&self, place: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let (layout, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_at_checked(KEY_ID_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        if *layout != LAYOUT {
            return None;
        }
        let key = self.0.iter().find(|key| key.id == id)?;
        key.sealing.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: place }).ok()
    }
}

impl Key {
    fn of(bytes: &[u8; 32]) -> Self {
        let [a, b, c, d, ..] = mac(bytes, b"daypass key id");
        Self {
            id: [a, b, c, d],
            naming: mac(bytes, b"daypass names"),
            sealing: XChaCha20Poly1305::new(&mac(bytes, b"daypass seals").into()),
        }
    }
}

fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    <Hmac<Sha256> as Mac>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(text);
        mac.finalize().into_bytes().into()
    })
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let hex = || -> Option<Vec<u8>> {
        let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
        digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte << 4 | digit)).ok()).collect()
    };
    let bytes = if text.len() == 64 { hex() } else { STANDARD.decode(text).ok() };
    bytes?.try_into().ok()
}

/// Parts of a text to hash, each preceded by its length, so that no two lists of parts give the same text.
#[derive(Default)]
pub(crate) struct HashInput(Vec<u8>);

impl HashInput {
    /// A text of that purpose, so that texts of two purposes never meet.
    pub fn of(purpose: &str) -> Self {
        Self::default().part(purpose)
    }

    /// Adds a part.
    pub fn part(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// Adds parts, and how many there are.
    pub fn parts<T: AsRef<[u8]>>(self, parts: impl ExactSizeIterator<Item = T>) -> Self {
        let counted = self.part((parts.len() as u64).to_le_bytes());
        parts.fold(counted, Self::part)
    }

    /// A hash without a key, for what is kept only inside sealed values.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl Drop for HashInput {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(current: u8, previous: &[u8]) -> Keyring {
        let key = |byte: u8| Secret::from(STANDARD.encode([byte; 32]));
        let previous: Vec<Secret> = previous.iter().map(|byte| key(*byte)).collect();
        Keyring::configured(&key(current), &previous).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_only_and_only_whole() {
        let ring = ring(1, &[]);
        let sealed = ring.seal(b"place", b"value").unwrap();
        assert_eq!(ring.open(b"place", &sealed).as_deref(), Some(b"value".as_slice()));
        assert_eq!(ring.open(b"elsewhere", &sealed), None);
        for cut in 0..sealed.len() {
            assert_eq!(ring.open(b"place", &sealed[..cut]), None);
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(ring.open(b"place", &altered), None, "byte {at}");
        }
    }

    #[test]
    fn keys_are_replaced_without_losing_what_they_sealed() {
        let (old, both, new) = (ring(1, &[]), ring(2, &[1]), ring(2, &[]));
        let sealed = old.seal(b"place", b"value").unwrap();
        assert!(both.open(b"place", &sealed).is_some());
        assert!(new.open(b"place", &sealed).is_none());
        let of = || HashInput::of("test").part("x");
        assert_eq!(both.names(&of()).collect::<Vec<_>>(), [new.name(&of()), old.name(&of())]);
    }

    #[test]
    fn keys_have_32_bytes() {
        for text in ["", "short", "zz", &STANDARD.encode([0; 31]), &"g".repeat(64)] {
            assert!(Keyring::configured(&Secret::from(text), &[]).is_err(), "{text}");
        }
        assert!(Keyring::configured(&Secret::from("0f".repeat(32)), &[]).is_ok());
    }

    #[test]
    fn parts_do_not_run_together() {
        let ring = ring(1, &[]);
        let name = |parts: &[&str]| ring.name(&HashInput::of("test").parts(parts.iter()));
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_ne!(name(&["a"]), name(&["a", ""]));
    }
}
