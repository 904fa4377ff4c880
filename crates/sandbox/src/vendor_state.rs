//! What a fake keeps between two requests: the tokens that it issued, and the answers that it must repeat.

use crate::vendor::{Answer, Request};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

/// Tokens, and answers, that one state keeps; the oldest goes first.
const KEPT: usize = 100_000;

/// A map that forgets its oldest entries.
struct Kept<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Kept<V> {
    fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > KEPT {
            self.order.pop_front().and_then(|oldest| self.entries.remove(&oldest));
        }
    }
}

impl<V> Default for Kept<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The grant, or what else the vendor calls it.
    pub kind: &'static str,
    /// When it dies; none: never by itself.
    pub expires_at: Option<i64>,
    /// Whether it was used up or taken back.
    pub used: bool,
    /// Whom and what it is for.
    pub about: BTreeMap<&'static str, String>,
}

impl Issued {
    /// One value of what it is for; empty if there is none.
    pub fn about(&self, name: &str) -> &str {
        self.about.get(name).map_or("", String::as_str)
    }
}

/// Why a token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not issued here, or for another use.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was used up or taken back.
    Used,
}

/// What an idempotency key meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// The first request with it, or one without.
    First(Answer),
    /// The same request again: the answer of the first.
    Replay(Answer),
    /// Another request with a key that was taken.
    Conflict,
}

/// What one fake processor keeps.
pub struct VendorState {
    /// The moment of the request under way, Unix seconds.
    pub now: i64,
    seed: u64,
    made: u64,
    tokens: Kept<Issued>,
    answers: Kept<(u64, i64, Answer)>,
}

impl VendorState {
    /// An empty state; equal seeds make equal ids.
    pub fn new(seed: u64, now: i64) -> Self {
        Self { now, seed, made: 0, tokens: Kept::default(), answers: Kept::default() }
    }

    fn random(&mut self) -> u64 {
        self.made = self.made.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.made).hash(&mut hasher);
        hasher.finish()
    }

    /// Random bytes; not for real secrets.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.random().to_le_bytes());
        words.take(length.div_ceil(8)).flatten().take(length).collect()
    }

    /// A fresh id: the prefix and `length` letters and digits.
    pub fn fresh(&mut self, prefix: &str, length: usize) -> String {
        self.fresh_of(prefix, length, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    }

    /// A fresh id: the prefix and `length` characters of an alphabet.
    pub fn fresh_of(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let letters =
            self.bytes(length).into_iter().filter_map(|byte| alphabet.get(usize::from(byte) % alphabet.len()));
        prefix.chars().chain(letters.map(|letter| char::from(*letter))).collect()
    }

    /// A JWT in form: its signature is random.
    pub fn jwt(&mut self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "sandbox"});
        let signature = self.bytes(64);
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let [header, claims] = [header, claims.clone()].map(|value| part(value.to_string().as_bytes()));
        format!("{header}.{claims}.{}", part(&signature))
    }

    /// Keeps a token.
    pub fn issue(&mut self, token: &str, kind: &'static str, expires_at: Option<i64>, about: &[(&'static str, &str)]) {
        let about = about.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.tokens.insert(token.to_owned(), Issued { kind, expires_at, used: false, about });
    }

    /// Whether it is a token of this state, dead or alive.
    pub fn knows(&self, token: &str) -> bool {
        self.tokens.entries.contains_key(token)
    }

    /// A token of one of these kinds that is still good.
    pub fn live(&mut self, token: &str, kinds: &[&str]) -> Result<&mut Issued, TokenError> {
        let now = self.now;
        match self.tokens.entries.get_mut(token) {
            Some(issued) if !kinds.contains(&issued.kind) => Err(TokenError::Unknown),
            Some(issued) if issued.used => Err(TokenError::Used),
            Some(issued) if issued.expires_at.is_some_and(|end| end <= now) => Err(TokenError::Expired),
            Some(issued) => Ok(issued),
            None => Err(TokenError::Unknown),
        }
    }

    /// The token that is about this value. Looks at every token: for rare calls.
    pub fn find(&mut self, name: &str, value: &str) -> Option<&mut Issued> {
        self.tokens.entries.values_mut().find(|issued| issued.about(name) == value)
    }

    /// Serves a request once per idempotency key. Refusals (4xx) are not kept.
    pub fn once(
        &mut self,
        key: Option<String>,
        keep_seconds: i64,
        request: &Request,
        serve: impl FnOnce(&mut Self) -> Answer,
    ) -> Idempotent {
        let Some(key) = key else { return Idempotent::First(serve(self)) };
        let mut hasher = DefaultHasher::new();
        (&request.method, &request.target, &request.body).hash(&mut hasher);
        let print = hasher.finish();
        match self.answers.entries.get(&key) {
            Some((first, until, answer)) if *until > self.now => {
                if *first == print {
                    Idempotent::Replay(answer.clone())
                } else {
                    Idempotent::Conflict
                }
            }
            _ => {
                let answer = serve(self);
                if !(400..500).contains(&answer.status) {
                    self.answers.insert(key, (print, self.now.saturating_add(keep_seconds), answer.clone()));
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
    fn the_oldest_token_is_forgotten() {
        let mut state = VendorState::new(1, 0);
        for n in 0..=KEPT {
            state.issue(&n.to_string(), "k", None, &[]);
        }
        assert!(!state.knows("0"));
        assert!(state.knows("1") && state.knows(&KEPT.to_string()));
    }

    #[test]
    fn a_token_lives_until_its_moment() {
        let mut state = VendorState::new(1, 100);
        state.issue("t", "k", Some(160), &[("customer", "c")]);
        assert_eq!(state.live("t", &["k"]).map(|issued| issued.about("customer").to_owned()), Ok("c".to_owned()));
        assert_eq!(state.live("t", &["other"]).err(), Some(TokenError::Unknown));
        state.now = 160;
        assert_eq!(state.live("t", &["k"]).err(), Some(TokenError::Expired));
    }

    #[test]
    fn an_idempotency_key_is_forgotten_in_time() {
        let mut state = VendorState::new(1, 0);
        let request = Request::new("POST", "/x/y", vec![], "");
        let mut ask = |now| {
            state.now = now;
            state.once(Some("key".into()), 60, &request, |state| Answer::text(200, &state.fresh("", 8)))
        };
        let Idempotent::First(first) = ask(0) else { panic!("the first") };
        assert_eq!(ask(59), Idempotent::Replay(first));
        assert!(matches!(ask(60), Idempotent::First(_)));
    }
}
