//! A vendor with rules of its own: it keeps only the newest token alive, takes codes once, repeats
//! replies of known idempotency keys, and has a clock that is off. It knows the truth about each
//! token.

mod connector;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectors::{Call, Reply, Result, Timestamp};
use daypass::{
    CallReport, Clock, Engine, Fingerprint, HttpSend, IncomingRequest, IssuedToken, ManualClock, MemoryStore,
    RawCredentials, Settings, Store, TransportError,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::scripted_engine::{START_MS, ms, ring};
pub(crate) use connector::FAKE;

/// How long the vendor knows an idempotency key.
const KEYS_LIVE_MS: i64 = 24 * 3_600_000;

/// The fate of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is answered.
    Answered,
    /// The vendor works on it, and the reply is lost.
    ReplyLost,
    /// The vendor fails with this status before it works on it.
    Fails(u16),
}

/// The truth about a token.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// On the monotonic clock, in milliseconds.
    pub ends_at: i64,
    /// The number of the call that ended it early.
    pub killed_by: Option<usize>,
}

#[derive(Default)]
pub(crate) struct Vendor {
    pub calls: usize,
    pub tokens: HashMap<String, Truth>,
    /// The fates of the next calls; further ones are answered.
    pub fates: VecDeque<Fate>,
    /// The lead of the vendor's wall clock, in milliseconds.
    pub ahead_ms: i64,
    /// The life of tokens, in seconds.
    pub lives: i64,
    /// The idempotency keys of all calls.
    pub keys: Vec<String>,
    /// The bodies of all calls.
    pub bodies: Vec<Value>,
    /// How many times each code was sent, without the calls that were refused.
    pub codes: HashMap<String, u32>,
    /// Whether the vendor says when a token ends in several ways.
    pub several_ends: bool,
    /// Whether a known key with another body is refused, as at Stripe.
    pub compares_bodies: bool,
    /// Whether each reply has a `Date`.
    pub dates: bool,
    replies: HashMap<String, (i64, Value)>,
    /// The body that came with each key.
    keyed: HashMap<String, Value>,
    orders: HashSet<String>,
    /// The newest token of each holder.
    newest: HashMap<String, String>,
    /// The holder of each refresh token.
    holders: HashMap<String, String>,
}

/// The vendor as a transport, with the clock of the truth.
#[derive(Clone)]
pub(crate) struct VendorHttp {
    pub vendor: Arc<Mutex<Vendor>>,
    truth: Arc<ManualClock>,
}

impl HttpSend for VendorHttp {
    async fn send(&self, call: Call, sent_at: Timestamp, _: Instant) -> Result<Reply, TransportError> {
        tokio::task::yield_now().await;
        let now = ms(self.truth.elapsed());
        let answer = self.lock().answer(&call, now, sent_at);
        tokio::task::yield_now().await;
        answer
    }
}

impl VendorHttp {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vendor> {
        self.vendor.lock().unwrap()
    }
}

impl Vendor {
    /// Sets the lead of the vendor's clock. The moments in its old replies are of the other clock, so
    /// it repeats none of them.
    pub(crate) fn set_clock(&mut self, ahead_ms: i64) {
        self.ahead_ms = ahead_ms;
        self.replies.clear();
    }

