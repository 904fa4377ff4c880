//! Records in the store: sealed on the way in, opened on the way out. The cache and the fetch use
//! it; it uses the store and the keyring.

use std::{borrow::Cow, sync::Arc, time::Duration};

use connectors::{InputKind, Result, Secret};

use crate::{
    cache::{
        events::{CacheEvent, CacheEvents},
        keyring::Keyring,
        keys::{CacheKeys, Tag, successor},
        record::{Content, Record, TokenRecord},
    },
    clock::Clock,
    issued::IssuedToken,
    request::validated::TokenRequest,
    store::{Owner, Put, Store, StoreError, StoreKey, StoredValue},
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
    pub events: CacheEvents,
}

/// The result of one read, each record with the time until it disappears.
pub(super) struct Look {
    /// The note of the reference.
    pub note: Option<(Record, Duration)>,
    /// The shared token.
    pub token: Option<(Record, Duration)>,
}

/// An earlier note of a reference, for the same request.
#[derive(Clone, Copy)]
pub(super) struct Noted {
    /// For how long it stands.
    pub left: Duration,
    /// The token that the reference received.
    pub tag: Option<Tag>,
}

/// Whether a reference received this token before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceUse {
    First,
    Repeated,
}

impl Noted {
    fn is_for(self, tag: Tag) -> bool {
        self.tag.is_none_or(|noted| noted == tag)
    }
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
            self.events.count(CacheEvent::SealedValueRefused);
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

    /// Notes that a reference received a token, for as long as the token lives.
    ///
    /// `noted` is an earlier note of the same request, where one was read.
    ///
    /// # Errors
    /// The reference was used for another request.
    pub(super) async fn note_use(
        &self,
        keys: &CacheKeys,
        noted: Option<Noted>,
        left: Duration,
        tag: Tag,
    ) -> Result<ReferenceUse> {
        let Some(key) = keys.reference.first().copied() else { return Ok(ReferenceUse::First) };
        let received = |noted: Noted| if noted.is_for(tag) { ReferenceUse::Repeated } else { ReferenceUse::First };
        if noted.is_some_and(|noted| noted.is_for(tag) && noted.left + MARGIN >= left) {
            return Ok(ReferenceUse::Repeated);
        }
        let Some(note) = Record::note(keys.request, tag).seal(&self.keyring, key) else {
            return Ok(ReferenceUse::First);
        };
        if noted.is_none() {
            let before = self.store.put_if_absent(&keys.reference, key, note.clone(), left).await;
            match before.map(|before| before.map(|before| (before.left, self.open(&before)))) {
                Ok(Some((left, Some(record)))) => {
                    keys.same_request(&record.request)?;
                    let noted = Noted { left, tag: record.tag };
                    if noted.is_for(tag) {
                        return Ok(ReferenceUse::Repeated);
                    }
                }
                // The value cannot be read: it is replaced below.
                Ok(Some((_, None))) => {}
                Ok(None) | Err(StoreError) => return Ok(ReferenceUse::First),
            }
        }
        let _ = self.store.put(key, note, left).await;
        Ok(noted.map_or(ReferenceUse::First, received))
    }

    /// The token that a reference received and that was replaced since, while it lives.
    pub(super) async fn replaced(&self, keys: &CacheKeys, tag: Tag, request: &TokenRequest) -> Option<IssuedToken> {
        let stored = self.store.get(&keys.replaced(tag)).await.ok()?;
        stored.iter().find_map(|stored| match self.open(stored)?.content {
            Content::Token(record) => self.issue(record, stored.left, request),
            Content::ReferenceNote => None,
        })
    }

    /// A copy of the shared token that is about to be replaced, for the references that have it.
    pub(super) async fn copy_of_replaced(&self, keys: &CacheKeys) -> Option<Put> {
        let stored = self.store.get(&keys.shared).await.ok()?;
        stored.iter().filter(|stored| stored.left > MARGIN).find_map(|stored| {
            let record = self.open(stored)?;
            let Content::Token(token) = &record.content else { return None };
            let key = keys.replaced(token.tag()).first().copied()?;
            Some(Put { key, value: record.seal(&self.keyring, key)?, life: stored.left })
        })
    }

    /// Notes in the places of the secrets that came with a token: who exchanges one ends the token.
    pub(super) fn successors(&self, token: &IssuedToken, request: &TokenRequest, keys: &CacheKeys) -> Vec<Put> {
        let is_taken = |name: &str| {
            let mut inputs = request.meta.grants.iter().flat_map(|grant| grant.inputs);
            request.meta.credentials.iter().any(|field| field.name == name)
                || inputs.any(|input| input.name == name && input.kind == InputKind::Secret)
        };
        let life = token.left.unwrap_or(KEEP_WITHOUT_EXPIRY);
        let secrets = token.token.server_parameters.iter().filter(|(name, _)| is_taken(name));
        let note = |(name, secret): &(Cow<'static, str>, Secret)| {
            let key = successor(request, name, secret.expose(), &self.keyring);
            let note = Record::successor(keys.request, keys.store_key());
            // The same secret again: the place holds the token itself.
            (key != keys.store_key()).then_some(Put { key, value: note.seal(&self.keyring, key)?, life })
        };
        secrets.filter_map(note).collect()
    }

    /// Stores a new token, if it lives long enough to be handed out again, and releases the lease.
    /// `also` is put in any case, unless another node was first.
    pub(super) async fn keep(
        &self,
        token: &IssuedToken,
        keys: &CacheKeys,
        lease: Option<Owner>,
        also: Vec<Put>,
    ) -> Kept {
        let (key, left) = (keys.store_key(), token.left.unwrap_or(KEEP_WITHOUT_EXPIRY));
        let record = Record::token(keys.request, token, left);
        let sealed = if left > MARGIN { record.seal(&self.keyring, key) } else { None };
        let put = match (sealed, lease) {
            (Some(value), Some(owner)) => {
                self.store.put_all_and_release(owner, Put { key, value, life: left }, also).await
            }
            (sealed, lease) => {
                let token = sealed.map(|value| Put { key, value, life: left });
                for put in also.into_iter().chain(token) {
                    let _ = self.store.put(put.key, put.value, put.life).await;
                }
                match lease {
                    Some(owner) => self.store.release(key, owner).await.map(|()| true),
                    None => Ok(true),
                }
            }
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
