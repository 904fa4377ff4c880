//! The engine with a scripted connector, and clocks that tests move by hand.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use connectors::{Call, Reply, Result, Timestamp};
use daypass::{
    CallReport, Clock, Engine, Fingerprint, HttpSend, IncomingRequest, IssuedToken, Keyring, LeaseOutcome, ManualClock,
    MemoryStore, Owner, RawCredentials, Settings, Store, StoreError, StoreKey, StoredValue, TransportError,
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::Instant};

/// The connector's wall clock at the start, in milliseconds.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// A connector whose tokens name their holder and their expiry.
pub(crate) struct Script {
    pub clock: Arc<ManualClock>,
    pub calls: AtomicUsize,
    pub expires_in: AtomicI64,
    pub status: AtomicU16,
    /// Time that passes in a call, before the reply is made and again after.
    pub takes_ms: AtomicI64,
    /// How the wall clock moves in a call.
    pub steps_ms: AtomicI64,
    /// How far the connector's own clock is ahead.
    pub ahead_ms: AtomicI64,
    pub panics: AtomicUsize,
    /// Status and `retry-after` of the next replies; further replies have the status above.
    pub next: Mutex<VecDeque<(u16, Option<u32>)>>,
    /// Where set, each reply waits for a permit.
    pub gated: AtomicBool,
    pub gate: Semaphore,
    /// The secrets that the connector knows; where empty, all.
    pub known: Mutex<HashMap<String, String>>,
}

#[derive(Clone)]
pub(crate) struct ScriptedHttp(pub Arc<Script>);

impl HttpSend for ScriptedHttp {
    fn send(
        &self,
        call: Call,
        sent_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Result<Reply, TransportError>> + Send {
        let script = self.0.clone();
        async move {
            script.calls.fetch_add(1, SeqCst);
            if script.panics.load(SeqCst) > 0 {
                script.panics.fetch_sub(1, SeqCst);
                panic!("as told");
            }
            if script.gated.load(SeqCst) {
                match tokio::time::timeout_at(deadline, script.gate.acquire()).await {
                    Ok(permit) => permit.unwrap().forget(),
                    Err(_) => {
                        return Err(TransportError::TimedOut);
                    }
                }
            }
            tokio::task::yield_now().await;
            Ok(script.answer(&call, sent_at))
        }
    }
}

impl Script {
    fn answer(&self, call: &Call, sent_at: Timestamp) -> Reply {
        let takes = u32::try_from(self.takes_ms.load(SeqCst)).unwrap();
        self.clock.pass_ms(takes);
        self.clock.step_ms(self.steps_ms.load(SeqCst));
        let who = call.headers["authorization"].to_str().unwrap().split_once(' ').unwrap().1;
        let who = STANDARD.decode(who).map_or(who.to_owned(), |pair| String::from_utf8(pair).unwrap());
        let refused = who.split_once(':').is_some_and(|(id, secret)| {
            let known = self.known.lock().unwrap();
            known.get(id).is_some_and(|known| known != secret)
        });
        let (status, retry_after) = self.next.lock().unwrap().pop_front().unwrap_or((self.status.load(SeqCst), None));
        let status = if refused { 401 } else { status };
        let lives = self.expires_in.load(SeqCst);
        let (elapsed, ahead) = (ms(self.clock.elapsed()), self.ahead_ms.load(SeqCst));
        let vendor_now = START_MS + elapsed + ahead;
        let nth = self.calls.load(SeqCst);
        // Written backwards: a token that repeats a credential is refused.
        let who: String = who.chars().rev().collect();
        let text = |dies: i64| format!("{who}|{dies}|{nth}").replace(' ', "_");
        let body = match call.uri.path() {
            _ if status != 200 => json!({"error": "told_to_fail"}),
            "/v1/ephemeral_keys" => {
                // A vendor that counts in whole seconds keeps the token until that second.
                let expires = (vendor_now + lives * 1000).div_euclid(1000);
                json!({"id": "e", "object": "ephemeral_key", "expires": expires,
                    "secret": text(expires * 1000 - ahead - START_MS)})
            }
            "/v1/terminal/connection_tokens" => json!({"secret": text(i64::MAX)}),
            _ => {
                let form = String::from_utf8_lossy(&call.body).into_owned();
                let scope = if form.contains("client_token") {
                    "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api"
                } else {
                    "openid"
                };
                json!({"access_token": text(elapsed + lives * 1000), "token_type": "Bearer", "expires_in": lives,
                    "scope": scope})
            }
        };
        self.clock.pass_ms(takes);
        let date = Timestamp::from_millisecond(vendor_now).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.into());
        }
        Reply { status, headers, body: body.to_string().into(), sent_at }
    }
}