    fn answer(&mut self, call: &Call, now: i64, sent_at: Timestamp) -> Result<Reply, TransportError> {
        self.calls += 1;
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let key = call.headers["idempotency-key"].to_str().unwrap().to_owned();
        self.keys.push(key.clone());
        self.bodies.push(body.clone());
        let path = call.uri.path().to_owned();
        let fate = self.fates.pop_front().unwrap_or(Fate::Answered);
        if path == "/code" && !matches!(fate, Fate::Fails(400..=499)) {
            *self.codes.entry(body["secret"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        if let Fate::Fails(status) = fate {
            return Ok(self.reply(status, &json!({"error": "failed"}), now, sent_at));
        }
        let first_body = self.keyed.entry(key.clone()).or_insert_with(|| body.clone());
        if self.compares_bodies && *first_body != body {
            return Ok(self.reply(400, &json!({"error": "idempotency_error"}), now, sent_at));
        }
        let known = self.replies.get(&key).filter(|(until, _)| *until > now && path != "/order");
        let (status, reply) = match known {
            Some((_, reply)) => (200, reply.clone()),
            None => self.make(&path, &body, &key, now),
        };
        match fate {
            Fate::ReplyLost => Err(TransportError::TimedOut),
            _ => Ok(self.reply(status, &reply, now, sent_at)),
        }
    }

    fn make(&mut self, path: &str, body: &Value, key: &str, now: i64) -> (u16, Value) {
        let secret = body["secret"].as_str().unwrap_or_default().to_owned();
        if path == "/code" && self.codes[&secret] > 1 {
            return (400, json!({"error": "invalid_grant"}));
        }
        if path == "/order" && !self.orders.insert(body["reference"].as_str().unwrap().to_owned()) {
            return (409, json!({"error": "order_already_exists"}));
        }
        let lives = self.lives;
        let vendor_now = START_MS + now + self.ahead_ms;
        let ends_wall = (vendor_now + lives * 1000).div_euclid(1000);
        let mut token = format!("token-{}", self.calls);
        let mut ends_at = now + lives * 1000;
        let mut reply = match path {
            "/connection" => json!({}),
            "/session" => json!({"expires_at": ends_wall}),
            _ => json!({"expires_in": lives}),
        };
        if path == "/session" {
            ends_at = ends_wall * 1000 - START_MS - self.ahead_ms;
        }
        if self.several_ends && path != "/connection" {
            // The JWT ends first, and what the reply says is the end of a session around it.
            let exp = ends_wall - lives / 2;
            ends_at = exp * 1000 - START_MS - self.ahead_ms;
            let claims = URL_SAFE_NO_PAD.encode(json!({"exp": exp, "n": self.calls}).to_string());
            token = format!("{}.{claims}.signature", URL_SAFE_NO_PAD.encode("{}"));
            reply["expires_at"] = ends_wall.into();
        }
        if matches!(path, "/code" | "/refresh") {
            let holder = self.holders.get(&secret).cloned().unwrap_or(secret);
            if path == "/code" {
                let refresh = format!("came-with-{}", self.calls);
                self.holders.insert(refresh.clone(), holder.clone());
                reply["refresh_token"] = refresh.into();
            }
            if let Some(earlier) = self.newest.insert(holder, token.clone()) {
                self.tokens.get_mut(&earlier).unwrap().killed_by = Some(self.calls);
            }
        }
        reply["token"] = token.clone().into();
        self.tokens.insert(token, Truth { ends_at, killed_by: None });
        self.replies.insert(key.to_owned(), (now + KEYS_LIVE_MS, reply.clone()));
        (200, reply)
    }

    fn reply(&self, status: u16, body: &Value, now: i64, sent_at: Timestamp) -> Reply {
        let mut headers = http::HeaderMap::new();
        if self.dates {
            let date = Timestamp::from_millisecond(START_MS + now + self.ahead_ms).unwrap();
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
            headers.insert("date", date.parse().unwrap());
        }
        Reply { status, headers, body: body.to_string().into(), sent_at }
    }
}

/// Nodes with one vendor. Each has a wall clock of its own.
pub(crate) struct Nodes {
    pub http: VendorHttp,
    pub clocks: Vec<Arc<ManualClock>>,
    pub engines: Vec<Arc<Engine<VendorHttp>>>,
    pub store: Arc<dyn Store>,
}

impl Nodes {
    /// So many nodes with one store.
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, Settings::default())
    }

    pub(crate) fn with(count: usize, settings: Settings) -> Self {
        let clocks: Vec<_> = (0..count).map(|_| Arc::new(ManualClock::at_ms(START_MS))).collect();
        let vendor = Vendor { lives: 900, dates: true, ..Vendor::default() };
        let http = VendorHttp { vendor: Arc::new(Mutex::new(vendor)), truth: clocks[0].clone() };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clocks[0].clone()));
        let mut nodes = Self { http, clocks, engines: Vec::new(), store };
        for nth in 0..count {
            let engine = nodes.engine(nth, nodes.store.clone(), settings.clone());
            nodes.engines.push(engine);
        }
        nodes
    }

    /// One more engine with the clock of a node.
    pub(crate) fn engine(&self, clock: usize, store: Arc<dyn Store>, settings: Settings) -> Arc<Engine<VendorHttp>> {
        Arc::new(Engine::new(settings, self.http.clone(), self.clocks[clock].clone(), store, ring(&[1])))
    }

    pub(crate) fn pass(&self, seconds: u32) {
        self.clocks.iter().for_each(|clock| clock.pass_ms(seconds * 1000));
    }

    pub(crate) fn now(&self) -> i64 {
        ms(self.clocks[0].elapsed())
    }

    pub(crate) async fn ask(&self, node: usize, ask: &Ask) -> Result<Answer> {
        ask.of(&self.engines[node]).await
    }

    pub(crate) fn calls(&self) -> usize {
        self.http.lock().calls
    }

    pub(crate) fn next(&self, fates: &[Fate]) {
        self.http.lock().fates = fates.iter().copied().collect();
    }

    pub(crate) fn last_keys(&self, count: usize) -> Vec<String> {
        let vendor = self.http.lock();
        vendor.keys[vendor.keys.len() - count..].to_vec()
    }

    pub(crate) fn is_alive(&self, token: &str) -> bool {
        let truth = self.http.lock().tokens[token].clone();
        truth.killed_by.is_none() && truth.ends_at > self.now()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub issued: IssuedToken,
    pub replayed: bool,
    pub fingerprints: Vec<Fingerprint>,
}

impl Answer {
    pub(crate) fn token(&self) -> String {
        self.issued.token.value.expose().to_owned()
    }
}

/// A request to the fake connector.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub reference: String,
    pub credentials: Value,
    pub data: Value,
    pub fresh: bool,
}

impl Ask {
    pub(crate) fn of_grant(grant: &str, reference: &str) -> Self {
        let audience = FAKE.meta.grants.iter().find(|known| known.name == grant).unwrap().audience.label();
        Self {
            reference: reference.into(),
            credentials: json!({"client_id": "id", "client_secret": "hidden"}),
            data: json!({"grant": grant, "audience": audience}),
            fresh: false,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data[name] = value.into();
        self
    }

    pub(crate) fn credential(mut self, name: &str, value: &str) -> Self {
        self.credentials[name] = value.into();
        self
    }

    pub(crate) fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    pub(crate) async fn of(&self, engine: &Engine<VendorHttp>) -> Result<Answer> {
        let data = self.data.to_string();
        let credentials = json!({ "fake": self.credentials }).to_string();
        let request = IncomingRequest {
            of_session: false,
            reference: &self.reference,
            connector: None,
            header_connector: None,
            credentials: RawCredentials::parse(credentials.as_bytes()).map(Some),
            profile: None,
            metadata: None,
            feature_data: Some(&data),
            test_mode: Some(true),
            server_token: false,
            fresh: self.fresh,
            wanted_left: None,
            caller: None,
        };
        let mut report = CallReport::default();
        let deadline = Instant::now() + Duration::from_secs(20);
        let issued = engine.create_access_token_of(&FAKE, request, deadline, &mut report).await?;
        Ok(Answer { issued, replayed: report.replayed, fingerprints: report.credentials })
    }
}
