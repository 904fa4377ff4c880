//! A token's life between two calls.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::world::{Ask, World, told};
use connectors::Kind;
use daypass::{ConnectorSettings, Settings};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

/// Lets everything that was started go as far as it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reference_is_answered_again_without_a_call() {
    let world = World::new();
    for ask in [Ask::client(), Ask::absolute(), Ask::without_end().reference("endless")] {
        let before = world.calls();
        let first = world.ask(&ask).await.unwrap();
        assert!(!first.replayed && first.attempts == 1);
        world.clock.pass_ms(100_000);
        let again = world.ask(&ask).await.unwrap();
        assert!(again.replayed && again.attempts == 0);
        assert_eq!(again.token(), first.token());
        assert_eq!(again.pass.expires_at, first.pass.expires_at, "no expiry is added again");
        assert_eq!(again.pass.token.client_parameters, first.pass.token.client_parameters);
        let left = first.pass.lifetime_seconds().map(|left| left - 100);
        assert_eq!(again.pass.lifetime_seconds(), left);
        assert_eq!(world.calls(), before + 1);
        let other = world.ask(&ask.reference(format!("other-{before}"))).await.unwrap();
        assert_ne!(other.token(), first.token(), "CLIENT tokens belong to one reference");
    }
}

#[tokio::test]
async fn a_reference_belongs_to_one_request() {
    let world = World::new();
    let ask = Ask::client();
    world.ask(&ask).await.unwrap();
    let changed = [
        ask.clone().data(json!({"domains": ["shop.example"]})),
        ask.clone().data(json!({"grant": "identity_client_token"})),
        ask.clone().data(json!({"audience": "server"})),
        Ask { test_mode: false, ..ask.clone() },
    ];
    for other in changed {
        let error = world.ask(&other).await.unwrap_err();
        assert_eq!(error.kind, Kind::ReferenceReused, "{}", other.data);
    }
    // The same the other way round: a SERVER token is shared, its reference is not.
    let server = Ask::server().reference("server");
    world.ask(&server).await.unwrap();
    for other in [
        Ask::client().reference("server"),
        server.clone().data(json!({"audience": "server", "scopes": ["openid"]})),
        server.clone().data(json!({"audience": "server", "scopes": ["openid"]})).fresh(),
    ] {
        assert_eq!(world.ask(&other).await.unwrap_err().kind, Kind::ReferenceReused, "{}", other.data);
    }
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn two_requests_with_one_reference_at_once_do_not_share_their_fate() {
    let world = World::new();
    world.script.gated.store(true, SeqCst);
    world.script.status.store(422, SeqCst);
    let (engine, ask) = (world.engine.clone(), Ask::client());
    let first = tokio::spawn(async move { ask.of(&engine).await });
    settle().await;
    let (engine, ask) = (world.engine.clone(), Ask::client().data(json!({"domains": ["shop.example"]})));
    let second = tokio::spawn(async move { ask.of(&engine).await });
    settle().await;
    world.script.gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap_err().kind, Kind::RequestRejected);
    world.script.status.store(200, SeqCst);
    world.script.gate.add_permits(1);
    second.await.unwrap().unwrap();
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn other_credentials_modes_hosts_and_requests_never_meet() {
    let world = World::new();
    let credentials = |payer: Option<&str>| {
        let mut fields = json!({"client_id": "id", "client_secret": "secret"});
        if let Some(payer) = payer {
            fields["payer_id"] = json!(payer);
        }
        json!({"Paypal": fields})
    };
    let server = Ask::server();
    let scoped = |scopes: serde_json::Value| Ask::server().data(json!({"audience": "server", "scopes": scopes}));
    let asks = [
        Ask { credentials: credentials(None), ..server.clone() },
        Ask { credentials: credentials(Some("a")), ..server.clone() },
        Ask { credentials: credentials(Some("b")), ..server.clone() },
        Ask::paypal("id2", "secret", server.data.clone()),
        Ask::paypal("id", "secret2", server.data.clone()),
        Ask::paypal("idsecret", "x", server.data.clone()),
        Ask::paypal("id", "secretx", server.data.clone()),
        Ask { test_mode: false, ..server.clone() },
        scoped(json!(["a"])),
        scoped(json!(["b"])),
        scoped(json!(["a", "b"])),
    ];
    let mut tokens = HashSet::new();
    for round in 0..2 {
        for (nth, ask) in asks.iter().enumerate() {
            let ask = ask.clone().reference(format!("ref-{nth}-{round}"));
            tokens.insert(world.ask(&ask).await.unwrap().token().to_owned());
        }
    }
    assert_eq!((tokens.len(), world.calls()), (asks.len(), asks.len()));

    let mut elsewhere = ConnectorSettings::default();
    elsewhere.base_urls.insert("test_base_url".into(), "http://127.0.0.1:9".into());
    let settings = Settings { connectors: [("paypal".to_owned(), elsewhere)].into(), ..Settings::default() };
    let other_host = world.node(settings, &[1]);
    for ask in [Ask::server(), Ask::client().reference("ref-client")] {
        let here = world.ask(&ask).await.unwrap();
        let there = other_host.ask(&ask).await.unwrap();
        assert_ne!(here.token(), there.token(), "a token of one host is not handed out for another");
    }
}

#[tokio::test]
async fn one_reference_of_two_merchants_is_two_references() {
    let world = World::new();
    let other = Ask::paypal("id", "other", json!({}));
    let (one, two) = (world.ask(&Ask::client()).await.unwrap(), world.ask(&other).await.unwrap());
    assert_eq!((told(&one.pass).0.as_str(), told(&two.pass).0.as_str()), ("id:secret", "id:other"));
    assert_ne!(one.fingerprints, two.fingerprints);
    // Whatever else they ask for.
    let other = Ask::paypal("id", "third", json!({"grant": "identity_client_token"}));
    assert_ne!(world.ask(&other).await.map_err(|error| error.kind).err(), Some(Kind::ReferenceReused));
}

#[tokio::test]
async fn failures_are_not_pinned() {
    let world = World::new();
    for (status, kind) in [(500, Kind::Unavailable), (422, Kind::RequestRejected), (429, Kind::RateLimited)] {
        for ask in [Ask::client(), Ask::server()] {
            let reference = format!("{status}{}", ask.data);
            let ask = ask.reference(reference);
            world.script.status.store(status, SeqCst);
            let error = world.ask(&Ask { fresh: true, ..ask.clone() }).await.unwrap_err();
            assert_eq!(error.kind, kind);
            world.script.status.store(200, SeqCst);
            let given = world.ask(&ask.clone()).await.unwrap();
            assert!(!given.replayed);
        }
    }
}

#[tokio::test]
async fn a_reference_is_free_again_when_its_token_is_gone() {
    let world = World::new();
    let first = world.ask(&Ask::client()).await.unwrap();
    world.clock.pass_ms(3_600_000);
    let other = Ask::client().data(json!({"domains": ["shop.example"]}));
    let second = world.ask(&other).await.unwrap();
    assert!(!second.replayed);
    assert_ne!(first.token(), second.token());
    // No end is known: a quarter of an hour.
    let endless = world.ask(&Ask::without_end()).await.unwrap();
    world.clock.pass_ms(899_000);
    let again = world.ask(&Ask::without_end()).await.unwrap();
    assert!(again.replayed && again.pass.expires_at.is_none() && again.pass.left.is_none());
    assert_eq!(endless.token(), again.token());
    world.clock.pass_ms(1_001);
    assert!(!world.ask(&Ask::without_end()).await.unwrap().replayed);
}

#[tokio::test]
async fn server_tokens_are_shared_by_references_until_a_new_one_is_wanted() {
    let world = World::new();
    let first = world.ask(&Ask::server().reference("1")).await.unwrap();
    let second = world.ask(&Ask::server().reference("2")).await.unwrap();
    assert_eq!(first.token(), second.token());
    assert!(!second.replayed && second.attempts == 0);
    assert!(world.ask(&Ask::server().reference("2")).await.unwrap().replayed);
    let new = world.ask(&Ask::server().reference("2").fresh()).await.unwrap();
    assert_ne!(new.token(), first.token());
    assert!(!new.replayed && new.attempts == 1, "a new token is no replay");
    assert_eq!(world.ask(&Ask::server().reference("3")).await.unwrap().token(), new.token(), "it takes the place");
    // A CLIENT token is not made anew: its reference holds it.
    let client = world.ask(&Ask::client()).await.unwrap();
    assert_eq!(world.ask(&Ask::client().fresh()).await.unwrap().token(), client.token());
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn shared_tokens_are_replaced_while_they_still_live() {
    for (lives, early_ms, due_ms) in [(3600_u32, 3_524_000_u32, 3_541_000_u32), (100, 87_000, 91_000)] {
        let world = World::new();
        world.script.expires_in.store(lives.into(), SeqCst);
        let first = world.ask(&Ask::server()).await.unwrap();
        world.clock.pass_ms(early_ms);
        world.ask(&Ask::server()).await.unwrap();
        settle().await;
        assert_eq!(world.calls(), 1, "too early");
        world.clock.pass_ms(due_ms - early_ms);
        world.script.gated.store(true, SeqCst);
        for _ in 0..100 {
            assert_eq!(world.ask(&Ask::server()).await.unwrap().token(), first.token(), "the old one is served");
        }
        settle().await;
        assert_eq!(world.calls(), 2, "one replacement at a time");
        world.script.gate.add_permits(1);
        settle().await;
        let new = world.ask(&Ask::server()).await.unwrap();
        assert_ne!(new.token(), first.token());
        assert_eq!(new.pass.lifetime_seconds(), Some(lives.into()));
        // A node that had seen the old one finds that it was replaced.
        world.ask(&Ask::server()).await.unwrap();
        settle().await;
        assert_eq!(world.calls(), 2);
    }
}

#[tokio::test]
async fn a_replacement_that_fails_is_not_tried_at_each_call_and_harms_nobody() {
    let world = World::new();
    let first = world.ask(&Ask::server()).await.unwrap();
    world.clock.pass_ms(3_560_000);
    for status in [500, 401] {
        world.script.status.store(status, SeqCst);
        let before = world.calls();
        for _ in 0..100 {
            assert_eq!(world.ask(&Ask::server()).await.unwrap().token(), first.token());
            settle().await;
        }
        assert_eq!(world.calls(), before + 1);
        world.clock.pass_ms(3_001);
    }
    // Past its end it is not served, whatever the vendor says.
    world.clock.pass_ms(35_000);
    world.script.status.store(500, SeqCst);
    assert_eq!(world.ask(&Ask::server()).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_new_token_is_made_for_who_wants_one_while_another_node_replaces() {
    let world = World::new();
    world.ask(&Ask::server()).await.unwrap();
    world.clock.pass_ms(3_560_000);
    world.script.gated.store(true, SeqCst);
    let node = world.node(Settings::default(), &[1]);
    node.ask(&Ask::server()).await.unwrap();
    world.ask(&Ask::server()).await.unwrap();
    settle().await;
    assert_eq!(world.calls(), 2, "one node replaces");
    world.script.gate.add_permits(10);
    world.ask(&Ask::server().fresh()).await.unwrap();
}

#[tokio::test]
async fn rejected_credentials_are_remembered_for_a_moment_and_only_they() {
    let world = World::new();
    world.script.known.lock().unwrap().insert("id".into(), "secret".into());
    let wrong = |reference: &str| Ask::paypal("id", "wrong", json!({"audience": "server"})).reference(reference);
    for nth in 0..100 {
        let error = world.ask(&wrong(&nth.to_string())).await.unwrap_err();
        assert_eq!(error.kind, Kind::CredentialsRejected);
    }
    assert_eq!(world.calls(), 1, "a wrong key in a loop");
    world.ask(&Ask::server()).await.unwrap();
    assert_eq!(world.calls(), 2, "the right key is not concerned");
    assert_eq!(world.ask(&wrong("x").fresh()).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(world.calls(), 3, "who wants to know, asks");
    world.clock.pass_ms(3_001);
    assert_eq!(world.ask(&wrong("x")).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(world.calls(), 4, "forgotten after some seconds");
    // Other refusals are not remembered.
    world.script.status.store(403, SeqCst);
    for nth in 0..3 {
        let ask = Ask::paypal("other", "x", json!({})).reference(nth.to_string());
        assert_eq!(world.ask(&ask).await.unwrap_err().kind, Kind::PermissionDenied);
    }
    assert_eq!(world.calls(), 7);
}

#[tokio::test]
async fn a_wrong_secret_gets_nothing_from_what_is_kept_and_a_new_secret_nothing_old() {
    let world = World::new();
    world.script.known.lock().unwrap().insert("id".into(), "secret".into());
    for right in [Ask::client(), Ask::server().reference("s")] {
        world.ask(&right).await.unwrap();
        for secret in ["wrong", "secre", "secrets", "Secret", " secret"] {
            let wrong = Ask::paypal("id", secret, right.data.clone());
            assert_eq!(world.ask(&wrong).await.unwrap_err().kind, Kind::CredentialsRejected, "{secret:?}");
        }
    }
    world.script.known.lock().unwrap().insert("id".into(), "rotated".into());
    for data in [json!({}), json!({"audience": "server"})] {
        let ask = Ask::paypal("id", "rotated", data.clone()).reference(data.to_string());
        let given = world.ask(&ask).await.unwrap();
        assert_eq!(told(&given.pass).0, "id:rotated");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_made_anew() {
    let world = World::new();
    let (client, server) = (world.ask(&Ask::client()).await.unwrap(), world.ask(&Ask::server().reference("s")).await);
    let other = world.ask(&Ask::paypal("id", "other", json!({}))).await.unwrap();
    assert_eq!(client.fingerprints, server.unwrap().fingerprints);
    // The client token, the shared token and the note of its reference.
    assert_eq!(world.engine.forget(&client.fingerprints).await.unwrap(), 3);
    assert_ne!(world.ask(&Ask::client()).await.unwrap().token(), client.token());
    assert_eq!(world.ask(&Ask::paypal("id", "other", json!({}))).await.unwrap().token(), other.token());
    world.store.down.store(true, SeqCst);
    assert_eq!(world.engine.forget(&client.fingerprints).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn without_a_store_tokens_are_made_all_the_same() {
    let world = World::new();
    world.store.down.store(true, SeqCst);
    for ask in [Ask::client(), Ask::server(), Ask::absolute(), Ask::without_end()] {
        let (one, two) = (world.ask(&ask).await.unwrap(), world.ask(&ask).await.unwrap());
        assert_ne!(one.token(), two.token());
    }
    world.store.down.store(false, SeqCst);
    world.ask(&Ask::client()).await.unwrap();
    assert!(world.ask(&Ask::client()).await.unwrap().replayed);
}

/// Counts of one counter's events.
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
async fn values_that_were_altered_or_moved_are_as_good_as_absent_and_counted() {
    let counts = Counts::default();
    let _recording = metrics::set_default_local_recorder(&counts);
    let world = World::new();
    for (nth, ask) in [Ask::client(), Ask::server().reference("s")].into_iter().enumerate() {
        let first = world.ask(&ask).await.unwrap();
        let refused = counts.of("sealed_value_refused");
        *world.store.alter.lock().unwrap() = Some(Box::new(|_, mut value| {
            if let Some(last) = value.last_mut() {
                *last ^= 1;
            }
            value
        }));
        let second = world.ask(&ask).await.unwrap();
        assert!(!second.replayed && second.token() != first.token());
        assert!(counts.of("sealed_value_refused") > refused, "{nth}");

        // Another tenant's value in this one's place.
        *world.store.alter.lock().unwrap() = None;
        let mut theirs = ask.clone();
        theirs.credentials = json!({"Paypal": {"client_id": "thief", "client_secret": "x"}});
        let stolen = world.ask(&theirs).await.unwrap();
        let values: Vec<_> = world.store.seen.lock().unwrap().clone();
        let refused = counts.of("sealed_value_refused");
        *world.store.alter.lock().unwrap() = Some(Box::new(move |place, value| {
            let moved = values.iter().rev().find(|(from, _)| from.fingerprint != place.fingerprint);
            moved.map_or(value, |(_, value)| value.clone())
        }));
        let third = world.ask(&ask).await.unwrap();
        assert_ne!(third.token(), stolen.token());
        assert_eq!(told(&third.pass).0, "id:secret");
        assert!(counts.of("sealed_value_refused") > refused);
        *world.store.alter.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn nothing_that_is_kept_shows_a_credential_or_a_token() {
    let world = World::new();
    let mut canaries = vec!["canary-secret".to_owned(), "canary-id".to_owned(), "canary-ref".to_owned()];
    for data in [json!({}), json!({"audience": "server"})] {
        let ask = Ask::paypal("canary-id", "canary-secret", data.clone()).reference(format!("canary-ref{data}"));
        let given = world.ask(&ask).await.unwrap();
        canaries.push(given.token().to_owned());
        assert!(!format!("{given:?}").contains("canary-secret"), "{given:?}");
    }
    let seen = world.store.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for canary in &canaries {
        for (place, value) in seen.iter() {
            assert!(!value.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} at {place:?}");
        }
    }
}

#[tokio::test]
async fn keys_are_replaced_without_losing_tokens() {
    let old = World::new();
    let (client, server) = (old.ask(&Ask::client()).await.unwrap(), Ask::server().reference("s"));
    let shared = old.ask(&server).await.unwrap();
    let both = old.node(Settings::default(), &[2, 1]);
    let again = both.ask(&Ask::client()).await.unwrap();
    assert!(again.replayed && again.token() == client.token());
    let other = Ask::client().data(json!({"domains": ["shop.example"]}));
    assert_eq!(both.ask(&other).await.unwrap_err().kind, Kind::ReferenceReused);
    let again = both.ask(&server).await.unwrap();
    assert!(again.replayed && again.token() == shared.token());
    assert_eq!(both.ask(&server.clone().reference("t")).await.unwrap().token(), shared.token());
    assert_eq!(old.calls(), 2);
    // What the log shows while both keys are known is enough to forget what is kept under either.
    assert_eq!(again.fingerprints.len(), 2);
    assert!(both.engine.forget(&again.fingerprints).await.unwrap() >= 3);
    assert_ne!(both.ask(&Ask::client()).await.unwrap().token(), client.token());
    let new = old.node(Settings::default(), &[2]);
    assert_ne!(new.ask(&Ask::client()).await.unwrap().token(), client.token());
}

#[tokio::test]
async fn a_vendor_that_takes_its_time_eats_the_life_of_its_token() {
    let world = World::new();
    world.script.takes_ms.store(1_500, SeqCst);
    let given = world.ask(&Ask::server().within(Duration::from_secs(9))).await.unwrap();
    assert_eq!(given.pass.lifetime_seconds(), Some(3597));
}