pub(crate) fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

/// The holder of a token, and its expiry on the monotonic clock.
pub(crate) fn holder_and_expiry(issued: &IssuedToken) -> (String, i64) {
    let text = issued.token.value.expose();
    let mut parts = text.split('|');
    (parts.next().unwrap().chars().rev().collect(), parts.next().unwrap().parse().unwrap())
}

/// A store that shows what is put into it, and that can return altered values.
pub(crate) struct Spy {
    pub inner: MemoryStore,
    pub seen: Mutex<Vec<(StoreKey, Vec<u8>)>>,
    #[allow(clippy::type_complexity, reason = "one function")]
    pub alter: Mutex<Option<Box<dyn Fn(StoreKey, Vec<u8>) -> Vec<u8> + Send>>>,
    pub down: AtomicBool,
}

impl Spy {
    fn altered(&self, found: StoredValue) -> StoredValue {
        let value = match &*self.alter.lock().unwrap() {
            Some(alter) => alter(found.key, found.value),
            None => found.value,
        };
        StoredValue { value, ..found }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(SeqCst) { Err(StoreError) } else { Ok(()) }
    }

    fn see(&self, key: StoreKey, value: &[u8]) {
        self.seen.lock().unwrap().push((key, value.to_vec()));
    }
}

#[async_trait::async_trait]
impl Store for Spy {
    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        self.check()?;
        Ok(self.inner.get(keys).await?.into_iter().map(|found| self.altered(found)).collect())
    }
    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.check()?;
        self.see(key, &value);
        self.inner.put(key, value, life).await
    }
    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError> {
        self.check()?;
        let found = self.inner.put_if_absent(read_first, key, value.clone(), life).await?;
        if found.is_none() {
            self.see(key, &value);
        }
        Ok(found.map(|found| self.altered(found)))
    }
    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError> {
        self.check()?;
        Ok(match self.inner.acquire_lease(read_first, key, owner, lease, wait_until).await? {
            LeaseOutcome::Found(found) => LeaseOutcome::Found(self.altered(found)),
            other => other,
        })
    }
    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.renew(key, owner, lease).await
    }
    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.see(key, &value);
        self.inner.put_and_release(key, owner, value, life).await
    }
    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError> {
        self.check()?;
        self.inner.release(key, owner).await
    }
    async fn forget(&self, fingerprint: Fingerprint) -> Result<daypass::Forgotten, StoreError> {
        self.check()?;
        self.inner.forget(fingerprint).await
    }
}

pub(crate) struct ScriptedEngine {
    pub engine: Arc<Engine<ScriptedHttp>>,
    pub script: Arc<Script>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<Spy>,
}

pub(crate) fn ring(bytes: &[u8]) -> Keyring {
    let mut keys = bytes.iter().map(|byte| connectors::Secret::from(STANDARD.encode([*byte; 32])));
    let current = keys.next().unwrap();
    Keyring::configured(&current, &keys.collect::<Vec<_>>()).unwrap()
}

