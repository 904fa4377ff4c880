//! A token's life between two calls: kept by reference, shared where that is right, made once, never handed out dead.

use std::{sync::Arc, time::Duration};

use connectors::{Audience, Error, Kind, Result, Secret, Token};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use crate::{
    Clock, Order, Pass,
    flights::Flights,
    keyring::Keyring,
    names::Names,
    store::{Claim, Fingerprint, Found, Owner, Place, Store},
};

/// A kept token with this much life or less is not handed out again: it would die on its way.
const MARGIN: Duration = Duration::from_secs(5);
/// A shared token is replaced, while it is still served, before the last tenth of its life or this, whichever is less.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// How long a token without an end is kept for its reference.
const KEEP_UNENDING: Duration = Duration::from_secs(900);
/// How long a rejection of credentials is remembered.
const REMEMBER_REJECTION: Duration = Duration::from_secs(3);
/// The right to make a token, across nodes: renewed every third of this by a node that lives.
const LEASE: Duration = Duration::from_secs(3);
/// How often a node that waits for another looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How soon a shared token is replaced again, whatever came of the last time: a vendor that is down is not asked at each call.
const REFRESH_EVERY: Duration = Duration::from_secs(3);
/// Time for replacing a shared token, which nobody waits for.
const REFRESH_DEADLINE: Duration = Duration::from_secs(30);
/// How many dead flights (a defect that panics) one caller sits through.
const MAX_FLIGHTS: usize = 3;

/// Makes tokens, for whoever keeps them.
pub(crate) trait Mint: Send + Sync + 'static {
    /// Talks to the vendor.
    fn mint(&self, order: &Order, deadline: Instant) -> impl Future<Output = Minted> + Send;
}

/// What came of talking to the vendor.
#[derive(Clone)]
pub(crate) struct Minted {
    /// The token, or why there is none.
    pub result: Result<Pass>,
    /// Calls that were made.
    pub attempts: u32,
    /// Time spent on them.
    pub vendor_time: Duration,
}

/// What a caller gets, and how.
pub(crate) struct Obtained {
    /// The token.
    pub pass: Pass,
    /// Whether the same reference got it before.
    pub replayed: bool,
}

/// Keeps tokens.
pub(crate) struct Life<M> {
    shelf: Arc<Shelf>,
    mint: Arc<M>,
    flights: Flights<Key, Landed>,
    /// Each until a moment of the clock that only goes forwards.
    rejected: Cache<[u8; 32], (Error, Duration)>,
    refreshed: Cache<Place, Duration>,
}

/// The store, and what it takes to use it.
struct Shelf {
    store: Arc<dyn Store>,
    keys: Keyring,
    clock: Arc<dyn Clock>,
}

/// A flight is for one place and one wish: who wants a new token is not served by a flight that may find an old one.
type Key = (Place, Wish);

#[derive(Clone)]
struct Landed {
    request: [u8; 32],
    minted: Minted,
    /// Taken from the store, where another node had put it.
    from_store: bool,
}

/// Where a new token is kept.
enum Kept {
    /// As it was made.
    Here,
    /// Another node put its own first.
    Elsewhere,
}

/// What is kept, sealed, in the store.
#[derive(Serialize, Deserialize)]
struct Record {
    request: [u8; 32],
    /// Nothing where only the use of a reference is noted.
    pass: Option<PassRecord>,
}

#[derive(Serialize, Deserialize)]
struct PassRecord {
    token: Zeroizing<String>,
    token_type: String,
    scopes: Vec<String>,
    client_parameters: Vec<(String, String)>,
    server_parameters: Vec<(String, Zeroizing<String>)>,
    expires_at: Option<i64>,
    life_ms: u64,
    status: u16,
}

impl<M: Mint> Life<M> {
    pub fn new(mint: Arc<M>, store: Arc<dyn Store>, keys: Keyring, clock: Arc<dyn Clock>) -> Self {
        let rejected = Cache::builder().max_capacity(10_000).time_to_live(REMEMBER_REJECTION).build();
        let refreshed = Cache::builder().max_capacity(100_000).time_to_live(REFRESH_EVERY).build();
        Self { shelf: Arc::new(Shelf { store, keys, clock }), mint, flights: Flights::default(), rejected, refreshed }
    }

    /// The names of an order.
    pub fn names(&self, order: &Order) -> Names {
        Names::of(order, &self.shelf.keys)
    }

    /// Waits until the store answers, for this long at most; whether it does.
    pub async fn wait_for_store(&self, limit: Duration) -> bool {
        self.shelf.store.wait_until_up(limit).await
    }

