//! A token's life between two calls: kept by reference, shared where that is right, made once, never handed out dead.

use std::{sync::Arc, time::Duration};

use connectors::{Audience, Error, Kind, Result, Secret, Token};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use crate::{
    Clock, Order, Pass,
    flights::{Flights, Seat},
    keyring::Keyring,
    names::Names,
    store::{Claim, Fingerprint, Found, Owner, Place, Store, StoreError},
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

impl Minted {
    fn without_call(result: Result<Pass>) -> Self {
        Self { result, attempts: 0, vendor_time: Duration::ZERO }
    }
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
    /// Until a moment of the clock that only goes forwards.
    refreshed: Cache<Place, Duration>,
}

/// The store, and what it takes to use it.
struct Shelf {
    store: Arc<dyn Store>,
    keys: Keyring,
    clock: Arc<dyn Clock>,
    /// Credentials that were rejected, each until a moment of the clock that only goes forwards.
    rejected: Cache<[u8; 32], (Error, Duration)>,
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

/// Whose it is to make a token.
enum Right {
    /// Nobody's: it is there.
    Needless(Landed),
    /// Ours alone, while we renew it.
    Ours,
    /// Another node's.
    Elsewhere(Error),
    /// Everybody's: there is no store to ask, or a new one is wanted in any case.
    Nobodys,
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

/// What one look at the store shows, each with the time until it is gone.
struct Look {
    note: Option<(Record, Duration)>,
    token: Option<(Record, Duration)>,
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
        let shelf = Arc::new(Shelf { store, keys, clock, rejected });
        Self { shelf, mint, flights: Flights::default(), refreshed }
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
    pub async fn forget(&self, credentials: &[Fingerprint]) -> Result<u64> {
        self.shelf.rejected.invalidate_all();
        let mut forgotten = 0;
        for fingerprint in credentials {
            forgotten += self.shelf.store.forget(*fingerprint).await.map_err(|StoreError| {
                Error::new(Kind::Unavailable, "the store does not answer; not everything is forgotten: try again")
            })?;
        }
        Ok(forgotten)
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
        let wish = if fresh && shared { Wish::New } else { Wish::Any };
        let mut noted = None;
        // Who can ride along asks the store nothing: a rush for one token is one look, not one for each caller.
        if shared && !self.flights.is_under_way(&(names.place(), wish)) {
            let kept = self.shelf.look(&names).await;
            if let Some((note, left)) = &kept.note {
                same_request(&note.request, &names)?;
                noted = Some(*left);
            }
            if wish == Wish::Any
                && let Some((record, left)) = kept.token
                && let life = record.life()
                && let Some(pass) = self.shelf.pass(record, left, &order)
            {
                count("hit");
                if is_due(life, pass.left.unwrap_or(left), jitter()) {
                    self.refresh(&order, &names);
                }
                let replayed = self.shelf.note(&names, noted, left).await?;
                return Ok(Obtained { pass, replayed });
            }
        }
        let mut flights = 0;
        loop {
            let seat = self.board(&order, &names, wish, deadline);
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
            }
            count(match (started, from_store, shared) {
                (false, ..) => "coalesced",
                (true, true, true) => "hit",
                (true, true, false) => "replay",
                (true, false, _) => "miss",
            });
            return match minted.result {
                Ok(pass) if shared => {
                    let left = pass.left.unwrap_or(KEEP_UNENDING);
                    let replayed = self.shelf.note(&names, noted, left).await?;
                    Ok(Obtained { pass, replayed: replayed && wish == Wish::Any && (from_store || !started) })
                }
                Ok(pass) => {
                    same_request(&request, &names)?;
                    Ok(Obtained { pass, replayed: !started || from_store })
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
        let now = self.shelf.clock.elapsed();
        if self.refreshed.get(&names.place()).is_some_and(|until| until > now) {
            return;
        }
        self.refreshed.insert(names.place(), now + REFRESH_EVERY);
        count("refresh");
        drop(self.board(order, names, Wish::Replace, Instant::now() + REFRESH_DEADLINE));
    }

    fn board(&self, order: &Arc<Order>, names: &Arc<Names>, wish: Wish, deadline: Instant) -> Seat<Landed> {
        let (shelf, mint, order, names) = (self.shelf.clone(), self.mint.clone(), order.clone(), names.clone());
        let key = (names.place(), wish);
        self.flights.board(&key, || async move { shelf.make(&*mint, &order, &names, wish, deadline).await })
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
    /// One flight: a kept token, or the right to make one, the exchange, the token into the store.
    async fn make<M: Mint>(&self, mint: &M, order: &Order, names: &Names, wish: Wish, deadline: Instant) -> Landed {
        let (place, mut owner) = (names.place(), Owner::default());
        let _ = getrandom::fill(&mut owner);
        let landed = |minted| Landed { request: names.request, minted, from_store: false };
        let right = match self.right(order, names, wish, owner, deadline).await {
            Right::Needless(kept) => return kept,
            Right::Elsewhere(error) => return landed(Minted::without_call(Err(error))),
            Right::Ours => true,
            Right::Nobodys => false,
        };
        let minted = match self.rejection(names).filter(|_| wish == Wish::Any) {
            Some(error) => Minted::without_call(Err(error)),
            None if right => self.while_renewing(place, owner, mint.mint(order, deadline)).await,
            None => mint.mint(order, deadline).await,
        };
        match &minted.result {
            Ok(pass) => match self.keep(pass, place, names, right.then_some(owner)).await {
                Kept::Here => {}
                // Our right had passed to another node, and it was first: everybody hands out the same token.
                Kept::Elsewhere => {
                    if let Some(kept) = self.kept(order, names, None).await {
                        return Landed { minted: Minted { result: kept.minted.result, ..minted }, ..kept };
                    }
                }
            },
            Err(error) => {
                if error.kind == Kind::CredentialsRejected && minted.attempts > 0 {
                    let until = self.clock.elapsed() + REMEMBER_REJECTION;
                    self.rejected.insert(names.credentials, (error.clone(), until));
                }
                if right {
                    let _ = self.store.give_up(place, owner).await;
                }
            }
        }
        landed(minted)
    }

    /// Who may make the token, or that it is there already.
    async fn right(&self, order: &Order, names: &Names, wish: Wish, owner: Owner, deadline: Instant) -> Right {
        let place = names.place();
        let (look_at, until, least) = match wish {
            // A new one is made whoever else makes one.
            Wish::New => return Right::Nobodys,
            Wish::Any => (names.token(), deadline, None),
            Wish::Replace => (&[][..], Instant::now(), Some(MOST_JITTER)),
        };
        let mut looked = !look_at.is_empty();
        let mut claimed = self.store.claim(look_at, place, owner, LEASE, until).await;
        if let Ok(Claim::Found(found)) = &claimed {
            if let Some(kept) = self.landed(order, found, least) {
                return Right::Needless(kept);
            }
            // Dying, or not readable: as good as absent.
            looked = false;
            claimed = self.store.claim(&[], place, owner, LEASE, until).await;
        }
        match claimed {
            Err(StoreError) => Right::Nobodys,
            Ok(Claim::Ours) => {
                // Another node may have made it in the meantime.
                if !looked && let Some(kept) = self.kept(order, names, least).await {
                    let _ = self.store.give_up(place, owner).await;
                    return Right::Needless(kept);
                }
                Right::Ours
            }
            Ok(_) => Right::Elsewhere(Error::new(Kind::Timeout, "another node did not make the token in time")),
        }
    }

    /// A flight's end with what the store holds, if it may be handed out and, where that matters, is not due to be replaced.
    fn landed(&self, order: &Order, found: &Found, jitter: Option<u32>) -> Option<Landed> {
        let record = self.open(found)?;
        let (request, life) = (record.request, record.life());
        if record.pass.is_none() {
            // A SERVER token was given for this reference.
            return Some(Landed { request, minted: Minted::without_call(Err(reused())), from_store: false });
        }
        let pass = self.pass(record, found.left, order)?;
        if jitter.is_some_and(|jitter| is_due(life, pass.left.unwrap_or(found.left), jitter)) {
            return None;
        }
        Some(Landed { request, minted: Minted::without_call(Ok(pass)), from_store: true })
    }

    async fn kept(&self, order: &Order, names: &Names, jitter: Option<u32>) -> Option<Landed> {
        let found = self.store.get(names.token()).await.ok()?;
        found.iter().find_map(|found| self.landed(order, found, jitter))
    }

    /// The rejection that is remembered of these credentials.
    fn rejection(&self, names: &Names) -> Option<Error> {
        let (error, until) = self.rejected.get(&names.credentials)?;
        (until > self.clock.elapsed()).then(|| {
            count("rejection_remembered");
            error
        })
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
            Err(StoreError) => Kept::Here,
        }
    }

    /// What the reference was used for, and the token that is shared: one look.
    async fn look(&self, names: &Names) -> Look {
        let places: Vec<Place> = names.reference.iter().chain(&names.shared).copied().collect();
        let found = self.store.get(&places).await.unwrap_or_default();
        let first = |among: &[Place]| {
            let mut among = found.iter().filter(|found| among.contains(&found.place));
            among.find_map(|found| Some((self.open(found)?, found.left)))
        };
        Look { note: first(&names.reference), token: first(&names.shared) }
    }

    /// Notes that a reference was used for a request, for as long as its token lives; whether it was before. `noted` is for how
    /// long that still stands, where it was seen to.
    async fn note(&self, names: &Names, noted: Option<Duration>, left: Duration) -> Result<bool> {
        let Some(place) = names.reference.first().copied() else { return Ok(false) };
        if noted.is_some_and(|noted| noted + MARGIN >= left) {
            return Ok(true);
        }
        let Some(sealed) = self.seal(place, &Record { request: names.request, pass: None }) else { return Ok(false) };
        if noted.is_none() {
            let before = self.store.put_new(&names.reference, place, sealed.clone(), left).await;
            match before.map(|before| before.map(|before| self.open(&before))) {
                Ok(Some(Some(record))) => return same_request(&record.request, names).map(|()| true),
                // It cannot be read: it is put anew.
                Ok(Some(None)) => {}
                Ok(None) | Err(StoreError) => return Ok(false),
            }
        }
        let _ = self.store.put(place, sealed, left).await;
        Ok(noted.is_some())
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

impl Record {
    /// How long its token lives in all.
    fn life(&self) -> Duration {
        Duration::from_millis(self.pass.as_ref().map_or(0, |pass| pass.life_ms))
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
    Err(reused())
}

fn reused() -> Error {
    Error::new(
        Kind::ReferenceReused,
        "this merchant_access_token_id was used for another request, and its token still lives",
    )
}

fn count(event: &'static str) {
    metrics::counter!("daypass_kept_tokens_total", "event" => event).increment(1);
}
