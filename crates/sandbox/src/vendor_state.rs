//! The state of one fake between two requests: its tokens, and the answers to idempotent requests.
//!
//! Every fake uses it; the sandbox's state holds one per fake.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::http::{Answer, Request};

/// The limit of tokens, and of answers, in one state: a load test must not fill the memory.
const MAX_ENTRIES: usize = 100_000;

/// The alphabet of ids in lower-case hexadecimal.
pub(crate) const HEX_DIGITS: &[u8] = b"0123456789abcdef";

/// A map of at most [`MAX_ENTRIES`]; it removes the oldest entries first.
struct BoundedMap<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> BoundedMap<V> {
    fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_ENTRIES {
            self.order.pop_front().and_then(|oldest| self.entries.remove(&oldest));
        }
    }
}

impl<V> Default for BoundedMap<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The grant, or the vendor's name for the kind of token.
    pub kind: &'static str,
    /// The end of its lifetime, Unix seconds; `None` if it does not expire.
    pub expires_at: Option<i64>,
    /// Whether it was used up or revoked.
    pub used: bool,
    /// The customer, scope or object that the token is limited to, by name.
    pub attributes: BTreeMap<&'static str, String>,
}

impl Issued {
    /// One attribute; empty if there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// The reason why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The fake did not issue it, or issued it as another kind.
    Unknown,
    /// Its lifetime is over.
    Expired,
    /// It was used up or revoked.
    Used,
}

/// The result of a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// The first request with the key, or a request without a key.
    First(Answer),
    /// The same request again: the answer to the first one.
    Replay(Answer),
    /// A different request with the same key.
    Conflict,
}

/// The state of one fake.
pub struct VendorState {
    /// The time of the current request, Unix seconds.
    pub now: i64,
    /// The path of the current request, for failures whose form depends on it.
    pub path: String,
    seed: u64,
    counter: u64,
    tokens: BoundedMap<Issued>,
    answers: BoundedMap<(u64, i64, Answer)>,
}

impl VendorState {
    /// An empty state; equal seeds make equal ids.
    pub fn new(seed: u64, now: i64) -> Self {
        Self {
            now,
            path: String::new(),
            seed,
            counter: 0,
            tokens: BoundedMap::default(),
            answers: BoundedMap::default(),
        }
    }

    fn random(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.counter).hash(&mut hasher);
        hasher.finish()
    }

    /// Pseudo-random bytes; not for real secrets.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.random().to_le_bytes());
        words.take(length.div_ceil(8)).flatten().take(length).collect()
    }

    /// A random id: the prefix and `length` letters and digits.
    pub fn random_id(&mut self, prefix: &str, length: usize) -> String {
        self.random_id_of(prefix, length, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    }

    /// A random id: the prefix and `length` characters of an alphabet.
    pub fn random_id_of(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let letters =
            self.bytes(length).into_iter().filter_map(|byte| alphabet.get(usize::from(byte) % alphabet.len()));
        prefix.chars().chain(letters.map(|letter| char::from(*letter))).collect()
    }

    /// A well-formed JWT (RFC 7519) with a random signature.
    pub fn jwt(&mut self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "sandbox"});
        let signature = self.bytes(64);
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let [header, claims] = [header, claims.clone()].map(|value| part(value.to_string().as_bytes()));
        format!("{header}.{claims}.{}", part(&signature))
    }

    /// Stores a token.
    pub fn issue(
        &mut self,
        token: &str,
        kind: &'static str,
        expires_at: Option<i64>,
        attributes: &[(&'static str, &str)],
    ) {
        let attributes = attributes.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.tokens.insert(token.to_owned(), Issued { kind, expires_at, used: false, attributes });
    }

    /// Whether the fake issued this token, valid or not.
    pub fn was_issued(&self, token: &str) -> bool {
        self.tokens.entries.contains_key(token)
    }

    /// A valid token of one of these kinds.
    ///
    /// # Errors
    /// The reason why the token is refused.
    pub fn active(&mut self, token: &str, kinds: &[&str]) -> Result<&mut Issued, TokenError> {
        let now = self.now;
        match self.tokens.entries.get_mut(token) {
            Some(issued) if !kinds.contains(&issued.kind) => Err(TokenError::Unknown),
            Some(issued) if issued.used => Err(TokenError::Used),
            Some(issued) if issued.expires_at.is_some_and(|end| end <= now) => Err(TokenError::Expired),
            Some(issued) => Ok(issued),
            None => Err(TokenError::Unknown),
        }
    }

    /// A token with this attribute. It searches all tokens: for rare calls only.
    pub fn find_token(&mut self, name: &str, value: &str) -> Option<&mut Issued> {
        self.tokens.entries.values_mut().find(|issued| issued.attribute(name) == value)
    }

    /// Serves a request once per idempotency key. Answers with 4xx are not stored.
    pub fn idempotent(
        &mut self,
        key: Option<String>,
        keep_seconds: i64,
        request: &Request,
        serve: impl FnOnce(&mut Self) -> Answer,
    ) -> Idempotent {
        let Some(key) = key else { return Idempotent::First(serve(self)) };
        let mut hasher = DefaultHasher::new();
        (&request.method, &request.target, &request.body).hash(&mut hasher);
        let fingerprint = hasher.finish();
        match self.answers.entries.get(&key) {
            Some((first, until, answer)) if *until > self.now => {
                if *first == fingerprint {
                    Idempotent::Replay(answer.clone())
                } else {
                    Idempotent::Conflict
                }
            }
            _ => {
                let answer = serve(self);
                if !(400..500).contains(&answer.status) {
                    self.answers.insert(key, (fingerprint, self.now.saturating_add(keep_seconds), answer.clone()));
                }
                Idempotent::First(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_token_is_removed() {
        let mut state = VendorState::new(1, 0);
        for n in 0..=MAX_ENTRIES {
            state.issue(&n.to_string(), "k", None, &[]);
        }
        assert!(!state.was_issued("0"));
        assert!(state.was_issued("1") && state.was_issued(&MAX_ENTRIES.to_string()));
    }

    #[test]
    fn a_token_is_valid_until_it_expires() {
        let mut state = VendorState::new(1, 100);
        state.issue("t", "k", Some(160), &[("customer", "c")]);
        assert_eq!(state.active("t", &["k"]).map(|issued| issued.attribute("customer").to_owned()), Ok("c".to_owned()));
        assert_eq!(state.active("t", &["other"]).err(), Some(TokenError::Unknown));
        state.now = 160;
        assert_eq!(state.active("t", &["k"]).err(), Some(TokenError::Expired));
    }

    #[test]
    fn an_idempotency_key_expires() {
        let mut state = VendorState::new(1, 0);
        let request = Request::new("POST", "/x/y", vec![], "");
        let mut ask = |now| {
            state.now = now;
            state.idempotent(Some("key".into()), 60, &request, |state| Answer::text(200, &state.random_id("", 8)))
        };
        let Idempotent::First(first) = ask(0) else { panic!("the first") };
        assert_eq!(ask(59), Idempotent::Replay(first));
        assert!(matches!(ask(60), Idempotent::First(_)));
    }
}
