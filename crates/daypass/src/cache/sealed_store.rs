//! Records in the store: sealed on the way in, opened on the way out. The cache and the fetch use
//! it; it uses the store and the keyring.

use std::{sync::Arc, time::Duration};

use connectors::Result;

use crate::{
    cache::{
        events::CacheEvent,
        keyring::Keyring,
        keys::CacheKeys,
        record::{Record, TokenRecord},
    },
    clock::Clock,
    issued::IssuedToken,
    request::validated::TokenRequest,
    store::{Owner, Store, StoreError, StoreKey, StoredValue},
};

/// A stored token with this much life or less is not handed out: it could expire on its way to the
/// caller.
const MARGIN: Duration = Duration::from_secs(5);
/// How long a token without an expiry is kept for its reference.
pub(super) const KEEP_WITHOUT_EXPIRY: Duration = Duration::from_secs(900);

/// The store, with the keys that seal its values.
pub(super) struct SealedStore {
    pub store: Arc<dyn Store>,
    pub keyring: Keyring,
    pub clock: Arc<dyn Clock>,
}

/// The result of one read, each record with the time until it disappears.
pub(super) struct Look {
    /// The note of the reference.
    pub note: Option<(Record, Duration)>,
    /// The shared token.
    pub token: Option<(Record, Duration)>,
}

/// Whether a reference was used for the same request before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceUse {
    First,
    Repeated,
}

/// The token that all nodes hand out after a fetch.
pub(super) enum Kept {
    /// The new one.
    Ours,
    /// Another node's: it came first.
    Theirs,
}

impl SealedStore {
    /// Opens a stored value. `None`, and counted, where it cannot be read.
    pub(super) fn open(&self, stored: &StoredValue) -> Option<Record> {
        let record = Record::open(&self.keyring, stored);
        if record.is_none() {
            CacheEvent::SealedValueRefused.count();
        }
        record
    }

    /// Reads the note of the reference and the shared token, in one step.
    pub(super) async fn look(&self, keys: &CacheKeys) -> Look {
        let all: Vec<StoreKey> = keys.reference.iter().chain(&keys.shared).copied().collect();
        let stored = self.store.get(&all).await.unwrap_or_default();
        let first = |among: &[StoreKey]| {
            let mut among = stored.iter().filter(|stored| among.contains(&stored.key));
            among.find_map(|stored| Some((self.open(stored)?, stored.left)))
        };
        Look { note: first(&keys.reference), token: first(&keys.shared) }
    }

    /// Notes that a reference was used for a request, for as long as its token lives.
    ///
    /// `noted` is how long an earlier note of the same request still stands, where one was read.
    ///
    /// # Errors
    /// The reference was used for another request.
    pub(super) async fn note_use(
        &self,
        keys: &CacheKeys,
        noted: Option<Duration>,
        left: Duration,
    ) -> Result<ReferenceUse> {
        let Some(key) = keys.reference.first().copied() else { return Ok(ReferenceUse::First) };
        if noted.is_some_and(|noted| noted + MARGIN >= left) {
            return Ok(ReferenceUse::Repeated);
        }
        let Some(note) = Record::note(keys.request).seal(&self.keyring, key) else {
            return Ok(ReferenceUse::First);
        };
        if noted.is_none() {
            let before = self.store.put_if_absent(&keys.reference, key, note.clone(), left).await;
            match before.map(|before| before.map(|before| self.open(&before))) {
                Ok(Some(Some(record))) => {
                    return keys.same_request(&record.request).map(|()| ReferenceUse::Repeated);
                }
                // The value cannot be read: it is replaced below.
                Ok(Some(None)) => {}
                Ok(None) | Err(StoreError) => return Ok(ReferenceUse::First),
            }
        }
        let _ = self.store.put(key, note, left).await;
        Ok(if noted.is_some() { ReferenceUse::Repeated } else { ReferenceUse::First })
    }

    /// Stores a new token, if it lives long enough to be handed out again, and releases the lease.
    pub(super) async fn keep(&self, token: &IssuedToken, keys: &CacheKeys, lease: Option<Owner>) -> Kept {
        let (key, left) = (keys.store_key(), token.left.unwrap_or(KEEP_WITHOUT_EXPIRY));
        let record = Record::token(keys.request, token, left);
        let sealed = if left > MARGIN { record.seal(&self.keyring, key) } else { None };
        let put = match (sealed, lease) {
            (Some(sealed), Some(owner)) => self.store.put_and_release(key, owner, sealed, left).await,
            (Some(sealed), None) => self.store.put(key, sealed, left).await.map(|()| true),
            (None, Some(owner)) => self.store.release(key, owner).await.map(|()| true),
            (None, None) => Ok(true),
        };
        match put {
            Ok(false) => Kept::Theirs,
            Ok(true) | Err(StoreError) => Kept::Ours,
        }
    }

    /// A stored token as it can be handed out now. `None` where too little of its life is left.
    pub(super) fn issue(&self, record: TokenRecord, left: Duration, request: &TokenRequest) -> Option<IssuedToken> {
        let token = record.issue(left, self.clock.now(), request)?;
        token.left.is_none_or(|left| left > MARGIN).then_some(token)
    }
}
