//! The cache through the engine: stored, shared, refreshed and forgotten tokens.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry};
use connectors::Kind;
use daypass::{ConnectorSettings, Settings};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

/// Lets all started tasks run until they wait.
async fn run_tasks() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reference_is_answered_again_without_a_call() {
    let scripted = ScriptedEngine::new();
    for ask in [TestRequest::client(), TestRequest::absolute(), TestRequest::without_end().reference("endless")] {
        let before = scripted.calls();
        let first = scripted.ask(&ask).await.unwrap();
        assert!(!first.replayed && first.attempts == 1);
        scripted.clock.pass_ms(100_000);
        let again = scripted.ask(&ask).await.unwrap();
        assert!(again.replayed && again.attempts == 0);
        assert_eq!(again.token(), first.token());
        assert_eq!(again.issued.expires_at, first.issued.expires_at, "no expiry is added again");
        assert_eq!(again.issued.token.client_parameters, first.issued.token.client_parameters);
        let left = first.issued.lifetime_seconds().map(|left| left - 100);
        assert_eq!(again.issued.lifetime_seconds(), left);
        assert_eq!(scripted.calls(), before + 1);
        let other = scripted.ask(&ask.reference(format!("other-{before}"))).await.unwrap();
        assert_ne!(other.token(), first.token(), "CLIENT tokens belong to one reference");
    }
}

#[tokio::test]
async fn a_reference_belongs_to_one_request() {
    let scripted = ScriptedEngine::new();
    let ask = TestRequest::client();
    scripted.ask(&ask).await.unwrap();
    let changed = [
        ask.clone().data(json!({"domains": ["shop.example"]})),
        ask.clone().data(json!({"grant": "identity_client_token"})),
        ask.clone().data(json!({"audience": "server"})),
        TestRequest { test_mode: false, ..ask.clone() },
    ];
    for other in changed {
        let error = scripted.ask(&other).await.unwrap_err();
        assert_eq!(error.kind, Kind::ReferenceReused, "{}", other.data);
    }
    // The same the other way round: a SERVER token is shared, its reference is not.
    let server = TestRequest::server().reference("server");
    scripted.ask(&server).await.unwrap();
    for other in [
        TestRequest::client().reference("server"),
        server.clone().data(json!({"audience": "server", "scopes": ["openid"]})),
        server.clone().data(json!({"audience": "server", "scopes": ["openid"]})).fresh(),
    ] {
        assert_eq!(scripted.ask(&other).await.unwrap_err().kind, Kind::ReferenceReused, "{}", other.data);
    }
    assert_eq!(scripted.calls(), 2);
}

#[tokio::test]
async fn two_requests_with_one_reference_at_once_have_two_results() {
    let scripted = ScriptedEngine::new();
    scripted.script.gated.store(true, SeqCst);
    scripted.script.status.store(422, SeqCst);
    let (engine, ask) = (scripted.engine.clone(), TestRequest::client());
    let first = tokio::spawn(async move { ask.of(&engine).await });
    run_tasks().await;
    let (engine, ask) = (scripted.engine.clone(), TestRequest::client().data(json!({"domains": ["shop.example"]})));
    let second = tokio::spawn(async move { ask.of(&engine).await });
    run_tasks().await;
    scripted.script.gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap_err().kind, Kind::RequestRejected);
    scripted.script.status.store(200, SeqCst);
    scripted.script.gate.add_permits(1);
    second.await.unwrap().unwrap();
    assert_eq!(scripted.calls(), 2);
}

#[tokio::test]
async fn other_credentials_modes_hosts_and_requests_share_no_token() {
    let scripted = ScriptedEngine::new();
    let credentials = |payer: Option<&str>| {
        let mut fields = json!({"client_id": "id", "client_secret": "secret"});
        if let Some(payer) = payer {
            fields["payer_id"] = json!(payer);
        }
        json!({"Paypal": fields})
    };
    let server = TestRequest::server();
    let scoped =
        |scopes: serde_json::Value| TestRequest::server().data(json!({"audience": "server", "scopes": scopes}));
    let asks = [
        TestRequest { credentials: credentials(None), ..server.clone() },
        TestRequest { credentials: credentials(Some("a")), ..server.clone() },
        TestRequest { credentials: credentials(Some("b")), ..server.clone() },
        TestRequest::paypal("id2", "secret", server.data.clone()),
        TestRequest::paypal("id", "secret2", server.data.clone()),
        TestRequest::paypal("idsecret", "x", server.data.clone()),
        TestRequest::paypal("id", "secretx", server.data.clone()),
        TestRequest { test_mode: false, ..server.clone() },
        scoped(json!(["a"])),
        scoped(json!(["b"])),
        scoped(json!(["a", "b"])),
    ];
    let mut tokens = HashSet::new();
    for round in 0..2 {
        for (nth, ask) in asks.iter().enumerate() {
            let ask = ask.clone().reference(format!("ref-{nth}-{round}"));
            tokens.insert(scripted.ask(&ask).await.unwrap().token().to_owned());
        }
    }
    assert_eq!((tokens.len(), scripted.calls()), (asks.len(), asks.len()));

    let mut elsewhere = ConnectorSettings::default();
    elsewhere.base_urls.insert("test_base_url".into(), "http://127.0.0.1:9".into());
    let settings = Settings { connectors: [("paypal".to_owned(), elsewhere)].into(), ..Settings::default() };
    let other_host = scripted.node(settings, &[1]);
    for ask in [TestRequest::server(), TestRequest::client().reference("ref-client")] {
        let here = scripted.ask(&ask).await.unwrap();
        let there = other_host.ask(&ask).await.unwrap();
        assert_ne!(here.token(), there.token(), "a token of one host is not handed out for another");
    }
}

