//! A model of the payment router that calls this API: it caches a server token for the seconds of
//! `expires_in_seconds` less 15, by a clock of its own, and pays with the token for some seconds after
//! it looked into the cache. The engine runs on the same simulated time, against the sandbox's fakes,
//! whose tokens die.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use connectors::{Call, Reply, Secret, Timestamp, find};
use daypass::{
    CallReport, Clock, Engine, HttpSend, IncomingRequest, Keyring, ManualClock, MemoryStore, RawCredentials, Settings,
    TransportError,
};
use sandbox::{FakeVendor, Request, VendorState, fake_vendor};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

/// Lifetimes from 30 minutes to a day.
const CONNECTORS: [&str; 4] = ["airwallex", "truelayer", "paypal", "globalpay"];
/// The kinds of those tokens in the fakes.
const KINDS: [&str; 2] = ["access_token", "token"];
const START_MS: i64 = 1_767_225_600_000;
const PAYMENTS: u32 = 10_000;
/// The seconds that the router takes off a lifetime.
const MARGIN: i64 = 15;
/// Longest time from a look into the cache to the use of the token, in milliseconds: less than the
/// margin. Under `types`, the service hands out a token with less than twice the margin left only where
/// it gets no new one.
const PAYS_WITHIN_MS: u64 = 14_500;

/// The fakes, without sockets.
#[derive(Clone)]
struct Vendors {
    clock: Arc<ManualClock>,
    states: Arc<Mutex<BTreeMap<&'static str, VendorState>>>,
}

impl Vendors {
    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    async fn is_alive(&self, connector: &'static str, token: &str) -> bool {
        let mut states = self.states.lock().await;
        let state = states.get_mut(connector).unwrap();
        state.now = self.now();
        state.active(token, &KINDS).is_ok()
    }
}

impl HttpSend for Vendors {
    async fn send(&self, call: Call, sent_at: Timestamp, _: Instant) -> Result<Reply, TransportError> {
        let host = call.uri.host().unwrap();
        let vendor: &FakeVendor = CONNECTORS
            .iter()
            .filter_map(|name| fake_vendor(name))
            .find(|vendor| {
                let hosts = find(vendor.name).unwrap().meta.hosts;
                hosts.iter().any(|known| known.test.contains(host) || known.live.contains(host))
            })
            .unwrap_or_else(|| panic!("a call to {host}"));
        let headers =
            call.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let target = format!("/{}{}", vendor.name, call.uri.path_and_query().unwrap());
        let request = Request::new(call.method.as_str(), &target, headers, call.body);
        // A reply takes its time.
        self.clock.pass_ms(400);
        let mut states = self.states.lock().await;
        let state = states.entry(vendor.name).or_insert_with(|| VendorState::new(7, 0));
        state.now = self.now();
        let answer = vendor.answer(&request, state);
        let mut headers = http::HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.insert(*name, value.parse().unwrap());
        }
        Ok(Reply { status: answer.status, headers, body: answer.body.into(), sent_at })
    }
}

/// How the router reads `expires_in_seconds`.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// The seconds that are left, as the paths of `types` say it.
    Seconds,
    /// The moment of expiry, as `ucs.v2` says it.
    Moment,
}

struct Router {
    /// The token of each connector, until a moment of the router's clock.
    cache: BTreeMap<&'static str, (String, i64)>,
}

struct World {
    engine: Engine<Vendors>,
    vendors: Vendors,
    clock: Arc<ManualClock>,
    references: u64,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_ms(START_MS));
        let vendors = Vendors { clock: clock.clone(), states: Arc::default() };
        let keys = Keyring::configured(&Secret::from("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="), &[]).unwrap();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let engine = Engine::new(Settings::default(), vendors.clone(), clock.clone(), store, keys);
        Self { engine, vendors, clock, references: 0 }
    }

    /// An empty request, which gets a reference of its own.
    async fn server_token(&mut self, connector: &'static str, reads: Reads) -> (String, i64) {
        self.references += 1;
        let credentials: Value = serde_json::from_str(fake_vendor(connector).unwrap().credentials).unwrap();
        let credentials = json!({ connector: credentials }).to_string();
        let request = IncomingRequest {
            of_session: false,
            reference: &format!("own-{}", self.references),
            connector: None,
            header_connector: Some(connector),
            credentials: RawCredentials::parse(credentials.as_bytes()).map(Some),
            profile: None,
            metadata: None,
            feature_data: None,
            test_mode: Some(true),
            server_token: true,
            fresh: false,
            wanted_left: Some(Duration::from_secs(30)),
            caller: None,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let issued = self.engine.create_access_token(request, deadline, &mut CallReport::default()).await.unwrap();
        let expires_in = match reads {
            Reads::Seconds => issued.lifetime_seconds(),
            Reads::Moment => issued.expires_at,
        };
        (issued.token.value.expose().to_owned(), expires_in.unwrap())
    }

    /// Payments of three routers; the number of those with a dead token.
    async fn dead_in(&mut self, payments: u32, reads: Reads) -> usize {
        let mut routers: [Router; 3] = std::array::from_fn(|_| Router { cache: BTreeMap::new() });
        let mut random = 1_u64;
        let mut below = |bound: u64| {
            // Knuth's constants for a linear generator of 64 bits.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let mut dead = 0;
        for _ in 0..payments {
            self.clock.pass_ms(u32::try_from(below(120_000)).unwrap());
            let connector = CONNECTORS[usize::try_from(below(4)).unwrap()];
            let router = &mut routers[usize::try_from(below(3)).unwrap()];
            let now = self.vendors.now();
            let token = match router.cache.get(connector) {
                Some((token, until)) if now < *until => token.clone(),
                _ => {
                    let (token, expires_in) = self.server_token(connector, reads).await;
                    let until = self.vendors.now() + expires_in - MARGIN;
                    router.cache.insert(connector, (token.clone(), until));
                    token
                }
            };
            self.clock.pass_ms(u32::try_from(below(PAYS_WITHIN_MS)).unwrap());
            dead += usize::from(!self.vendors.is_alive(connector, &token).await);
            // Refreshes of the background run.
            tokio::task::yield_now().await;
        }
        dead
    }
}

#[tokio::test]
async fn no_payment_of_ten_thousand_has_a_dead_token() {
    let mut world = World::new();
    let dead = world.dead_in(PAYMENTS, Reads::Seconds).await;
    let days = (world.vendors.now() - START_MS / 1000) / 86_400;
    assert!(days >= 5, "{days} days");
    assert_eq!(world.vendors.states.lock().await.len(), CONNECTORS.len(), "each connector was called");
    assert_eq!(dead, 0, "of {PAYMENTS} payments in {days} days, with {} calls of the routers", world.references);
}

#[tokio::test]
async fn the_model_notices_dead_tokens() {
    let dead = World::new().dead_in(PAYMENTS / 10, Reads::Moment).await;
    assert!(dead > 100, "a router that took the moment for a duration would pay with dead tokens: {dead}");
}
