//! A flight's work: who may make a token, the exchange, what is kept of it, and under which names.

use std::{sync::Arc, time::Duration};

use connectors::{Error, Kind, Result};
use moka::sync::Cache;
use tokio::time::{Instant, sleep};

use crate::{
    Clock, IssuedToken, TokenRequest,
    keyring::Keyring,
    life::{Mint, Minted},
    names::Names,
    record::Record,
    store::{Claim, Found, Owner, Place, Store, StoreError},
};

/// A kept token with this much life or less is not handed out again: it would die on its way.
const MARGIN: Duration = Duration::from_secs(5);
/// A shared token is replaced, while it is still served, before the last tenth of its life or this, whichever is less.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// How long a token without an end is kept for its reference.
pub(crate) const KEEP_UNENDING: Duration = Duration::from_secs(900);
/// How long a rejection of credentials is remembered.
const REMEMBER_REJECTION: Duration = Duration::from_secs(3);
/// The right to make a token, across nodes: renewed every third of this by a node that lives.
const LEASE: Duration = Duration::from_secs(3);

/// The store, and what it takes to use it.
pub(crate) struct Shelf {
    pub store: Arc<dyn Store>,
    pub keys: Keyring,
    pub clock: Arc<dyn Clock>,
    /// Credentials that were rejected, each until a moment of the clock that only goes forwards.
    pub rejected: Cache<[u8; 32], (Error, Duration)>,
}

/// A flight's end.
#[derive(Clone)]
pub(crate) struct Landed {
    /// What was asked for.
    pub request: [u8; 32],
    /// What came of it.
    pub minted: Minted,
    /// Taken from the store, where another node had put it.
    pub from_store: bool,
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    /// What is there will do.
    Any,
    /// A new one, now.
    New,
    /// A new one, unless another node is making it, or has just made it.
    Replace,
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

/// What one look at the store shows, each with the time until it is gone.
pub(crate) struct Look {
    pub note: Option<(Record, Duration)>,
    pub token: Option<(Record, Duration)>,
}

impl Shelf {
    pub fn new(store: Arc<dyn Store>, keys: Keyring, clock: Arc<dyn Clock>) -> Self {
        let rejected = Cache::builder().max_capacity(10_000).time_to_live(REMEMBER_REJECTION).build();
        Self { store, keys, clock, rejected }
    }

    /// One flight: a kept token, or the right to make one, the exchange, the token into the store.
    pub async fn make<M: Mint>(
        &self,
        mint: &M,
        order: &TokenRequest,
        names: &Names,
        wish: Wish,
        deadline: Instant,
    ) -> Landed {
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
    async fn right(&self, order: &TokenRequest, names: &Names, wish: Wish, owner: Owner, deadline: Instant) -> Right {
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
    fn landed(&self, order: &TokenRequest, found: &Found, jitter: Option<u32>) -> Option<Landed> {
        let record = self.open(found)?;
        let (request, life) = (record.request, record.life());
        if record.is_note() {
            // A SERVER token was given for this reference.
            return Some(Landed { request, minted: Minted::without_call(Err(reused())), from_store: false });
        }
        let pass = self.pass(record, found.left, order)?;
        if jitter.is_some_and(|jitter| is_due(life, pass.left.unwrap_or(found.left), jitter)) {
            return None;
        }
        Some(Landed { request, minted: Minted::without_call(Ok(pass)), from_store: true })
    }

    async fn kept(&self, order: &TokenRequest, names: &Names, jitter: Option<u32>) -> Option<Landed> {
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
    async fn keep(&self, pass: &IssuedToken, place: Place, names: &Names, owner: Option<Owner>) -> Kept {
        let left = pass.left.unwrap_or(KEEP_UNENDING);
        let record = Record::of(names.request, pass, left);
        let sealed = if left > MARGIN { record.seal(&self.keys, place) } else { None };
        let put = match (sealed, owner) {
            (Some(sealed), Some(owner)) => self.store.settle(place, owner, sealed, left).await,
            (Some(sealed), None) => self.store.put(place, sealed, left).await.map(|()| true),
            (None, Some(owner)) => self.store.give_up(place, owner).await.map(|()| true),
            (None, None) => Ok(true),
        };
        match put {
            Ok(false) => Kept::Elsewhere,
            Ok(true) | Err(StoreError) => Kept::Here,
        }
    }

    /// What the reference was used for, and the token that is shared: one look.
    pub async fn look(&self, names: &Names) -> Look {
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
    pub async fn note(&self, names: &Names, noted: Option<Duration>, left: Duration) -> Result<bool> {
        let Some(place) = names.reference.first().copied() else { return Ok(false) };
        if noted.is_some_and(|noted| noted + MARGIN >= left) {
            return Ok(true);
        }
        let Some(sealed) = Record::note(names.request).seal(&self.keys, place) else { return Ok(false) };
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

    fn open(&self, found: &Found) -> Option<Record> {
        let record = Record::open(&self.keys, found);
        if record.is_none() {
            count("sealed_value_refused");
        }
        record
    }

    /// A kept token as it may be handed out now: what is left of it is the least of what the wall clock and the store say.
    pub fn pass(&self, record: Record, left: Duration, order: &TokenRequest) -> Option<IssuedToken> {
        let pass = record.pass(left, self.clock.now(), order)?;
        pass.left.is_none_or(|left| left > MARGIN).then_some(pass)
    }
}

/// Whether a shared token should be replaced while it is still good.
pub(crate) fn is_due(life: Duration, left: Duration, jitter: u32) -> bool {
    let window = (life / 10).min(REFRESH_BEFORE);
    left <= window + window * jitter / 256
}

/// Most that the moment of replacing moves, in parts of 256: nodes should not all do it at once.
const MOST_JITTER: u32 = 63;

pub(crate) fn jitter() -> u32 {
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    u32::from(random[0]) % (MOST_JITTER + 1)
}

pub(crate) fn same_request(request: &[u8; 32], names: &Names) -> Result<()> {
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

pub(crate) fn count(event: &'static str) {
    metrics::counter!("daypass_kept_tokens_total", "event" => event).increment(1);
}
