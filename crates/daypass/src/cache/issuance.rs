//! Issuances: the exchanges that may be the same request at the connector, under one idempotency
//! key. The mint uses this module; the step functions of connectors receive key, generation and
//! beginning.
//!
//! A caller that repeats a call whose reply was lost must not leave a second object at the
//! connector, and must not be refused because the first one is there. So the idempotency key is a
//! hash over the store key of the token (the caller's reference, or what shares the token), the
//! request, and what this record holds. Another node, and a restart under the same store key, have
//! the same key. The record of a token's place is read and written once before the call, and
//! settled together with the token:
//!
//! | outcome | the next call |
//! |---|---|
//! | a token, or one that has ended | next generation: new key, new object names |
//! | refused (4xx) | new key: Stripe repeats a stored refusal for 24 h |
//! | refused, as another request has its key or its object's name | next generation: the store has lost the record of that request |
//! | refused after no reply, or twice | next generation: an earlier object may be in the way |
//! | no reply, or 429 after no reply | the same key |
//! | a reply that cannot be read | the same key once, then the next generation |
//! | 5xx | the same key once, then the next generation: Stripe repeats a 5xx, too |
//! | nothing was sent | the same generation, which begins anew |
//!
//! Three of these are tried again within the same call, once: a token that has already ended, a
//! refused repetition, and a refusal due to another request. A lifetime in a repeated reply counts from the first attempt, as the
//! connector may have repeated an old reply.
//!
//! A record lives for 24 h after the end of its token. Stripe keeps idempotency keys for 24 h,
//! others for minutes or hours. Where a connector keeps a key for longer (Adyen: 7 days), it
//! answers an old key with its dead token, and that begins the next generation. Records survive
//! `forget`: a forgotten token must not come back under its old key.
//!
//! A key that follows another one has a random part, which the record holds. Without a complete
//! store (it does not answer, or the memory of this node takes its place), a new record has one,
//! too: no other node knows the record, and none may be answered with its token. A store in memory
//! under a configured key forgets at a restart. The first key is sent again then, and a lifetime
//! without a moment of its end counts from the repetition.

use std::time::Duration;

use connectors::{Error, Kind, Nonce, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    cache::{
        form,
        keyring::{HashInput, Keyring},
        keys::CacheKeys,
        sealed_store::SealedStore,
    },
    issued::{Issuance, Outcome},
    random,
    request::validated::TokenRequest,
    store::{Put, StoreError, StoreKey, StoredValue},
};

/// How long a record is kept after the end of its token, or after its first attempt.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// Failures (5xx) under one key after which the key is given up.
const MAX_FAILURES: u8 = 2;

/// The stored record of a token's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The digest of the request.
    request: [u8; 32],
    /// How many tokens this place had, or may have had.
    generation: u32,
    /// How many keys of this generation were given up.
    given_up: u32,
    /// Failures under the present key.
    failures: u8,
    /// A random part of each key but the first one. Two nodes that settle one record at the same
    /// time must not count to the same key. It is in the first key, too, where the store was not
    /// complete.
    salt: u64,
    /// When the first attempt began, in epoch milliseconds; `None` where its outcome is known.
    began_ms: Option<i64>,
}

/// An issuance that has begun.
pub(super) struct Begun {
    key: StoreKey,
    state: State,
    age: Duration,
    /// An earlier call began it, and its outcome is unknown.
    pub repeated: bool,
    /// The record is not in the store yet.
    unsaved: bool,
}

impl State {
    fn first(request: [u8; 32], now: Timestamp, salt: u64) -> Self {
        Self { request, generation: 0, given_up: 0, failures: 0, salt, began_ms: Some(now.as_millisecond()) }
    }

    fn settled(self) -> Self {
        Self { failures: 0, began_ms: None, ..self }
    }

    fn next_key(self) -> Self {
        Self { given_up: self.given_up.saturating_add(1), salt: new_salt(), ..self }.settled()
    }

    fn next_generation(self) -> Self {
        Self { generation: self.generation.saturating_add(1), given_up: 0, salt: new_salt(), ..self }.settled()
    }

    fn begin(self, request: [u8; 32], now: Timestamp) -> Self {
        Self { request, began_ms: Some(now.as_millisecond()), ..self }
    }

    /// Whether a secret that works once can still be sent.
    fn is_unspent(&self) -> bool {
        self.generation == 0 && self.began_ms.is_none()
    }