    /// Forgets everything about these credentials.
    pub async fn forget(&self, fingerprint: Fingerprint) -> Result<u64> {
        self.rejected.invalidate_all();
        self.shelf
            .store
            .forget(fingerprint)
            .await
            .map_err(|_| Error::new(Kind::Unavailable, "the store does not answer; nothing was forgotten"))
    }

    /// The token for an order: a kept one where that is right, else a new one, made once for everybody who waits for it.
    ///
    /// `fresh` asks for a new SERVER token. `spent` tells what talking to the vendor took, where this call started it.
    pub async fn obtain(
        &self,
        order: Arc<Order>,
        names: Arc<Names>,
        fresh: bool,
        deadline: Instant,
        spent: &mut (u32, Duration),
    ) -> Result<Obtained> {
        let shared = order.audience == Audience::Server;
        let fresh = fresh && shared;
        let noted = self.shelf.get(&names.reference).await;
        if let Some((kept, _)) = &noted {
            same_request(&kept.request, &names)?;
        }
        let replayed = noted.is_some();
        if !shared && let Some(pass) = noted.and_then(|(kept, left)| self.shelf.pass(kept, left, &order)) {
            count("replay");
            return Ok(Obtained { pass, replayed: true });
        }
        if shared
            && !fresh
            && let Some((kept, left)) = self.shelf.get(&names.shared).await
        {
            let life = kept.pass.as_ref().map_or(0, |pass| pass.life_ms);
            if let Some(pass) = self.shelf.pass(kept, left, &order) {
                if is_due(Duration::from_millis(life), pass.left.unwrap_or(left), jitter()) {
                    self.refresh(&order, &names);
                }
                count("hit");
                if !replayed {
                    self.shelf.note(&names, left).await;
                }
                return Ok(Obtained { pass, replayed });
            }
        }
        count("miss");
        if !fresh
            && let Some((error, until)) = self.rejected.get(&names.credentials)
            && until > self.shelf.clock.elapsed()
        {
            count("rejection_remembered");
            return Err(error);
        }
        let mut flights = 0;
        loop {
            let seat = self.board(&order, &names, fresh, deadline);
            let started = seat.started;
            let Ok(landed) = timeout_at(deadline, seat.result()).await else {
                return Err(Error::new(Kind::Timeout, "the connector did not answer in time"));
            };
            // A flight that died leaves no result; somebody has to start the next.
            let Some(Landed { request, minted, from_store }) = landed else {
                flights += 1;
                if flights < MAX_FLIGHTS {
                    continue;
                }
                return Err(Error::new(Kind::Internal, "the exchange with the connector ended in a defect"));
            };
            if started {
                *spent = (minted.attempts, minted.vendor_time);
            } else {
                count("coalesced");
            }
            return match minted.result {
                Ok(pass) => {
                    same_request(&request, &names).or_else(|error| if shared { Ok(()) } else { Err(error) })?;
                    if shared && !replayed {
                        self.shelf.note(&names, pass.left.unwrap_or(KEEP_UNENDING)).await;
                    }
                    Ok(Obtained { pass, replayed: !shared && (!started || from_store) })
                }
                // The leader had less time than we have, or asked for something else under the same reference.
                Err(error)
                    if !started
                        && (error.kind == Kind::Timeout || request != names.request)
                        && Instant::now() < deadline =>
                {
                    continue;
                }
                Err(error) => Err(error),
            };
        }
    }

    fn refresh(&self, order: &Arc<Order>, names: &Arc<Names>) {
        let Some(place) = names.shared.first() else { return };
        let now = self.shelf.clock.elapsed();
        if self.refreshed.get(place).is_some_and(|until| until > now) {
            return;
        }
        self.refreshed.insert(*place, now + REFRESH_EVERY);
        let (shelf, mint, order, names) = (self.shelf.clone(), self.mint.clone(), order.clone(), names.clone());
        let seat = self.flights.board(&(*place, Wish::Replace), || async move {
            count("refresh");
            let deadline = Instant::now() + REFRESH_DEADLINE;
            shelf.make(&*mint, &order, &names, Wish::Replace, deadline).await
        });
        drop(seat);
    }

