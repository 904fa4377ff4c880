//! The token cache: a stored token, or one fetch for all callers that ask for the same token at the
//! same time. The engine uses it; it uses the store, and it is handed the exchange as a function.

mod events;
mod fetch;
mod form;
mod issuance;
pub(crate) mod keyring;
mod keys;
mod mint;
pub(crate) mod query;
mod recent;
mod record;
mod refresh;
mod sealed_store;
mod single_flight;

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use connectors::{Error, Kind, Result};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    cache::{
        events::{CacheEvent, CacheEvents},
        fetch::{Fetched, Fetcher, Source},
        keyring::Keyring,
        keys::{CacheKeys, exchanges_secret, is_shared},
        query::{Freshness, Query},
        recent::Recent,
        record::{Content, tag},
        refresh::{Jitter, is_due},
        sealed_store::{KEEP_WITHOUT_EXPIRY, Noted, ReferenceUse, SealedStore},
        single_flight::{Role, SingleFlight, Waiter},
    },
    clock::Clock,
    issued::IssuedToken,
    random,
    report::ConnectorUse,
    request::validated::TokenRequest,
    spans,
    store::{Fingerprint, Store, StoreError, StoreKey, redis::trouble::StoreState},
};

/// The shortest time between two background refreshes of one token, also after a failure: a
/// connector that is down is not called by each caller.
const REFRESH_EVERY: Duration = Duration::from_secs(3);
/// The time for a background refresh. No caller waits for all of it.
const REFRESH_DEADLINE: Duration = Duration::from_secs(30);
/// How long a caller waits for a background refresh where the stored token lives for less than it
/// wants, and half of its own time at most: the stored token is still good.
const WAIT_FOR_NEWER: Duration = Duration::from_secs(2);
/// How many times one caller joins a fetch that panics.
const MAX_FETCHES: usize = 3;
/// Most tokens whose last background refresh is remembered.
const MAX_REFRESHES: usize = 100_000;

/// The token cache of one node.
pub(crate) struct TokenCache {
    fetcher: Arc<Fetcher>,
    in_flight: SingleFlight<FlightKey, Fetched>,
    /// The tokens that are not refreshed again for a moment.
    refreshed: Recent<StoreKey, ()>,
}

/// The key of a fetch. A caller that wants a new token must not receive a stored one: the freshness
/// is in the key. So is what sets apart fetches of one place (see [`flight_key`]).
#[derive(Clone, PartialEq, Eq)]
struct FlightKey(StoreKey, Freshness, [u8; 32]);

impl std::hash::Hash for FlightKey {
    /// The parts add up in the hasher, so that fetches of one place are spread too.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        let [a, b, c, d, e, f, g, h, ..] = self.2;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The cache's answer to one caller.
pub(crate) struct Answer {
    pub token: IssuedToken,
    /// Whether the same reference received this token before.
    pub replayed: bool,
}

/// The stored values for a query.
enum Lookup {
    Hit(Answer),
    /// There is a token, which lives for less than the caller wants, and it is being replaced.
    Short(Waiter<Fetched>, Option<Noted>),
    /// The note of the reference, where there is one.
    Miss(Option<Noted>),
}

impl TokenCache {
    pub(crate) fn new(store: Arc<dyn Store>, keyring: Keyring, clock: Arc<dyn Clock>) -> Self {
        let refreshed = Recent::new(REFRESH_EVERY, MAX_REFRESHES);
        let fetcher = Arc::new(Fetcher::new(SealedStore { store, keyring, clock, events: CacheEvents::default() }));
        Self { fetcher, in_flight: SingleFlight::default(), refreshed }
    }

    /// The cache keys of a request.
    pub(crate) fn keys(&self, request: &TokenRequest) -> CacheKeys {
        CacheKeys::of(request, &self.sealed().keyring)
    }

