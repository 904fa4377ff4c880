//! Values in the store: which ones it gets, their encryption, and how they are forgotten.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry};
use connectors::Kind;
use daypass::Settings;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

#[tokio::test]
async fn failures_are_not_stored() {
    let scripted = ScriptedEngine::new();
    for (status, kind) in [(500, Kind::Unavailable), (422, Kind::RequestRejected), (429, Kind::RateLimited)] {
        for ask in [TestRequest::client(), TestRequest::server()] {
            let reference = format!("{status}{}", ask.data);
            let ask = ask.reference(reference);
            scripted.script.status.store(status, SeqCst);
            let error = scripted.ask(&TestRequest { fresh: true, ..ask.clone() }).await.unwrap_err();
            assert_eq!(error.kind, kind);
            scripted.script.status.store(200, SeqCst);
            let given = scripted.ask(&ask.clone()).await.unwrap();
            assert!(!given.replayed);
        }
    }
}

#[tokio::test]
async fn a_forgotten_token_is_made_again() {
    let scripted = ScriptedEngine::new();
    let (client, server) = (
        scripted.ask(&TestRequest::client()).await.unwrap(),
        scripted.ask(&TestRequest::server().reference("s")).await,
    );
    let other = scripted.ask(&TestRequest::paypal("id", "other", json!({}))).await.unwrap();
    assert_eq!(client.fingerprints, server.unwrap().fingerprints);
    // The CLIENT token, the SERVER token, and the record of its reference.
    assert_eq!(scripted.engine.forget(&client.fingerprints).await.unwrap(), 3);
    assert_ne!(scripted.ask(&TestRequest::client()).await.unwrap().token(), client.token());
    assert_eq!(scripted.ask(&TestRequest::paypal("id", "other", json!({}))).await.unwrap().token(), other.token());
    scripted.store.down.store(true, SeqCst);
    assert_eq!(scripted.engine.forget(&client.fingerprints).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn without_a_store_tokens_are_still_made() {
    let scripted = ScriptedEngine::new();
    scripted.store.down.store(true, SeqCst);
    for ask in [TestRequest::client(), TestRequest::server(), TestRequest::absolute(), TestRequest::without_end()] {
        let (one, two) = (scripted.ask(&ask).await.unwrap(), scripted.ask(&ask).await.unwrap());
        assert_ne!(one.token(), two.token());
    }
    scripted.store.down.store(false, SeqCst);
    scripted.ask(&TestRequest::client()).await.unwrap();
    assert!(scripted.ask(&TestRequest::client()).await.unwrap().replayed);
}

/// The counts of one counter, by event.
#[derive(Default)]
struct Counts(Mutex<std::collections::HashMap<String, Arc<AtomicU64>>>);

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let event = key.labels().find(|label| label.key() == "event").map(|label| label.value().to_owned());
        Counter::from_arc(self.0.lock().unwrap().entry(event.unwrap_or_default()).or_default().clone())
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Counts {
    fn of(&self, event: &str) -> u64 {
        self.0.lock().unwrap().get(event).map_or(0, |count| count.load(SeqCst))
    }
}

#[tokio::test]
async fn altered_or_moved_values_count_as_absent_and_are_counted() {
    let counts = Counts::default();
    let _recording = metrics::set_default_local_recorder(&counts);
    let scripted = ScriptedEngine::new();
    for (nth, ask) in [TestRequest::client(), TestRequest::server().reference("s")].into_iter().enumerate() {
        let first = scripted.ask(&ask).await.unwrap();
        let refused = counts.of("sealed_value_refused");
        *scripted.store.alter.lock().unwrap() = Some(Box::new(|_, mut value| {
            if let Some(last) = value.last_mut() {
                *last ^= 1;
            }
            value
        }));
        let second = scripted.ask(&ask).await.unwrap();
        assert!(!second.replayed && second.token() != first.token());
        assert!(counts.of("sealed_value_refused") > refused, "{nth}");

        // Another tenant's value replaces this one's.
        *scripted.store.alter.lock().unwrap() = None;
        let mut theirs = ask.clone();
        theirs.credentials = json!({"Paypal": {"client_id": "thief", "client_secret": "x"}});
        let stolen = scripted.ask(&theirs).await.unwrap();
        let values: Vec<_> = scripted.store.seen.lock().unwrap().clone();
        let refused = counts.of("sealed_value_refused");
        *scripted.store.alter.lock().unwrap() = Some(Box::new(move |place, value| {
            let moved = values.iter().rev().find(|(from, _)| from.fingerprint != place.fingerprint);
            moved.map_or(value, |(_, value)| value.clone())
        }));
        let third = scripted.ask(&ask).await.unwrap();
        assert_ne!(third.token(), stolen.token());
        assert_eq!(holder_and_expiry(&third.issued).0, "id:secret");
        assert!(counts.of("sealed_value_refused") > refused);
        *scripted.store.alter.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn no_stored_value_shows_a_credential_or_a_token() {
    let scripted = ScriptedEngine::new();
    let mut canaries = vec!["canary-secret".to_owned(), "canary-id".to_owned(), "canary-ref".to_owned()];
    for data in [json!({}), json!({"audience": "server"})] {
        let ask =
            TestRequest::paypal("canary-id", "canary-secret", data.clone()).reference(format!("canary-ref{data}"));
        let given = scripted.ask(&ask).await.unwrap();
        canaries.push(given.token().to_owned());
        assert!(!format!("{given:?}").contains("canary-secret"), "{given:?}");
    }
    let seen = scripted.store.seen.lock().unwrap();
    // Two tokens, one note of a reference, and two records of issuances before and after the calls.
    assert_eq!(seen.len(), 7);
    for canary in &canaries {
        for (key, value) in seen.iter() {
            assert!(!value.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} at {key:?}");
        }
    }
}

#[tokio::test]
async fn tokens_of_a_replaced_key_are_still_used() {
    let old = ScriptedEngine::new();
    let (client, server) = (old.ask(&TestRequest::client()).await.unwrap(), TestRequest::server().reference("s"));
    let shared = old.ask(&server).await.unwrap();
    let both = old.node(Settings::default(), &[2, 1]);
    let again = both.ask(&TestRequest::client()).await.unwrap();
    assert!(again.replayed && again.token() == client.token());
    let other = TestRequest::client().data(json!({"domains": ["shop.example"]}));
    assert_eq!(both.ask(&other).await.unwrap_err().kind, Kind::ReferenceReused);
    let again = both.ask(&server).await.unwrap();
    assert!(again.replayed && again.token() == shared.token());
    assert_eq!(both.ask(&server.clone().reference("t")).await.unwrap().token(), shared.token());
    assert_eq!(old.calls(), 2);
    // The fingerprints of a call cover both keys, so `forget` removes the values of both.
    assert_eq!(again.fingerprints.len(), 2);
    assert!(both.engine.forget(&again.fingerprints).await.unwrap() >= 3);
    assert_ne!(both.ask(&TestRequest::client()).await.unwrap().token(), client.token());
    let new = old.node(Settings::default(), &[2]);
    assert_ne!(new.ask(&TestRequest::client()).await.unwrap().token(), client.token());
}