    fn board(
        &self,
        order: &Arc<Order>,
        names: &Arc<Names>,
        fresh: bool,
        deadline: Instant,
    ) -> crate::flights::Seat<Landed> {
        // A ring has a key, so there is a place.
        let nowhere = Place { fingerprint: names.fingerprint, slot: names.request };
        let place = names.token().first().copied().unwrap_or(nowhere);
        let (shelf, mint, order, names) = (self.shelf.clone(), self.mint.clone(), order.clone(), names.clone());
        let rejected = self.rejected.clone();
        let wish = if fresh { Wish::New } else { Wish::Any };
        self.flights.board(&(place, wish), || async move {
            let landed = shelf.make(&*mint, &order, &names, wish, deadline).await;
            if let Err(error) = &landed.minted.result
                && error.kind == Kind::CredentialsRejected
            {
                rejected.insert(names.credentials, (error.clone(), shelf.clock.elapsed() + REMEMBER_REJECTION));
            }
            landed
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Wish {
    /// What is there will do.
    Any,
    /// A new one, now.
    New,
    /// A new one, unless another node is making it, or has just made it.
    Replace,
}

impl Shelf {
    /// One flight: the right to make the token, the exchange, the token into the store.
    async fn make<M: Mint>(&self, mint: &M, order: &Order, names: &Names, wish: Wish, deadline: Instant) -> Landed {
        let places = names.token();
        let landed = |minted, from_store| Landed { request: names.request, minted, from_store };
        let without_call = |result| Minted { result, attempts: 0, vendor_time: Duration::ZERO };
        let (Some(place), mut owner) = (places.first().copied(), Owner::default()) else {
            return landed(without_call(Err(Error::new(Kind::Internal, "the token has no name"))), false);
        };
        let _ = getrandom::fill(&mut owner);

        let mut look_at = if wish == Wish::Any { places } else { &[] };
        let mut ours = false;
        loop {
            // A new one is made whoever else makes one.
            if wish == Wish::New {
                break;
            }
            match self.store.claim(look_at, place, owner, LEASE).await {
                Ok(Claim::Found(found)) => {
                    let kept = self.open(&found);
                    let pass = kept.and_then(|kept| {
                        let request = kept.request;
                        Some((request, self.pass(kept, found.left, order)?))
                    });
                    if let Some((request, pass)) = pass {
                        return Landed { request, ..landed(without_call(Ok(pass)), true) };
                    }
                    // Dying, or not readable: as good as absent.
                    look_at = &[];
                }
                Ok(Claim::Ours) => {
                    ours = true;
                    break;
                }
                Ok(Claim::Theirs(_)) if wish == Wish::Replace => {
                    let error = Error::new(Kind::Unavailable, "another node is making the token");
                    return landed(without_call(Err(error)), false);
                }
                Ok(Claim::Theirs(left)) => {
                    if Instant::now() >= deadline {
                        let error = Error::new(Kind::Timeout, "another node did not make the token in time");
                        return landed(without_call(Err(error)), false);
                    }
                    sleep(left.min(LOOK_EVERY)).await;
                    look_at = places;
                }
                Err(_) => {
                    count("store_error");
                    break;
                }
            }
        }

        if ours
            && wish == Wish::Replace
            && let Some((kept, left)) = self.get(places).await
            && let life = kept.pass.as_ref().map_or(0, |pass| pass.life_ms)
            && let Some(pass) = self.pass(kept, left, order)
            && !is_due(Duration::from_millis(life), pass.left.unwrap_or(left), MOST_JITTER)
        {
            let _ = self.store.give_up(place, owner).await;
            return landed(without_call(Ok(pass)), true);
        }

        let minted = {
            let minting = mint.mint(order, deadline);
            if ours { self.while_renewing(place, owner, minting).await } else { minting.await }
        };
        match &minted.result {
            Ok(pass) => match self.keep(pass, place, names, ours.then_some(owner)).await {
                Kept::Here => {}
                // Our right had passed to another node, and it was first: everybody hands out the same token.
                Kept::Elsewhere => {
                    if let Some((kept, left)) = self.get(places).await
                        && let request = kept.request
                        && let Some(pass) = self.pass(kept, left, order)
                    {
                        return Landed { request, ..landed(Minted { result: Ok(pass), ..minted }, true) };
                    }
                }
            },
            Err(_) if ours => {
                let _ = self.store.give_up(place, owner).await;
            }
            Err(_) => {}
        }
        landed(minted, false)
    }

    /// Keeps the right for as long as it takes.
    async fn while_renewing<T>(&self, place: Place, owner: Owner, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                sleep(LEASE / 3).await;
                let _ = self.store.renew(place, owner, LEASE).await;
            }
        };
        tokio::select! {
            done = work => done,
            never = renewing => match never {},
        }
    }

    /// Puts a token into the store, if it lives long enough to be handed out again.
    async fn keep(&self, pass: &Pass, place: Place, names: &Names, owner: Option<Owner>) -> Kept {
        let left = pass.left.unwrap_or(KEEP_UNENDING);
        let record = Record { request: names.request, pass: Some(PassRecord::of(pass, left)) };
        let sealed = if left > MARGIN { self.seal(place, &record) } else { None };
        let put = match (sealed, owner) {
            (Some(sealed), Some(owner)) => self.store.settle(place, owner, sealed, left).await,
            (Some(sealed), None) => self.store.put(place, sealed, left).await.map(|()| true),
            (None, Some(owner)) => self.store.give_up(place, owner).await.map(|()| true),
            (None, None) => Ok(true),
        };
        match put {
            Ok(false) => Kept::Elsewhere,
            Ok(true) => Kept::Here,
            Err(_) => {
                count("store_error");
                Kept::Here
            }
        }
    }

    /// Notes that a reference was used for a request, for as long as its token lives.
    async fn note(&self, names: &Names, left: Duration) {
        let Some(place) = names.reference.first().copied() else { return };
        if let Some(sealed) = self.seal(place, &Record { request: names.request, pass: None })
            && self.store.put(place, sealed, left).await.is_err()
        {
            count("store_error");
        }
    }

    async fn get(&self, places: &[Place]) -> Option<(Record, Duration)> {
        match self.store.get(places).await {
            Ok(found) => found.and_then(|found| Some((self.open(&found)?, found.left))),
            Err(_) => {
                count("store_error");
                None
            }
        }
    }

    fn seal(&self, place: Place, record: &Record) -> Option<Vec<u8>> {
        let json = Zeroizing::new(serde_json::to_vec(record).ok()?);
        self.keys.seal(&place.slot, &json)
    }

    fn open(&self, found: &Found) -> Option<Record> {
        let json = self.keys.open(&found.place.slot, &found.value).map(Zeroizing::new);
        let kept = json.and_then(|json| serde_json::from_slice(&json).ok());
        if kept.is_none() {
            count("sealed_value_refused");
        }
        kept
    }

    /// A kept token as it may be handed out now: what is left of it is the least of what the wall clock and the store say.
    fn pass(&self, record: Record, left: Duration, order: &Order) -> Option<Pass> {
        let kept = record.pass?;
        let left = match kept.expires_at {
            None => None,
            Some(expires_at) => {
                let by_wall = expires_at.checked_mul(1000)?.checked_sub(self.clock.now().as_millisecond())?;
                let left = left.min(Duration::from_millis(u64::try_from(by_wall).ok()?));
                Some(left).filter(|left| *left > MARGIN).map(Some)?
            }
        };
        let token = Token {
            value: Secret::from(kept.token.as_str()),
            token_type: kept.token_type,
            expiry: kept.expires_at.map_or(connectors::Expiry::Unpublished, |at| {
                connectors::Expiry::at_epoch(at).unwrap_or(connectors::Expiry::Unpublished)
            }),
            scopes: kept.scopes,
            client_parameters: kept.client_parameters.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            server_parameters: kept
                .server_parameters
                .into_iter()
                .map(|(name, value)| (name.into(), Secret::from(value.as_str())))
                .collect(),
        };
        Some(Pass {
            token,
            grant: order.grant.name,
            audience: order.audience,
            expires_at: kept.expires_at,
            left,
            status: kept.status,
        })
    }
}

impl PassRecord {
    fn of(pass: &Pass, left: Duration) -> Self {
        let token = &pass.token;
        Self {
            token: Zeroizing::new(token.value.expose().into()),
            token_type: token.token_type.clone(),
            scopes: token.scopes.clone(),
            client_parameters: token
                .client_parameters
                .iter()
                .map(|(name, value)| (name.clone().into_owned(), value.clone()))
                .collect(),
            server_parameters: token
                .server_parameters
                .iter()
                .map(|(name, value)| (name.clone().into_owned(), Zeroizing::new(value.expose().into())))
                .collect(),
            expires_at: pass.expires_at,
            life_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            status: pass.status,
        }
    }
}

/// Whether a shared token should be replaced while it is still good.
fn is_due(life: Duration, left: Duration, jitter: u32) -> bool {
    let window = (life / 10).min(REFRESH_BEFORE);
    left <= window + window * jitter / 256
}

/// Most that the moment of replacing moves, in parts of 256: nodes should not all do it at once.
const MOST_JITTER: u32 = 63;

fn jitter() -> u32 {
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    u32::from(random[0]) % (MOST_JITTER + 1)
}

fn same_request(request: &[u8; 32], names: &Names) -> Result<()> {
    if *request == names.request {
        return Ok(());
    }
    Err(Error::new(
        Kind::ReferenceReused,
        "this merchant_access_token_id was used for another request, and its token still lives",
    ))
}

fn count(event: &'static str) {
    metrics::counter!("daypass_kept_tokens_total", "event" => event).increment(1);
}
