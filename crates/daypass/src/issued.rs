//! The token as the caller receives it, and the outcome of the exchange that made it. The exchange
//! writes these types, the cache and the engine pass them on.

use std::{pin::Pin, sync::Arc, time::Duration};

use connectors::{Audience, Result, Token};
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
pub(crate) type Exchange = Arc<dyn Fn(Instant) -> Pin<Box<dyn Future<Output = Exchanged> + Send>> + Send + Sync>;

/// The outcome of one exchange with a connector.
#[derive(Clone)]
pub(crate) struct Exchanged {
    /// The token, or the reason why there is none.
    pub result: Result<IssuedToken>,
    /// The calls that the exchange made.
    pub connector_use: ConnectorUse,
}

impl Exchanged {
    /// An outcome for which no call was made.
    pub(crate) fn without_call(result: Result<IssuedToken>) -> Self {
        Self { result, connector_use: ConnectorUse::default() }
    }
}