#[tokio::test]
async fn one_reference_of_two_merchants_is_two_references() {
    let scripted = ScriptedEngine::new();
    let other = TestRequest::paypal("id", "other", json!({}));
    let (one, two) = (scripted.ask(&TestRequest::client()).await.unwrap(), scripted.ask(&other).await.unwrap());
    assert_eq!(
        (holder_and_expiry(&one.issued).0.as_str(), holder_and_expiry(&two.issued).0.as_str()),
        ("id:secret", "id:other")
    );
    assert_ne!(one.fingerprints, two.fingerprints);
    // Whatever else they ask for.
    let other = TestRequest::paypal("id", "third", json!({"grant": "identity_client_token"}));
    assert_ne!(scripted.ask(&other).await.map_err(|error| error.kind).err(), Some(Kind::ReferenceReused));
}

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
async fn a_reference_can_be_used_again_when_its_token_has_expired() {
    let scripted = ScriptedEngine::new();
    let first = scripted.ask(&TestRequest::client()).await.unwrap();
    scripted.clock.pass_ms(3_600_000);
    let other = TestRequest::client().data(json!({"domains": ["shop.example"]}));
    let second = scripted.ask(&other).await.unwrap();
    assert!(!second.replayed);
    assert_ne!(first.token(), second.token());
    // No end is known: a quarter of an hour.
    let endless = scripted.ask(&TestRequest::without_end()).await.unwrap();
    scripted.clock.pass_ms(899_000);
    let again = scripted.ask(&TestRequest::without_end()).await.unwrap();
    assert!(again.replayed && again.issued.expires_at.is_none() && again.issued.left.is_none());
    assert_eq!(endless.token(), again.token());
    scripted.clock.pass_ms(1_001);
    assert!(!scripted.ask(&TestRequest::without_end()).await.unwrap().replayed);
}

#[tokio::test]
async fn server_tokens_are_shared_by_references_until_a_new_one_is_wanted() {
    let scripted = ScriptedEngine::new();
    let first = scripted.ask(&TestRequest::server().reference("1")).await.unwrap();
    let second = scripted.ask(&TestRequest::server().reference("2")).await.unwrap();
    assert_eq!(first.token(), second.token());
    assert!(!second.replayed && second.attempts == 0);
    assert!(scripted.ask(&TestRequest::server().reference("2")).await.unwrap().replayed);
    let new = scripted.ask(&TestRequest::server().reference("2").fresh()).await.unwrap();
    assert_ne!(new.token(), first.token());
    assert!(!new.replayed && new.attempts == 1, "a new token is no replay");
    assert_eq!(
        scripted.ask(&TestRequest::server().reference("3")).await.unwrap().token(),
        new.token(),
        "it takes the place"
    );
    // A CLIENT token is not made anew: its reference holds it.
    let client = scripted.ask(&TestRequest::client()).await.unwrap();
    assert_eq!(scripted.ask(&TestRequest::client().fresh()).await.unwrap().token(), client.token());
    assert_eq!(scripted.calls(), 3);
}

#[tokio::test]
async fn shared_tokens_are_refreshed_before_they_expire() {
    for (lives, early_ms, due_ms) in [(3600_u32, 3_524_000_u32, 3_541_000_u32), (100, 87_000, 91_000)] {
        let scripted = ScriptedEngine::new();
        scripted.script.expires_in.store(lives.into(), SeqCst);
        let first = scripted.ask(&TestRequest::server()).await.unwrap();
        scripted.clock.pass_ms(early_ms);
        scripted.ask(&TestRequest::server()).await.unwrap();
        run_tasks().await;
        assert_eq!(scripted.calls(), 1, "too early");
        scripted.clock.pass_ms(due_ms - early_ms);
        scripted.script.gated.store(true, SeqCst);
        for _ in 0..100 {
            assert_eq!(
                scripted.ask(&TestRequest::server()).await.unwrap().token(),
                first.token(),
                "the old one is served"
            );
        }
        run_tasks().await;
        assert_eq!(scripted.calls(), 2, "one replacement at a time");
        scripted.script.gate.add_permits(1);
        run_tasks().await;
        let new = scripted.ask(&TestRequest::server()).await.unwrap();
        assert_ne!(new.token(), first.token());
        assert_eq!(new.issued.lifetime_seconds(), Some(lives.into()));
        // A node that had seen the old one finds that it was replaced.
        scripted.ask(&TestRequest::server()).await.unwrap();
        run_tasks().await;
        assert_eq!(scripted.calls(), 2);
    }
}

