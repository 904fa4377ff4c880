//! The fuzz targets: each function takes any bytes, and must neither panic nor break the law that
//! it states. The same functions run over the checked-in corpus in `cargo test`
//! (`crates/server/tests/corpus.rs`).
//!
//! `cargo fuzz run -s none <function>` from this folder's parent.

pub mod replies;
pub mod seeds;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use connectors::{CONNECTORS, Exchange, Nonce, Registration, Reply, Step, Timestamp};
use daypass::{
    CallReport, Clock, Engine, Fingerprint, HttpSend, IncomingRequest, Keyring, LeaseOutcome, ManualClock, Owner,
    RawCredentials, Settings, Store, StoreError, StoreKey, StoredValue, TokenRequest, TransportError,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

pub use replies::replies;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every function by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("credentials_header", credentials_header),
    ("feature_data", feature_data),
    ("replies", replies),
    ("stored_values", stored_values),
    ("configuration", configuration),
];

/// The time of the fixtures: 2026-01-01.
const NOW_MS: i64 = 1_767_225_600_000;

/// The header with the credentials, in both forms; then bound to every connector that it may be
/// meant for.
pub fn credentials_header(data: &[u8]) {
    for credentials in [RawCredentials::parse(data), RawCredentials::parse_config(data)] {
        match credentials {
            Err(error) => assert_eq!(error.kind.fault().label(), "caller"),
            Ok(credentials) => {
                assert_eq!(format!("{credentials:?}"), "RawCredentials([REDACTED])");
                for entry in CONNECTORS {
                    if let Err(error) = entry.bind(credentials.fields()) {
                        assert_eq!(error.kind.fault().label(), "caller");
                    }
                }
            }
        }
    }
}

/// The first line is the connector's id; the rest is `connector_feature_data`, and also `metadata`.
pub fn feature_data(data: &[u8]) {
    let Some((entry, text)) = chosen(data) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    for (feature_data, metadata) in [(Some(text), None), (None, Some(text)), (Some(text), Some(text))] {
        let request = request(entry, feature_data, metadata);
        match TokenRequest::check(request, entry, &Settings::default()) {
            Err(error) => assert!(matches!(error.kind.fault().label(), "caller"), "{error:?}"),
            Ok(order) => {
                let bases = order.bases.of_mode(order.mode).to_vec();
                let first = step(&order, &bases, &[]);
                if let Ok(Step::Call(call)) = first {
                    assert!(order.bases.allow(order.mode, &call.uri), "it would leave the connector's hosts");
                }
            }
        }
    }
}

/// A value that another party put into the store is never handed out, and stops no call.
pub fn stored_values(data: &[u8]) {
    struct Poisoned(Vec<u8>);
    #[async_trait::async_trait]
    impl Store for Poisoned {
        async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
            let stored =
                |key: &StoreKey| StoredValue { key: *key, value: self.0.clone(), left: Duration::from_secs(60) };
            Ok(keys.iter().map(stored).collect())
        }
        async fn put(&self, _: StoreKey, _: Vec<u8>, _: Duration) -> Result<(), StoreError> {
            Ok(())
        }
        async fn put_if_absent(
            &self,
            read_first: &[StoreKey],
            _: StoreKey,
            _: Vec<u8>,
            _: Duration,
        ) -> Result<Option<StoredValue>, StoreError> {
            Ok(self.get(read_first).await?.into_iter().next())
        }
        async fn acquire_lease(
            &self,
            read_first: &[StoreKey],
            _: StoreKey,
            _: Owner,
            _: Duration,
            _: Instant,
        ) -> Result<LeaseOutcome, StoreError> {
            Ok(self.get(read_first).await?.into_iter().next().map_or(LeaseOutcome::Acquired, LeaseOutcome::Found))
        }
        async fn renew(&self, _: StoreKey, _: Owner, _: Duration) -> Result<bool, StoreError> {
            Ok(true)
        }
        async fn put_and_release(&self, _: StoreKey, _: Owner, _: Vec<u8>, _: Duration) -> Result<bool, StoreError> {
            Ok(true)
        }
        async fn release(&self, _: StoreKey, _: Owner) -> Result<(), StoreError> {
            Ok(())
        }
        async fn forget(&self, _: Fingerprint) -> Result<daypass::Forgotten, StoreError> {
            Ok(daypass::Forgotten::default())
        }
    }
    /// A vendor that has exactly one token.
    struct OneToken;
    impl HttpSend for OneToken {
        async fn send(&self, _: connectors::Call, sent_at: Timestamp, _: Instant) -> Result<Reply, TransportError> {
            let body = r#"{"access_token":"minted","token_type":"Bearer","expires_in":900,"scope":""}"#;
            Ok(Reply { status: 200, headers: http::HeaderMap::new(), body: body.into(), sent_at })
        }
    }
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let Some(entry) = connectors::find("paypal") else { return };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_ms(NOW_MS));
    let key = connectors::Secret::from("07".repeat(32));
    let keys = Keyring::configured(&key, &[]).expect("a key");
    let engine = Engine::new(Settings::default(), OneToken, clock, Arc::new(Poisoned(data.to_vec())), keys);
    runtime.block_on(async {
        let request = request(entry, Some(r#"{"audience": "server"}"#), None);
        let deadline = Instant::now() + Duration::from_secs(10);
        let pass = engine.create_access_token(request, deadline, &mut CallReport::default()).await;
        assert_eq!(pass.expect("a token of the vendor").token.value.expose(), "minted");
    });
}

/// The configuration file.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(config) = daypass_server::config::Config::parse(text) {
        let _ = config.faults();
        let _ = config.plaintext();
    }
}

fn chosen(data: &[u8]) -> Option<(&'static Registration, &[u8])> {
    let (id, rest) = replies::line(data)?;
    Some((connectors::find(std::str::from_utf8(id).ok()?)?, rest))
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Made-up credentials with every field of the connector's.
fn credentials(entry: &Registration) -> Map<String, Value> {
    entry.meta.credentials.iter().map(|field| (field.name.to_owned(), "sk_test_made_up_0001".into())).collect()
}

fn request<'a>(
    entry: &'static Registration,
    feature_data: Option<&'a str>,
    metadata: Option<&'a str>,
) -> IncomingRequest<'a> {
    let json = Value::Object([(entry.meta.id.to_owned(), Value::Object(credentials(entry)))].into_iter().collect());
    IncomingRequest {
        of_session: false,
        reference: "tok_1",
        connector: Some(entry.meta.id),
        header_connector: None,
        credentials: RawCredentials::parse(json.to_string().as_bytes()).map(Some),
        profile: None,
        metadata,
        feature_data,
        test_mode: Some(true),
        server_token: false,
        fresh: false,
        wanted_left: None,
        caller: None,
    }
}

fn step(order: &TokenRequest, bases: &[String], replies: &[Reply]) -> connectors::Result<Step> {
    order.bound.step(&Exchange {
        grant: order.grant,
        mode: order.mode,
        hosts: order.meta.hosts,
        bases,
        reference: &order.reference,
        input: &order.inputs,
        now: now(),
        began: now(),
        nonce: Nonce([7; 32]),
        generation: 0,
        idempotency_key: "00000000-0000-4000-8000-000000000001",
        replies,
    })
}