    /// The token for a query: a stored one where that is legal, else the result of one fetch for
    /// all callers that wait for it.
    ///
    /// `connector_use` receives what the exchange took, where this call started it.
    pub(crate) async fn get_or_fetch(&self, query: &Query, connector_use: &mut ConnectorUse) -> Result<Answer> {
        let shared = is_shared(&query.request);
        // The token of a repeated call, without a fetch.
        if !shared && let Some(stored) = self.fetcher.at_hand(query) {
            self.sealed().events.count(event(query, &stored, Role::Started));
            return self.answer(query, stored, Role::Started, None).await;
        }
        // A caller that can join a fetch does not ask the store: many callers for one token cause
        // one read.
        let noted = match shared && !self.in_flight.contains(&flight_key(query)) {
            false => None,
            true => match self.look_up_traced(query).await? {
                Lookup::Hit(answer) => return Ok(answer),
                Lookup::Miss(noted) => noted,
                Lookup::Short(refresh, noted) => {
                    if let Some(answer) = self.newer(query, refresh, noted, connector_use).await? {
                        return Ok(answer);
                    }
                    let any = Query { wanted_left: None, ..query.clone() };
                    match self.look_up_traced(&any).await? {
                        Lookup::Hit(answer) => return Ok(answer),
                        Lookup::Miss(noted) | Lookup::Short(_, noted) => noted,
                    }
                }
            },
        };
        let mut ended_without_result = 0;
        loop {
            let waiter = self.join(query);
            let role = waiter.role;
            let result = pin!(waiter.result());
            let result = result.instrument(spans::flight(role == Role::Started));
            let Ok(fetched) = timeout_at(query.deadline, result).await else {
                return Err(Error::new(Kind::Timeout, "the connector did not answer in time"));
            };
            // A fetch that panicked has no result: the next waiter starts another one.
            let Some(fetched) = fetched else {
                ended_without_result += 1;
                if ended_without_result < MAX_FETCHES {
                    continue;
                }
                return Err(Error::new(Kind::Internal, "the exchange with the connector ended in a defect"));
            };
            if role == Role::Started {
                *connector_use = fetched.exchanged.connector_use;
            }
            self.sealed().events.count(event(query, &fetched, role));
            match &fetched.exchanged.result {
                // The caller that started the fetch had less time than this one, or asked for
                // something else under the same reference.
                Err(error)
                    if role == Role::Joined
                        && (error.kind == Kind::Timeout || fetched.request != query.keys.request)
                        && Instant::now() < query.deadline => {}
                _ => return self.answer(query, fetched, role, noted).await,
            }
        }
    }

    async fn look_up_traced(&self, query: &Query) -> Result<Lookup> {
        pin!(self.look_up(query)).instrument(spans::lookup()).await
    }

    /// A shared token in the store. A token that is due is handed out and refreshed.
    async fn look_up(&self, query: &Query) -> Result<Lookup> {
        let (sealed, keys) = (self.sealed(), &query.keys);
        let mut stored = sealed.look(keys).await;
        let noted = match stored.note.take() {
            None => None,
            Some((note, left)) => {
                keys.same_request(&note.request)?;
                Some(Noted { left, tag: note.tag })
            }
        };
        let one_secret = exchanges_secret(&query.request);
        if query.freshness == Freshness::CacheOk
            && let Some((record, left)) = stored.token
            && (!one_secret || record.request == keys.request)
            && let Content::Token(record) = record.content
            && let (lifetime, tag) = (record.lifetime(), record.tag())
            && let Some(token) = sealed.issue(record, left, &query.request)
        {
            if !one_secret
                && let Some(other) = noted.and_then(|noted| noted.tag).filter(|noted| *noted != tag)
                && let Some(token) = sealed.replaced(keys, other, &query.request).await
            {
                sealed.events.count(CacheEvent::Hit);
                return Ok(Lookup::Hit(Answer { token, replayed: true }));
            }
            // A token that costs another one, or a secret, is not made ahead.
            let token_left = token.left.unwrap_or(left);
            if !one_secret
                && is_due(lifetime, token_left, Jitter::random())
                && let Some(refresh) = self.refresh(query)
                && query.is_short(token_left)
            {
                return Ok(Lookup::Short(refresh, noted));
            }
            sealed.events.count(CacheEvent::Hit);
            let replayed = sealed.note_use(keys, noted, left, tag).await? == ReferenceUse::Repeated;
            return Ok(Lookup::Hit(Answer { token, replayed }));
        }
        Ok(Lookup::Miss(noted))
    }

    /// One caller's answer from the result of a fetch.
    async fn answer(&self, query: &Query, fetched: Fetched, role: Role, noted: Option<Noted>) -> Result<Answer> {
        let token = fetched.exchanged.result?;
        let received_before = fetched.source == Source::Store || role == Role::Joined;
        if !is_shared(&query.request) {
            query.keys.same_request(&fetched.request)?;
            return Ok(Answer { token, replayed: received_before });
        }
        let left = token.left.unwrap_or(KEEP_WITHOUT_EXPIRY);
        let tag = tag(token.token.value.expose());
        let repeated = self.sealed().note_use(&query.keys, noted, left, tag).await? == ReferenceUse::Repeated;
        let replayed = repeated && query.freshness == Freshness::CacheOk && received_before;
        Ok(Answer { token, replayed })
    }