    /// The state after an attempt; `None` where it stays.
    fn after(self, outcome: Outcome, repeated: bool, spends: bool) -> Option<Self> {
        match outcome {
            Outcome::Taken if spends => Some(self.next_key()),
            Outcome::Issued | Outcome::Ended | Outcome::Taken => Some(self.next_generation()),
            Outcome::Unreadable if repeated && !spends => Some(self.next_generation()),
            Outcome::Refused if repeated || self.given_up > 0 => Some(self.next_generation()),
            Outcome::Refused => Some(self.next_key()),
            Outcome::NotSent | Outcome::TurnedAway if !repeated => Some(self.settled()),
            Outcome::Failed if !spends && self.failures + 1 >= MAX_FAILURES => Some(self.next_generation()),
            Outcome::Failed if !spends => Some(Self { failures: self.failures + 1, ..self }),
            Outcome::Failed | Outcome::NotSent | Outcome::TurnedAway | Outcome::Unreadable | Outcome::Unknown => None,
        }
    }
}

impl Begun {
    /// Begins an issuance, or goes on with one whose outcome is unknown.
    ///
    /// # Errors
    /// The exchange uses up a secret that was sent before.
    pub(super) async fn read(sealed: &SealedStore, keys: &CacheKeys, request: &TokenRequest) -> Result<Self> {
        let (now, known) = (sealed.clock.now(), keys.issuance(request, &sealed.keyring));
        let key = keys.first_of(&known);
        let salt = if sealed.store.is_complete() { 0 } else { new_salt() };
        let first = State::first(keys.request, now, salt);
        let new = |state, unsaved| Self { key, state, age: Duration::ZERO, repeated: false, unsaved };
        let Some(value) = seal(&first, &sealed.keyring, key) else { return Ok(new(first, true)) };
        let found = match sealed.store.put_if_absent(&known, key, value, KEEP).await {
            Ok(None) => return Ok(new(first, false)),
            // Alone: no record is known, so the key must be one that nobody else has.
            Err(StoreError) => return Ok(new(State { salt: new_salt(), ..first }, true)),
            Ok(Some(found)) => found,
        };
        let Some(state) = open(&found, &sealed.keyring) else { return Ok(new(first, true)) };
        if request.grant.spends.is_some() && !state.is_unspent() {
            return Err(used_up());
        }
        Ok(Self::go_on(&found, state, keys.request, now))
    }

    fn go_on(found: &StoredValue, state: State, request: [u8; 32], now: Timestamp) -> Self {
        let begun = |state, age, repeated| Self { key: found.key, state, age, repeated, unsaved: !repeated };
        match state.began_ms {
            None => begun(state.begin(request, now), Duration::ZERO, false),
            // The first attempt of another request may have left its object.
            Some(_) if state.request != request => {
                begun(state.next_generation().begin(request, now), Duration::ZERO, false)
            }
            Some(began) => {
                let by_wall_clock = now.as_millisecond().saturating_sub(began);
                let by_wall_clock = Duration::from_millis(u64::try_from(by_wall_clock).unwrap_or(0));
                let by_store = KEEP.saturating_sub(found.left);
                begun(state, by_wall_clock.max(by_store), true)
            }
        }
    }

    /// An issuance of a token that is used up by its first use: each call has one of its own.
    pub(super) async fn single(sealed: &SealedStore, keys: &CacheKeys, request: &TokenRequest) -> Self {
        let (now, known) = (sealed.clock.now(), keys.issuance(request, &sealed.keyring));
        let key = keys.first_of(&known);
        let state = State::first(keys.request, now, new_salt());
        let next = |state: &State| seal(&state.clone().next_generation(), &sealed.keyring, key).unwrap_or_default();
        let found = sealed.store.put_if_absent(&known, key, next(&state), KEEP).await;
        let generation = found.ok().flatten().and_then(|found| open(&found, &sealed.keyring)).map(|had| had.generation);
        let state = State { generation: generation.unwrap_or(0), ..state };
        if generation.is_some() {
            let _ = sealed.store.put(key, next(&state), KEEP).await;
        }
        Self { key, state, age: Duration::ZERO, repeated: false, unsaved: false }
    }

    /// The next generation, for another exchange within the same call.
    pub(super) fn again(self, now: Timestamp) -> Self {
        let request = self.state.request;
        let state = self.state.next_generation().begin(request, now);
        Self { state, age: Duration::ZERO, repeated: false, unsaved: true, ..self }
    }

    /// The part that the exchange gets.
    pub(super) fn issuance(&self, now: Timestamp) -> Issuance {
        let began = self.state.began_ms.and_then(|began| Timestamp::from_millisecond(began).ok());
        Issuance {
            idempotency_key: idempotency_key(self.key, &self.state),
            generation: self.state.generation,
            began: began.unwrap_or(now),
            age: self.age,
        }
    }