#[tokio::test]
async fn a_failed_refresh_is_not_repeated_at_each_call_and_fails_no_caller() {
    let scripted = ScriptedEngine::new();
    let first = scripted.ask(&TestRequest::server()).await.unwrap();
    scripted.clock.pass_ms(3_560_000);
    for status in [500, 401] {
        scripted.script.status.store(status, SeqCst);
        let before = scripted.calls();
        for _ in 0..100 {
            assert_eq!(scripted.ask(&TestRequest::server()).await.unwrap().token(), first.token());
            run_tasks().await;
        }
        assert_eq!(scripted.calls(), before + 1);
        scripted.clock.pass_ms(3_001);
    }
    // Past its end it is not served, whatever the vendor says.
    scripted.clock.pass_ms(35_000);
    scripted.script.status.store(500, SeqCst);
    assert_eq!(scripted.ask(&TestRequest::server()).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_caller_gets_a_new_token_while_another_node_refreshes() {
    let scripted = ScriptedEngine::new();
    scripted.ask(&TestRequest::server()).await.unwrap();
    scripted.clock.pass_ms(3_560_000);
    scripted.script.gated.store(true, SeqCst);
    let node = scripted.node(Settings::default(), &[1]);
    node.ask(&TestRequest::server()).await.unwrap();
    scripted.ask(&TestRequest::server()).await.unwrap();
    run_tasks().await;
    assert_eq!(scripted.calls(), 2, "one node replaces");
    scripted.script.gate.add_permits(10);
    scripted.ask(&TestRequest::server().fresh()).await.unwrap();
}

#[tokio::test]
async fn rejected_credentials_are_remembered_for_a_moment() {
    let scripted = ScriptedEngine::new();
    scripted.script.known.lock().unwrap().insert("id".into(), "secret".into());
    let wrong =
        |reference: &str| TestRequest::paypal("id", "wrong", json!({"audience": "server"})).reference(reference);
    for nth in 0..100 {
        let error = scripted.ask(&wrong(&nth.to_string())).await.unwrap_err();
        assert_eq!(error.kind, Kind::CredentialsRejected);
    }
    assert_eq!(scripted.calls(), 1, "a wrong key in a loop");
    scripted.ask(&TestRequest::server()).await.unwrap();
    assert_eq!(scripted.calls(), 2, "the right key is not concerned");
    assert_eq!(scripted.ask(&wrong("x").fresh()).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(scripted.calls(), 3, "who wants to know, asks");
    scripted.clock.pass_ms(3_001);
    assert_eq!(scripted.ask(&wrong("x")).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(scripted.calls(), 4, "forgotten after some seconds");
    // Other refusals are not remembered.
    scripted.script.status.store(403, SeqCst);
    for nth in 0..3 {
        let ask = TestRequest::paypal("other", "x", json!({})).reference(nth.to_string());
        assert_eq!(scripted.ask(&ask).await.unwrap_err().kind, Kind::PermissionDenied);
    }
    assert_eq!(scripted.calls(), 7);
}

#[tokio::test]
async fn a_wrong_secret_gets_no_stored_token_and_a_new_secret_no_old_one() {
    let scripted = ScriptedEngine::new();
    scripted.script.known.lock().unwrap().insert("id".into(), "secret".into());
    for right in [TestRequest::client(), TestRequest::server().reference("s")] {
        scripted.ask(&right).await.unwrap();
        for secret in ["wrong", "secre", "secrets", "Secret", "s ecret"] {
            let wrong = TestRequest::paypal("id", secret, right.data.clone());
            assert_eq!(scripted.ask(&wrong).await.unwrap_err().kind, Kind::CredentialsRejected, "{secret:?}");
        }
    }
    scripted.script.known.lock().unwrap().insert("id".into(), "rotated".into());
    for data in [json!({}), json!({"audience": "server"})] {
        let ask = TestRequest::paypal("id", "rotated", data.clone()).reference(data.to_string());
        let given = scripted.ask(&ask).await.unwrap();
        assert_eq!(holder_and_expiry(&given.issued).0, "id:rotated");
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
    // The client token, the shared token and the note of its reference.
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

        // Another tenant's value in this one's place.
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
    assert_eq!(seen.len(), 3);
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
    // What the log shows while both keys are known is enough to forget what is kept under either.
    assert_eq!(again.fingerprints.len(), 2);
    assert!(both.engine.forget(&again.fingerprints).await.unwrap() >= 3);
    assert_ne!(both.ask(&TestRequest::client()).await.unwrap().token(), client.token());
    let new = old.node(Settings::default(), &[2]);
    assert_ne!(new.ask(&TestRequest::client()).await.unwrap().token(), client.token());
}

#[tokio::test]
async fn the_time_of_a_slow_call_is_taken_off_the_lifetime() {
    let scripted = ScriptedEngine::new();
    scripted.script.takes_ms.store(1_500, SeqCst);
    let given = scripted.ask(&TestRequest::server().within(Duration::from_secs(9))).await.unwrap();
    assert_eq!(given.issued.lifetime_seconds(), Some(3597));
}
