//! A new token: its issuance, the exchange, and what the exchange makes invalid. The fetch uses it
//! once it has the lease.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use connectors::{Error, Kind, MintingEndsEarlier};
use tokio::time::Instant;

use crate::{
    cache::{issuance::Begun, keys::ends_earlier, query::Query, sealed_store::SealedStore},
    issued::{Exchanged, Outcome},
    store::{Put, StoredValue},
};

/// The time without which no second exchange is begun.
const TIME_FOR_ANOTHER: Duration = Duration::from_millis(50);

/// The result of the exchanges for one token.
pub(super) struct Minted {
    pub exchanged: Exchanged,
    /// The record of the issuance, to be put together with the token.
    pub record: Option<Put>,
}

/// Makes tokens.
pub(super) struct Minter {
    pub sealed: SealedStore,
    /// The connectors that were warned about.
    warned: Mutex<BTreeSet<&'static str>>,
}

impl Minter {
    pub(super) fn new(sealed: SealedStore) -> Self {
        Self { sealed, warned: Mutex::default() }
    }

    /// Makes a token. A dead one, or a refusal that may be due to a lost first attempt, leads to
    /// one more exchange.
    pub(super) async fn mint(&self, query: &Query) -> Minted {
        let (sealed, request) = (&self.sealed, &query.request);
        let begun = match request.grant.single_use {
            true => Ok(Begun::single(sealed, &query.keys, request).await),
            false => Begun::read(sealed, &query.keys, request).await,
        };
        let mut begun = match begun {
            Ok(begun) => begun,
            Err(error) => return Minted { exchanged: Exchanged::without_call(Err(error)), record: None },
        };
        let dropped = if ends_earlier(request) { self.drop_ended(query).await } else { Vec::new() };
        let mut exchanged = self.exchange(query, &begun).await;
        if is_worth_another(&exchanged, &begun, query) {
            let earlier_use = exchanged.connector_use;
            begun = begun.again(sealed.clock.now());
            exchanged = self.exchange(query, &begun).await;
            exchanged.connector_use.attempts += earlier_use.attempts;
            exchanged.connector_use.time += earlier_use.time;
        }
        if exchanged.outcome == Outcome::NotSent {
            for value in dropped {
                let _ = sealed.store.put(value.key, value.value, value.left).await;
            }
        }
        let left = exchanged.result.as_ref().ok().and_then(|token| token.left).unwrap_or_default();
        let spends = request.grant.spends.is_some();
        let record = match request.grant.single_use {
            true => None,
            false => begun.after(exchanged.outcome, left, spends, &sealed.keyring),
        };
        Minted { exchanged, record }
    }

    async fn exchange(&self, query: &Query, begun: &Begun) -> Exchanged {
        let exchange = (query.exchange)(query.deadline, begun.issuance(self.sealed.clock.now()));
        if query.request.grant.spends.is_some() {
            // The store knows of it before the secret leaves.
            begun.save(&self.sealed).await;
            return exchange.await;
        }
        tokio::join!(exchange, begun.save(&self.sealed)).0
    }

    /// Drops the tokens that this minting ends, before it does: the one in the place, and the one
    /// that this secret came with. No node hands them out from now on.
    async fn drop_ended(&self, query: &Query) -> Vec<StoredValue> {
        self.warn_without_shared_store(query);
        let stored = self.sealed.store.get(query.keys.token()).await.unwrap_or_default();
        let predecessors = stored.iter().filter_map(|stored| self.sealed.open(stored)?.predecessor);
        let all: Vec<_> = query.keys.token().iter().copied().chain(predecessors).collect();
        let _ = self.sealed.store.remove(&all).await;
        stored
    }

    /// Two nodes have made a token, as one of them had lost its lease. Nobody knows which one
    /// lives.
    pub(super) async fn drop_both(&self, query: &Query) -> Error {
        let _ = self.sealed.store.remove(query.keys.token()).await;
        Error::new(Kind::Unavailable, "two nodes made a token at the same time, and one ended the other; call again")
    }

    fn warn_without_shared_store(&self, query: &Query) {
        let connector = query.request.meta.id;
        let MintingEndsEarlier::Yes(source) = query.request.grant.minting_ends_earlier else { return };
        let is_first = || self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(connector);
        if !self.sealed.store.is_shared() && is_first() {
            tracing::warn!(
                connector,
                grant = query.request.grant.name,
                source,
                "a new token ends the one before it: several nodes need a shared store (store.url), else they end \
                 each other's tokens"
            );
        }
    }
}

fn is_worth_another(exchanged: &Exchanged, begun: &Begun, query: &Query) -> bool {
    let grant = query.request.grant;
    let refused = |error: &Error| matches!(error.kind, Kind::RequestRejected | Kind::Refused);
    let worth = match exchanged.outcome {
        Outcome::Ended => exchanged.connector_use.attempts > 0,
        Outcome::Taken => true,
        Outcome::Refused => begun.repeated && exchanged.result.as_ref().is_err_and(refused),
        _ => false,
    };
    worth && grant.spends.is_none() && !grant.single_use && Instant::now() + TIME_FOR_ANOTHER < query.deadline
}
