//! A token's life between two calls: kept by reference, shared where that is right, made once, never handed out dead.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use connectors::{Error, Kind, Result};
use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use crate::{
    Clock, IssuedToken, TokenRequest,
    flights::{Flights, Seat},
    keyring::Keyring,
    names::Names,
    shelf::{KEEP_UNENDING, Landed, Shelf, Wish, count, is_due, jitter, same_request},
    store::{Fingerprint, Place, Store, StoreError},
};

/// How soon a shared token is replaced again, whatever came of the last time: a vendor that is down is not asked at each call.
const REFRESH_EVERY: Duration = Duration::from_secs(3);
/// Time for replacing a shared token, which nobody waits for.
const REFRESH_DEADLINE: Duration = Duration::from_secs(30);
/// How many dead flights (a defect that panics) one caller sits through.
const MAX_FLIGHTS: usize = 3;

/// Makes tokens, for whoever keeps them.
pub(crate) trait Mint: Send + Sync + 'static {
    /// Talks to the vendor.
    fn mint(&self, order: &TokenRequest, deadline: Instant) -> impl Future<Output = Minted> + Send;
}

/// What came of talking to the vendor.
#[derive(Clone)]
pub(crate) struct Minted {
    /// The token, or why there is none.
    pub result: Result<IssuedToken>,
    /// Calls that were made.
    pub attempts: u32,
    /// Time spent on them.
    pub vendor_time: Duration,
}

impl Minted {
    pub(crate) fn without_call(result: Result<IssuedToken>) -> Self {
        Self { result, attempts: 0, vendor_time: Duration::ZERO }
    }
}

/// What a caller gets, and how.
pub(crate) struct Obtained {
    /// The token.
    pub pass: IssuedToken,
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

/// A flight is for one place and one wish: who wants a new token is not served by a flight that may find an old one.
type Key = (Place, Wish);

impl<M: Mint> Life<M> {
    pub fn new(mint: Arc<M>, store: Arc<dyn Store>, keys: Keyring, clock: Arc<dyn Clock>) -> Self {
        let refreshed = Cache::builder().max_capacity(100_000).time_to_live(REFRESH_EVERY).build();
        Self { shelf: Arc::new(Shelf::new(store, keys, clock)), mint, flights: Flights::default(), refreshed }
    }

    /// The names of an order.
    pub fn names(&self, order: &TokenRequest) -> Names {
        Names::of(order, &self.shelf.keys)
    }

    /// Waits until the store answers, for this long at most; whether it does.
    pub async fn wait_for_store(&self, limit: Duration) -> bool {
        self.shelf.store.wait_until_up(limit).await
    }

    /// Says that this node ends.
    pub async fn leave_store(&self) {
        self.shelf.store.leave().await;
    }

    /// Forgets everything about these credentials.
    pub async fn forget(&self, credentials: &[Fingerprint]) -> Result<u64> {
        self.shelf.rejected.invalidate_all();
        let (mut values, mut unconfirmed) = (0, BTreeSet::new());
        for fingerprint in credentials {
            let forgotten = self.shelf.store.forget(*fingerprint).await.map_err(|StoreError| {
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

    /// The token for an order: a kept one where that is right, else a new one, made once for everybody who waits for it.
    ///
    /// `fresh` asks for a new SERVER token. `spent` tells what talking to the vendor took, where this call started it.
    pub async fn obtain(
        &self,
        order: Arc<TokenRequest>,
        names: Arc<Names>,
        fresh: bool,
        deadline: Instant,
        spent: &mut (u32, Duration),
    ) -> Result<Obtained> {
        let shared = order.grant.is_shared();
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
        self.fly(&order, &names, wish, noted, deadline, spent).await
    }

    /// The token of the flight for it, started if there is none. `noted` is for how long the note of the reference stands.
    async fn fly(
        &self,
        order: &Arc<TokenRequest>,
        names: &Arc<Names>,
        wish: Wish,
        noted: Option<Duration>,
        deadline: Instant,
        spent: &mut (u32, Duration),
    ) -> Result<Obtained> {
        let shared = order.grant.is_shared();
        let mut flights = 0;
        loop {
            let seat = self.board(order, names, wish, deadline);
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
                    let replayed = self.shelf.note(names, noted, left).await?;
                    Ok(Obtained { pass, replayed: replayed && wish == Wish::Any && (from_store || !started) })
                }
                Ok(pass) => {
                    same_request(&request, names)?;
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

    fn refresh(&self, order: &Arc<TokenRequest>, names: &Arc<Names>) {
        let now = self.shelf.clock.elapsed();
        if self.refreshed.get(&names.place()).is_some_and(|until| until > now) {
            return;
        }
        self.refreshed.insert(names.place(), now + REFRESH_EVERY);
        count("refresh");
        drop(self.board(order, names, Wish::Replace, Instant::now() + REFRESH_DEADLINE));
    }

    fn board(&self, order: &Arc<TokenRequest>, names: &Arc<Names>, wish: Wish, deadline: Instant) -> Seat<Landed> {
        let (shelf, mint, order, names) = (self.shelf.clone(), self.mint.clone(), order.clone(), names.clone());
        let key = (names.place(), wish);
        self.flights.board(&key, || async move { shelf.make(&*mint, &order, &names, wish, deadline).await })
    }
}