impl ScriptedEngine {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at_ms(START_MS));
        Self::with(clock.clone(), clock)
    }

    /// With leases on the machine's clock.
    pub(crate) fn with_running_leases() -> Self {
        Self::with(Arc::new(ManualClock::at_ms(START_MS)), Arc::new(daypass::SystemClock::default()))
    }

    fn with(clock: Arc<ManualClock>, of_store: Arc<dyn Clock>) -> Self {
        let script = Arc::new(Script {
            clock: clock.clone(),
            calls: AtomicUsize::new(0),
            expires_in: AtomicI64::new(3600),
            status: AtomicU16::new(200),
            takes_ms: AtomicI64::new(0),
            steps_ms: AtomicI64::new(0),
            ahead_ms: AtomicI64::new(0),
            panics: AtomicUsize::new(0),
            next: Mutex::default(),
            gated: AtomicBool::new(false),
            gate: Semaphore::new(0),
            known: Mutex::default(),
        });
        let store = Arc::new(Spy {
            inner: MemoryStore::new(of_store),
            seen: Mutex::default(),
            alter: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let engine = engine(&script, &store, Settings::default(), &[1]);
        Self { engine, script, clock, store }
    }

    /// Another node on the same store, with these settings and keys.
    pub(crate) fn node(&self, settings: Settings, keys: &[u8]) -> Self {
        let engine = engine(&self.script, &self.store, settings, keys);
        Self { engine, script: self.script.clone(), clock: self.clock.clone(), store: self.store.clone() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.script.calls.load(SeqCst)
    }

    /// Waits until the connector was called so many times. Paused time passes only while no task
    /// runs.
    pub(crate) async fn until_called(&self, calls: usize) {
        while self.calls() < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn ask(&self, ask: &TestRequest) -> Result<TestAnswer> {
        ask.of(&self.engine).await
    }
}

fn engine(script: &Arc<Script>, store: &Arc<Spy>, settings: Settings, keys: &[u8]) -> Arc<Engine<ScriptedHttp>> {
    Arc::new(Engine::new(settings, ScriptedHttp(script.clone()), script.clock.clone(), store.clone(), ring(keys)))
}

#[derive(Debug)]
pub(crate) struct TestAnswer {
    pub issued: IssuedToken,
    pub replayed: bool,
    pub attempts: u32,
    pub fingerprints: Vec<Fingerprint>,
}

impl TestAnswer {
    pub(crate) fn token(&self) -> &str {
        self.issued.token.value.expose()
    }
}

#[derive(Clone)]
pub(crate) struct TestRequest {
    pub reference: String,
    pub credentials: Value,
    pub data: Value,
    pub metadata: Option<String>,
    pub test_mode: bool,
    pub fresh: bool,
    pub deadline: Duration,
}

impl TestRequest {
    fn of_credentials(credentials: Value, data: Value) -> Self {
        Self {
            reference: "ref".into(),
            credentials,
            data,
            metadata: None,
            test_mode: true,
            fresh: false,
            deadline: Duration::from_secs(20),
        }
    }

    /// PayPal's client token. The script decides its lifetime.
    pub(crate) fn client() -> Self {
        Self::paypal("id", "secret", json!({}))
    }

    /// PayPal's access token, shared by all references.
    pub(crate) fn server() -> Self {
        Self::paypal("id", "secret", json!({"audience": "server"}))
    }

    pub(crate) fn paypal(id: &str, secret: &str, data: Value) -> Self {
        Self::of_credentials(json!({"Paypal": {"client_id": id, "client_secret": secret}}), data)
    }

    /// Stripe's ephemeral key, which has an absolute expiry.
    pub(crate) fn absolute() -> Self {
        let data = json!({"grant": "ephemeral_key", "customer": "cus_1"});
        Self::of_credentials(json!({"Stripe": {"api_key": "sk_test_1234567890"}}), data)
    }

    /// Stripe's connection token, which has no published lifetime.
    pub(crate) fn without_end() -> Self {
        Self { data: json!({"grant": "terminal_connection_token"}), ..Self::absolute() }
    }

    pub(crate) fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }

    pub(crate) fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    pub(crate) fn data(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    pub(crate) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) async fn of(&self, engine: &Engine<ScriptedHttp>) -> Result<TestAnswer> {
        let data = self.data.to_string();
        let request = IncomingRequest {
            reference: &self.reference,
            connector: None,
            header_connector: None,
            credentials: RawCredentials::parse(self.credentials.to_string().as_bytes()).map(Some),
            metadata: self.metadata.as_deref(),
            feature_data: Some(&data),
            test_mode: Some(self.test_mode),
            server_token: false,
            fresh: self.fresh,
        };
        let mut report = CallReport::default();
        let issued = engine.create_access_token(request, Instant::now() + self.deadline, &mut report).await?;
        let (replayed, attempts, fingerprints) = (report.replayed, report.attempts, report.credentials);
        Ok(TestAnswer { issued, replayed, attempts, fingerprints })
    }
}
