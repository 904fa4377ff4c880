//! One fetch: the lease on the token, the exchange, and the new token into the store. It runs once
//! for all callers that wait for the token.

use std::{pin::pin, time::Duration};

use connectors::{Error, Kind};
use tokio::time::{Instant, sleep};

use crate::{
    cache::{
        events::CacheEvent,
        keys::{ends_earlier, exchanges_secret, reference_reused},
        mint::{Minted, Minter},
        query::{Freshness, Query},
        recent::Recent,
        record::Content,
        refresh::{Jitter, is_due},
        sealed_store::{Kept, SealedStore},
    },
    issued::{Exchanged, IssuedToken},
    random,
    store::{LeaseOutcome, Owner, Put, StoreError, StoreKey, StoredValue},
};

/// How long a rejection of credentials is remembered.
const REMEMBER_REJECTION: Duration = Duration::from_secs(3);
/// Most rejections that are remembered.
const MAX_REJECTIONS: usize = 10_000;
/// How long a lease lasts without renewal. Its holder renews it every third of this.
const LEASE: Duration = Duration::from_secs(3);

/// Fetches tokens.
pub(super) struct Fetcher {
    /// Makes tokens where none is stored; it has the store.
    pub minter: Minter,
    /// The errors of rejected credentials.
    rejected: Recent<[u8; 32], Error>,
}

/// The result of a fetch.
#[derive(Clone)]
pub(super) struct Fetched {
    /// The digest of the request that the token was made for.
    pub request: [u8; 32],
    /// The token or the error.
    pub exchanged: Exchanged,
    /// The origin of the result.
    pub source: Source,
}

/// The origin of a fetch's result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The store, where another node or an earlier call had put the token.
    Store,
    /// The exchange, or no call at all.
    Exchange,
}

/// The right to make a token, across nodes.
enum Lease {
    /// There is a stored token already.
    Hit(Box<Fetched>),
    /// This fetch holds the lease and renews it.
    Acquired,
    /// Another node still held the lease at the deadline.
    TimedOut,
    /// No lease is needed: the store does not answer, or a new token is wanted in any case.
    Skipped,
}

impl Fetcher {
    pub(super) fn new(sealed: SealedStore) -> Self {
        Self { minter: Minter::new(sealed), rejected: Recent::new(REMEMBER_REJECTION, MAX_REJECTIONS) }
    }

    /// Forgets which credentials were rejected.
    pub(super) fn forget_rejections(&self) {
        self.rejected.clear();
    }

    /// A stored token, or a new one that is stored.
    pub(super) async fn fetch(&self, query: &Query) -> Fetched {
        let keys = &query.keys;
        let owner: Owner = random::unique();
        let fetched = |exchanged| Fetched { request: keys.request, exchanged, source: Source::Exchange };
        let lease = match self.acquire_lease(query, owner).await {
            Lease::Hit(hit) => return *hit,
            Lease::TimedOut => {
                let error = Error::new(Kind::Timeout, "another node did not make the token in time");
                return fetched(Exchanged::without_call(Err(error)));
            }
            Lease::Acquired => Some(owner),
            Lease::Skipped => None,
        };
        let rejection = match query.freshness {
            Freshness::CacheOk => self.remembered_rejection(query),
            Freshness::ForceNew | Freshness::BackgroundRefresh => None,
        };
        let Minted { exchanged, record } = match (rejection, lease) {
            (Some(error), _) => Minted { exchanged: Exchanged::without_call(Err(error)), record: None },
            (None, Some(owner)) => self.while_renewing(keys.store_key(), owner, pin!(self.minter.mint(query))).await,
            (None, None) => self.minter.mint(query).await,
        };
        match &exchanged.result {
            // Each call gets one of its own.
            Ok(_) if query.request.grant.single_use => {}
            Ok(token) => {
                let also = self.put_with(query, token, record).await;
                let kept = self.minter.sealed.keep(token, keys, lease, also).await;
                if let Kept::Theirs = kept
                    && ends_earlier(&query.request)
                {
                    let result = Err(self.minter.drop_both(query).await);
                    return fetched(Exchanged { result, ..exchanged });
                }
                // The lease had passed to another node, and that node was first: all nodes hand out
                // the same token.
                if let Kept::Theirs = kept
                    && let Some(hit) = self.read(query, None).await
                {
                    let exchanged = Exchanged { result: hit.exchanged.result, ..exchanged };
                    return Fetched { exchanged, ..hit };
                }
            }
            Err(error) => {
                if error.kind == Kind::CredentialsRejected && exchanged.connector_use.attempts > 0 {
                    let authenticated_as = keys.rejection(&query.request);
                    self.rejected.insert(authenticated_as, error.clone(), self.minter.sealed.clock.elapsed());
                }
                if let Some(Put { key, value, life }) = record {
                    let _ = self.minter.sealed.store.put(key, value, life).await;
                }
                if let Some(owner) = lease {
                    let _ = self.minter.sealed.store.release(keys.store_key(), owner).await;
                }
            }
        }
        fetched(exchanged)
    }

    /// The records that are put together with a new token.
    async fn put_with(&self, query: &Query, token: &IssuedToken, record: Option<Put>) -> Vec<Put> {
        let mut also: Vec<Put> = record.into_iter().collect();
        if ends_earlier(&query.request) {
            also.extend(self.minter.sealed.successors(token, &query.request, &query.keys));
        } else if query.freshness == Freshness::ForceNew {
            also.extend(self.minter.sealed.copy_of_replaced(&query.keys).await);
        }
        also
    }

