//! The path of one call, from the checked request to the token. The server and the command line
//! call it; it calls the request check, the cache and the exchange.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use connectors::{Call, Error, Kind, Registration, Result, Step};
use tokio::time::Instant;

use crate::{
    cache::{
        TokenCache,
        keyring::Keyring,
        query::{Freshness, Query},
    },
    clock::Clock,
    exchange::{Exchanger, transport::HttpSend},
    issued::IssuedToken,
    report::{CallReport, ConnectorUse},
    request::{IncomingRequest, caller_policy::CallRates, validated::TokenRequest},
    settings::Settings,
    store::{Fingerprint, Store, redis::trouble::StoreState},
};

/// The engine. `V` sends the calls to connectors.
pub struct Engine<V> {
    settings: ArcSwap<Settings>,
    cache: TokenCache,
    exchanger: Arc<Exchanger<V>>,
    clock: Arc<dyn Clock>,
    rates: CallRates,
}

impl<V: HttpSend> Engine<V> {
    /// An engine.
    pub fn new(settings: Settings, http: V, clock: Arc<dyn Clock>, store: Arc<dyn Store>, keys: Keyring) -> Self {
        let exchanger = Arc::new(Exchanger::new(&settings.limits, http, clock.clone()));
        Self {
            settings: ArcSwap::from_pointee(settings),
            cache: TokenCache::new(store, keys, clock.clone()),
            exchanger,
            clock,
            rates: CallRates::default(),
        }
    }

    /// The operator's settings at this moment.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Replaces the operator's settings. Calls under way keep theirs. The limits of calls to one
    /// host stay as they were made.
    pub fn replace_settings(&self, settings: Settings) {
        self.exchanger.adopt(settings.connect());
        self.settings.store(Arc::new(settings));
    }

    /// One call: checks the request, then takes a token from the cache or from the connector.
    ///
    /// # Errors
    /// Every [`connectors::Kind`]; `report` says how far the call came.
    pub async fn create_access_token(
        &self,
        request: IncomingRequest<'_>,
        deadline: Instant,
        report: &mut CallReport,
    ) -> Result<IssuedToken> {
        self.admit(request.caller)?;
        let mut request = request;
        report.profile = request.take_profile(&self.settings.load())?;
        let registration = request.registration()?;
        self.create_access_token_of(registration, request, deadline, report).await
    }

    /// The same for this connector, whatever the request names: also for one that is not on the
    /// list, as in tests.
    ///
    /// # Errors
    /// As [`Engine::create_access_token`].
    pub async fn create_access_token_of(
        &self,
        registration: &'static Registration,
        request: IncomingRequest<'_>,
        deadline: Instant,
        report: &mut CallReport,
    ) -> Result<IssuedToken> {
        report.connector = Some(registration.meta.id);
        let (wants_new, wanted_left) = (request.fresh, request.wanted_left);
        let request = Arc::new(TokenRequest::check(request, registration, &self.settings.load())?);
        let keys = Arc::new(self.cache.keys(&request));
        report.grant = Some(request.grant.name);
        report.audience = Some(request.audience);
        report.mode = Some(request.mode.label());
        report.credentials.clone_from(&keys.fingerprints);

        // A token that is not shared belongs to its reference: only a shared one can be made anew.
        let force_new = wants_new && request.grant.is_shared();
        let freshness = if force_new { Freshness::ForceNew } else { Freshness::CacheOk };
        let exchange = self.exchanger.clone().exchange_of(request.clone());
        let query = Query { request, keys, freshness, wanted_left, deadline, exchange };
        let mut connector_use = ConnectorUse::default();
        let answer = self.cache.get_or_fetch(&query, &mut connector_use).await;
        (report.attempts, report.connector_time) = (connector_use.attempts, connector_use.time);
        let answer = answer?;
        query.request.client_limit.check(&answer.token)?;
        report.replayed = answer.replayed;
        Ok(answer.token)
    }

    /// Counts a call of this caller against its limit.
    fn admit(&self, caller: Option<&str>) -> Result<()> {
        let Some(caller) = caller else { return Ok(()) };
        let settings = self.settings.load();
        let Some(per_second) = settings.policy.of(Some(caller)).and_then(|rules| rules.calls_per_second) else {
            return Ok(());
        };
        if self.rates.allow(caller, per_second, self.clock.elapsed()) {
            return Ok(());
        }
        let why = format!("policy.callers.{caller}.calls_per_second allows {per_second} calls a second");
        Err(Error { retry_after: Some(Duration::from_secs(1)), ..Error::new(Kind::Overloaded, why) })
    }

    /// Waits until the store answers, for this long at most; returns whether it does.
    pub async fn wait_for_store(&self, limit: Duration) -> bool {
        self.cache.wait_for_store(limit).await
    }

    /// Whether the store answers now. A store in memory always does.
    pub fn is_store_up(&self) -> bool {
        self.cache.is_store_up()
    }

    /// The state of the store, for the operator.
    pub fn store_state(&self) -> StoreState {
        self.cache.store_state()
    }

    /// Takes this node off the shared store's list, so that other nodes do not wait for it. The
    /// engine must not be used afterwards.
    pub async fn leave_store(&self) {
        self.cache.leave_store().await;
    }

    /// Deletes every stored token of these credentials, on every node; returns how many the store
    /// held.
    ///
    /// # Errors
    /// [`connectors::Kind::Unavailable`] where the store does not answer, or a node does not
    /// confirm.
    pub async fn forget(&self, credentials: &[Fingerprint]) -> Result<u64> {
        self.cache.forget(credentials).await
    }

    /// The first call of the exchange, which is not made. `None` where the token needs no call.
    ///
    /// # Errors
    /// The caller's mistakes.
    pub fn explain(&self, request: IncomingRequest<'_>) -> Result<(TokenRequest, Option<Call>)> {
        let registration = request.registration()?;
        let request = TokenRequest::check(request, registration, &self.settings.load())?;
        match self.exchanger.first_step(&request)? {
            Step::Call(call) => Ok((request, Some(call))),
            Step::Done(_) => Ok((request, None)),
        }
    }
}