    /// The result of a background refresh for a caller that wants it. `None` where it comes too late,
    /// failed, or lives for no longer than wanted either.
    async fn newer(
        &self,
        query: &Query,
        refresh: Waiter<Fetched>,
        noted: Option<Noted>,
        connector_use: &mut ConnectorUse,
    ) -> Result<Option<Answer>> {
        let now = Instant::now();
        let until = now + (query.deadline.saturating_duration_since(now) / 2).min(WAIT_FOR_NEWER);
        let role = refresh.role;
        let result = pin!(refresh.result());
        let result = result.instrument(spans::flight(role == Role::Started));
        let Ok(Some(fetched)) = timeout_at(until, result).await else { return Ok(None) };
        if role == Role::Started {
            *connector_use = fetched.exchanged.connector_use;
        }
        match &fetched.exchanged.result {
            Ok(token) if !token.left.is_some_and(|left| query.is_short(left)) => {
                self.sealed().events.count(event(query, &fetched, role));
                self.answer(query, fetched, role, noted).await.map(Some)
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Starts a background refresh, or joins the one that runs. It goes on where nobody waits for it. `None`
    /// where one ended a moment ago.
    fn refresh(&self, query: &Query) -> Option<Waiter<Fetched>> {
        let deadline = Instant::now() + REFRESH_DEADLINE;
        let query = Query { freshness: Freshness::BackgroundRefresh, deadline, ..query.clone() };
        let now = self.sealed().clock.elapsed();
        let key = query.keys.store_key();
        if self.refreshed.get(&key, now).is_none() {
            self.refreshed.insert(key, (), now);
            self.sealed().events.count(CacheEvent::Refresh);
        } else if !self.in_flight.contains(&flight_key(&query)) {
            return None;
        }
        Some(self.join(&query))
    }

    /// Joins the fetch for this key, or starts it.
    fn join(&self, query: &Query) -> Waiter<Fetched> {
        self.in_flight.join(&flight_key(query), || {
            let (fetcher, query) = (self.fetcher.clone(), query.clone());
            async move { fetcher.fetch(&query).await }
        })
    }

    /// Deletes every stored token of these credentials, on every node.
    pub(crate) async fn forget(&self, credentials: &[Fingerprint]) -> Result<u64> {
        self.fetcher.forget_rejections();
        let (mut values, mut unconfirmed) = (0, BTreeSet::new());
        for fingerprint in credentials {
            let forgotten = self.sealed().store.forget(*fingerprint).await.map_err(|StoreError| {
                Error::new(Kind::Unavailable, "the store did not confirm; not everything is forgotten: try again")
            })?;
            values += forgotten.values;
            unconfirmed.extend(forgotten.unconfirmed);
        }
        if unconfirmed.is_empty() {
            return Ok(values);
        }
        let (count, nodes) = (unconfirmed.len(), Vec::from_iter(unconfirmed).join(", "));
        Err(Error::new(
            Kind::Unavailable,
            format!(
                "{values} forgotten in the store, but {count} node(s) did not confirm, and may hand out what they remember: \
                 {nodes}; try again, and take a node that has ended off the list with HDEL daypass-nodes <node>"
            ),
        ))
    }

    /// Waits until the store answers, for this long at most; returns whether it does.
    pub(crate) async fn wait_for_store(&self, limit: Duration) -> bool {
        self.sealed().store.wait_until_up(limit).await
    }

    /// Whether the store answers now.
    pub(crate) fn is_store_up(&self) -> bool {
        self.sealed().store.is_complete()
    }

    /// The state of the store.
    pub(crate) fn store_state(&self) -> StoreState {
        self.sealed().store.state()
    }

    /// Takes this node off the shared store's list.
    pub(crate) async fn leave_store(&self) {
        self.sealed().store.leave().await;
    }

    fn sealed(&self) -> &SealedStore {
        &self.fetcher.minter.sealed
    }
}

/// Calls that may share a fetch have one key: not calls for single-use tokens, and not calls that
/// exchange one secret for tokens of different inputs.
fn flight_key(query: &Query) -> FlightKey {
    let mut apart = [0; 32];
    if query.request.grant.single_use {
        apart = random::bytes();
    } else if exchanges_secret(&query.request) {
        apart = query.keys.request;
    }
    FlightKey(query.keys.store_key(), query.freshness, apart)
}

/// The event of a call that waited for a fetch, in this role.
fn event(query: &Query, fetched: &Fetched, role: Role) -> CacheEvent {
    match (role, fetched.source) {
        (Role::Joined, _) => CacheEvent::Coalesced,
        (Role::Started, Source::Store) if is_shared(&query.request) => CacheEvent::Hit,
        (Role::Started, Source::Store) => CacheEvent::Replay,
        (Role::Started, Source::Exchange) => CacheEvent::Miss,
    }
}