    /// Acquires the lease, or finds that there is a stored token.
    async fn acquire_lease(&self, query: &Query, owner: Owner) -> Lease {
        let (store, key) = (&self.minter.sealed.store, query.keys.store_key());
        if query.request.grant.single_use {
            return Lease::Skipped;
        }
        let (read_first, wait_until, not_due_by) = match query.freshness {
            Freshness::ForceNew if ends_earlier(&query.request) => return self.lease_to_replace(query, owner).await,
            Freshness::ForceNew => return Lease::Skipped,
            Freshness::CacheOk => (query.keys.token(), query.deadline, None),
            Freshness::BackgroundRefresh => (&[][..], Instant::now(), Some(Jitter::MAX)),
        };
        let mut was_read = !read_first.is_empty();
        let mut outcome = store.acquire_lease(read_first, key, owner, LEASE, wait_until).await;
        if let Ok(LeaseOutcome::Found(stored)) = &outcome {
            if let Some(hit) = self.hit(query, stored, not_due_by) {
                return Lease::Hit(Box::new(hit));
            }
            // A value that is about to expire, or that cannot be read, counts as absent.
            was_read = false;
            outcome = store.acquire_lease(&[], key, owner, LEASE, wait_until).await;
        }
        match outcome {
            Err(StoreError) => Lease::Skipped,
            Ok(LeaseOutcome::Acquired) => {
                // Another node may have stored the token between the read and the lease.
                if !was_read && let Some(hit) = self.read(query, not_due_by).await {
                    let _ = store.release(key, owner).await;
                    return Lease::Hit(Box::new(hit));
                }
                Lease::Acquired
            }
            Ok(LeaseOutcome::Found(_) | LeaseOutcome::TimedOut) => Lease::TimedOut,
        }
    }

    /// Acquires the lease for a token that ends the stored one. Where another node makes one in the
    /// meantime, that is new enough.
    async fn lease_to_replace(&self, query: &Query, owner: Owner) -> Lease {
        let (store, key) = (&self.minter.sealed.store, query.keys.store_key());
        match store.acquire_lease(&[], key, owner, LEASE, Instant::now()).await {
            Ok(LeaseOutcome::Acquired) => return Lease::Acquired,
            Err(StoreError) => return Lease::Skipped,
            Ok(LeaseOutcome::Found(_) | LeaseOutcome::TimedOut) => {}
        }
        let before = store.get(query.keys.token()).await.unwrap_or_default();
        match store.acquire_lease(&[], key, owner, LEASE, query.deadline).await {
            Ok(LeaseOutcome::Acquired) => {}
            Err(StoreError) => return Lease::Skipped,
            Ok(LeaseOutcome::Found(_) | LeaseOutcome::TimedOut) => return Lease::TimedOut,
        }
        let after = store.get(query.keys.token()).await.unwrap_or_default();
        let mut new = after.iter().filter(|after| !before.iter().any(|before| before.value == after.value));
        match new.find_map(|stored| self.hit(query, stored, None)) {
            Some(hit) => {
                let _ = store.release(key, owner).await;
                Lease::Hit(Box::new(hit))
            }
            None => Lease::Acquired,
        }
    }

    /// The stored value as the result of a fetch, if it may be handed out. With `not_due_by`, a
    /// token that is due for a refresh with this jitter is no hit.
    fn hit(&self, query: &Query, stored: &StoredValue, not_due_by: Option<Jitter>) -> Option<Fetched> {
        let record = self.minter.sealed.open(stored)?;
        let request = record.request;
        // The place of a secret also holds tokens for other inputs, and notes of predecessors.
        let one_secret = query.request.grant.is_shared() && exchanges_secret(&query.request);
        if one_secret && (request != query.keys.request || matches!(record.content, Content::ReferenceNote)) {
            return None;
        }
        let fetched = |result, source| Some(Fetched { request, exchanged: Exchanged::without_call(result), source });
        let Content::Token(record) = record.content else {
            // A SERVER token was issued for this reference.
            return fetched(Err(reference_reused()), Source::Exchange);
        };
        let lifetime = record.lifetime();
        let token = self.minter.sealed.issue(record, stored.left, &query.request)?;
        if not_due_by.is_some_and(|jitter| is_due(lifetime, token.left.unwrap_or(stored.left), jitter)) {
            return None;
        }
        fetched(Ok(token), Source::Store)
    }

    /// The stored token of a query that may have one, where the store need not be asked for it.
    pub(super) fn at_hand(&self, query: &Query) -> Option<Fetched> {
        if query.freshness != Freshness::CacheOk || query.request.grant.single_use {
            return None;
        }
        let stored = self.minter.sealed.store.at_hand(query.keys.token())?;
        stored.iter().find_map(|stored| self.hit(query, stored, None))
    }

    /// Reads the store for a hit.
    async fn read(&self, query: &Query, not_due_by: Option<Jitter>) -> Option<Fetched> {
        let stored = self.minter.sealed.store.get(query.keys.token()).await.ok()?;
        stored.iter().find_map(|stored| self.hit(query, stored, not_due_by))
    }

    /// The error with which the connector has just rejected these credentials.
    fn remembered_rejection(&self, query: &Query) -> Option<Error> {
        let now = self.minter.sealed.clock.elapsed();
        // No name is computed where nothing was rejected of late.
        if self.rejected.is_empty(now) {
            return None;
        }
        let error = self.rejected.get(&query.keys.rejection(&query.request), now)?;
        self.minter.sealed.events.count(CacheEvent::RejectionRemembered);
        Some(error)
    }

    /// Renews the lease until the work is done.
    async fn while_renewing<T>(&self, key: StoreKey, owner: Owner, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                sleep(LEASE / 3).await;
                let _ = self.minter.sealed.store.renew(key, owner, LEASE).await;
            }
        };
        tokio::select! {
            done = work => done,
            never = renewing => match never {},
        }
    }
}