    /// Puts the record, where it is not in the store yet.
    pub(super) async fn save(&self, sealed: &SealedStore) {
        if self.unsaved
            && let Some(value) = seal(&self.state, &sealed.keyring, self.key)
        {
            let _ = sealed.store.put(self.key, value, KEEP).await;
        }
    }

    /// The record after an attempt, where it changes. `left` is the rest of the token's life.
    pub(super) fn after(self, outcome: Outcome, left: Duration, spends: bool, ring: &Keyring) -> Option<Put> {
        let age = self.age;
        let state = self.state.after(outcome, self.repeated, spends)?;
        // The time that is left of a record tells the age of its first attempt.
        let life = if state.began_ms.is_some() { KEEP.saturating_sub(age) } else { left + KEEP };
        Some(Put { key: self.key, value: seal(&state, ring, self.key)?, life })
    }
}

/// The error for a secret that works once and was sent before.
fn used_up() -> Error {
    Error::new(
        Kind::SecretUsedUp,
        "this code or refresh token works once and was sent before; it is not sent again, also not for \
         cache-control: no-cache. Its token has ended, was asked for with other inputs or credentials, or its answer \
         was lost: get a new one",
    )
}

/// The key is no secret, and the store key in it is a keyed hash.
fn idempotency_key(key: StoreKey, state: &State) -> String {
    let input = HashInput::of("idempotency key").part(key.digest).part(state.request);
    let input = input.part(state.generation.to_le_bytes()).part(state.given_up.to_le_bytes());
    Nonce(input.part(state.salt.to_le_bytes()).unkeyed_digest()).uuid()
}

fn seal(state: &State, ring: &Keyring, key: StoreKey) -> Option<Vec<u8>> {
    ring.seal(&key.digest, &form::write(state, 0)?)
}

fn open(found: &StoredValue, ring: &Keyring) -> Option<State> {
    form::read(&ring.open(&found.key.digest, &found.value)?)
}

fn new_salt() -> u64 {
    u64::from_le_bytes(random::unique())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_decides_about_key_and_generation() {
        let began = || State::first([1; 32], Timestamp::UNIX_EPOCH, 0);
        let key = |state: &State| {
            idempotency_key(StoreKey { fingerprint: crate::Fingerprint([0; 8]), digest: [2; 32] }, state)
        };
        for (outcome, repeated, spends, generation, same_key, known) in [
            (Outcome::Issued, false, false, 1, false, true),
            (Outcome::Ended, true, false, 1, false, true),
            (Outcome::Refused, false, false, 0, false, true),
            (Outcome::Refused, true, false, 1, false, true),
            (Outcome::Taken, false, false, 1, false, true),
            (Outcome::Taken, false, true, 0, false, true),
            (Outcome::TurnedAway, false, false, 0, true, true),
            (Outcome::TurnedAway, true, false, 0, true, false),
            (Outcome::NotSent, false, true, 0, true, true),
            (Outcome::NotSent, true, false, 0, true, false),
            (Outcome::Unreadable, false, false, 0, true, false),
            (Outcome::Unreadable, true, false, 1, false, true),
            (Outcome::Failed, false, false, 0, true, false),
            (Outcome::Failed, false, true, 0, true, false),
            (Outcome::Unknown, false, false, 0, true, false),
        ] {
            let after = began().after(outcome, repeated, spends).unwrap_or_else(began);
            let next = after.clone().begin([1; 32], Timestamp::UNIX_EPOCH);
            let found = (after.generation, key(&next) == key(&began()), after.began_ms.is_none());
            assert_eq!(found, (generation, same_key, known), "{outcome:?} {repeated} {spends}");
        }
        let twice = began().after(Outcome::Failed, false, false).unwrap().after(Outcome::Failed, true, false).unwrap();
        assert_eq!((twice.generation, twice.failures), (1, 0));
    }

    #[test]
    fn the_age_of_a_repetition_is_the_greater_of_two_clocks() {
        let state = || State::first([1; 32], Timestamp::from_second(1_000).unwrap(), 0);
        let found = StoredValue {
            key: StoreKey { fingerprint: crate::Fingerprint([0; 8]), digest: [2; 32] },
            value: Vec::new(),
            left: KEEP - Duration::from_secs(60),
        };
        for (now, request, age, repeated, generation) in
            [(1_090, 1, 90, true, 0), (1_000, 1, 60, true, 0), (10, 1, 60, true, 0), (1_090, 2, 0, false, 1)]
        {
            let begun = Begun::go_on(&found, state(), [request; 32], Timestamp::from_second(now).unwrap());
            assert_eq!(
                (begun.age, begun.repeated, begun.state.generation),
                (Duration::from_secs(age), repeated, generation)
            );
        }
    }
}
