//! The question of one caller to the cache. The engine builds it, the cache answers it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{cache::keys::CacheKeys, issued::Exchange, request::validated::TokenRequest};

/// One question to the cache. A clone shares everything that is behind a pointer.
#[derive(Clone)]
pub(crate) struct Query {
    pub request: Arc<TokenRequest>,
    pub keys: Arc<CacheKeys>,
    pub freshness: Freshness,
    /// How long a stored token should still live, where a new one can be had.
    pub wanted_left: Option<Duration>,
    pub deadline: Instant,
    /// Makes the token where the cache has none.
    pub exchange: Exchange,
}

impl Query {
    /// Whether a token with this remaining lifetime lives for less than the caller wants.
    pub(crate) fn is_short(&self, left: Duration) -> bool {
        self.wanted_left.is_some_and(|wanted| left < wanted)
    }
}

/// Whether a stored token is good enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Freshness {
    /// A stored token is good enough.
    CacheOk,
    /// Only a new token is good enough.
    ForceNew,
    /// A new token, unless another node makes one now or has just made one.
    BackgroundRefresh,
}
