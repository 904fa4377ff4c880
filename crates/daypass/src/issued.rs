//! The token as the caller receives it, and the outcome of the exchange that made it. The exchange
//! writes these types, the cache and the engine pass them on.

use std::{pin::Pin, sync::Arc, time::Duration};

use connectors::{Audience, Result, Timestamp, Token};
use tokio::time::Instant;

use crate::report::ConnectorUse;

/// A token with its audience and its expiry.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token, its scopes and its parameters.
    pub token: Token,
    /// The grant that made it.
    pub grant: &'static str,
    /// The party that may hold it.
    pub audience: Audience,
    /// When it expires, in epoch seconds. `None` where it lives until it is used, or where the
    /// connector publishes no expiry.
    pub expires_at: Option<i64>,
    /// The remaining lifetime at the moment of the answer. `None` as above.
    pub left: Option<Duration>,
    /// The connector's HTTP status; 200 where the token was made without a call.
    pub status: u16,
}

impl IssuedToken {
    /// The remaining lifetime in whole seconds.
    pub fn lifetime_seconds(&self) -> Option<i64> {
        self.left.map(|left| i64::try_from(left.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Runs the exchange of one request until the deadline. It can be called more than once.
pub(crate) type Exchange =
    Arc<dyn Fn(Instant, Issuance) -> Pin<Box<dyn Future<Output = Exchanged> + Send>> + Send + Sync>;

/// The values that are the same for all exchanges for one token, also for a caller's retry.
#[derive(Clone, Debug)]
pub(crate) struct Issuance {
    /// A UUID.
    pub idempotency_key: String,
    /// How many tokens the place of this one had before.
    pub generation: u32,
    /// When the first of the exchanges began.
    pub began: Timestamp,
    /// The time since then, at the start of this exchange.
    pub age: Duration,
}

/// The knowledge that an exchange leaves about its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No call was sent.
    NotSent,
    /// A token.
    Issued,
    /// A token that had already ended.
    Ended,
    /// The connector refused the request.
    Refused,
    /// The connector refused it because of an earlier request, although none is known: the store
    /// has lost its record.
    Taken,
    /// The connector asked for fewer calls, and did not look at the request.
    TurnedAway,
    /// The connector failed (5xx): the token may exist.
    Failed,
    /// A reply that cannot be read, which an expired token's may be.
    Unreadable,
    /// No reply: the token may exist.
    Unknown,
}

/// The outcome of one exchange with a connector.
#[derive(Clone)]
pub(crate) struct Exchanged {
    /// The token, or the reason why there is none.
    pub result: Result<IssuedToken>,
    /// The calls that the exchange made.
    pub connector_use: ConnectorUse,
    /// The knowledge about the token.
    pub outcome: Outcome,
}

impl Exchanged {
    /// An outcome for which no call was made.
    pub(crate) fn without_call(result: Result<IssuedToken>) -> Self {
        Self { result, connector_use: ConnectorUse::default(), outcome: Outcome::NotSent }
    }
}
