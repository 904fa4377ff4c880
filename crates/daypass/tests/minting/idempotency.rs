//! A caller's retry after a lost reply is the same request at the connector, and a new token is a
//! new one.

use std::sync::Arc;

use crate::fake_vendor::{Ask, Fate, Nodes};
use connectors::Kind;
use daypass::{MemoryStore, Settings};

#[tokio::test]
async fn a_retry_after_a_lost_reply_is_the_same_request_also_on_another_node() {
    let nodes = Nodes::new(2);
    let ask = Ask::of_grant("session", "a");
    nodes.next(&[Fate::ReplyLost]);
    assert_eq!(nodes.ask(0, &ask).await.unwrap_err().kind, Kind::Timeout);
    nodes.pass(60);
    let retry = nodes.ask(1, &ask).await.unwrap();
    assert!(!retry.replayed);
    let vendor = nodes.http.lock();
    assert_eq!(vendor.keys[0], vendor.keys[1]);
    assert_eq!(vendor.bodies[0], vendor.bodies[1], "the moments in the body are the same");
    assert_eq!(vendor.tokens.len(), 1, "no second object");
}

#[tokio::test]
async fn a_retry_after_a_restart_has_the_same_key() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("session", "a");
    nodes.next(&[Fate::ReplyLost]);
    nodes.ask(0, &ask).await.unwrap_err();
    // The same store, and then one in memory that has forgotten everything.
    for store in [nodes.store.clone(), Arc::new(MemoryStore::new(nodes.clocks[0].clone()))] {
        ask.of(&nodes.engine(0, store, Settings::default())).await.unwrap();
    }
    let keys = nodes.last_keys(3);
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "{keys:?}");
}

#[tokio::test]
async fn other_references_requests_and_credentials_have_other_keys() {
    let nodes = Nodes::new(1);
    nodes.next(&[Fate::ReplyLost; 5]);
    let ask = Ask::of_grant("session", "a");
    for ask in [
        ask.clone(),
        Ask::of_grant("session", "b"),
        Ask::of_grant("order", "a"),
        ask.clone().credential("client_secret", "other"),
    ] {
        nodes.ask(0, &ask).await.unwrap_err();
    }
    let mut keys = nodes.last_keys(4);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    for key in keys {
        let parts: Vec<usize> = key.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{key}");
    }
}

#[tokio::test]
async fn the_token_after_an_expired_one_has_another_key_and_another_object() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("order", "a");
    for _ in 0..3 {
        assert!(!nodes.ask(0, &ask).await.unwrap().replayed);
        assert!(nodes.ask(0, &ask).await.unwrap().replayed);
        nodes.pass(901);
    }
    let vendor = nodes.http.lock();
    assert_eq!((vendor.calls, vendor.tokens.len()), (3, 3));
    assert_eq!(vendor.bodies[0]["reference"], "a", "the first object has the caller's own name");
    assert!(vendor.bodies[1]["reference"] != vendor.bodies[2]["reference"]);
}

#[tokio::test]
async fn an_object_that_a_lost_reply_left_stops_no_retry() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("order", "a");
    nodes.next(&[Fate::ReplyLost]);
    nodes.ask(0, &ask).await.unwrap_err();
    // The vendor refuses the name, and the same call goes on with the next one.
    let retry = nodes.ask(0, &ask).await.unwrap();
    assert!(nodes.is_alive(&retry.token()));
    assert_eq!(nodes.calls(), 3);
    // Another request under that reference is not stuck either.
    nodes.next(&[Fate::ReplyLost]);
    nodes.ask(0, &Ask::of_grant("order", "b")).await.unwrap_err();
    nodes.ask(0, &Ask::of_grant("session", "b")).await.unwrap();
    nodes.pass(901);
    nodes.ask(0, &Ask::of_grant("order", "b")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_gives_the_key_up_and_an_unknown_outcome_keeps_it() {
    for (fates, same) in [
        (&[Fate::Fails(422)][..], false),
        (&[Fate::Fails(401)], false),
        (&[Fate::ReplyLost], true),
        (&[Fate::Fails(500)], true),
        (&[Fate::Fails(500), Fate::Fails(500)], false),
    ] {
        let nodes = Nodes::new(1);
        nodes.next(fates);
        let ask = Ask::of_grant("session", "a");
        for _ in fates {
            nodes.ask(0, &ask).await.unwrap_err();
            nodes.pass(4);
        }
        let failed = nodes.last_keys(1);
        nodes.ask(0, &ask).await.unwrap();
        assert_eq!(failed == nodes.last_keys(1), same, "{fates:?}");
    }
}

/// The vendor repeats its old reply, with the lifetime of that time.
#[tokio::test]
async fn a_repeated_reply_is_not_counted_from_the_repetition() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("access", "a");
    nodes.next(&[Fate::ReplyLost]);
    nodes.ask(0, &ask).await.unwrap_err();
    nodes.pass(600);
    let retry = nodes.ask(0, &ask).await.unwrap();
    assert_eq!(retry.issued.lifetime_seconds(), Some(300));
    // Where it has ended, the same call makes another one.
    nodes.next(&[Fate::ReplyLost]);
    let ask = ask.fresh();
    nodes.ask(0, &ask).await.unwrap_err();
    nodes.pass(1000);
    let retry = nodes.ask(0, &ask).await.unwrap();
    assert!(nodes.is_alive(&retry.token()) && retry.issued.lifetime_seconds() == Some(900), "{retry:?}");
}

#[tokio::test]
async fn a_refresh_is_a_new_key_and_the_record_survives_forgetting() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("access", "a");
    let first = nodes.ask(0, &ask).await.unwrap();
    let second = nodes.ask(0, &ask.clone().fresh()).await.unwrap();
    assert_ne!(first.token(), second.token());
    let fingerprints = nodes.ask(0, &Ask::of_grant("access", "b")).await.unwrap().fingerprints;
    nodes.engines[0].forget(&fingerprints).await.unwrap();
    let third = nodes.ask(0, &ask).await.unwrap();
    assert_ne!(third.token(), second.token(), "a forgotten token does not come back under its old key");
    assert_eq!(nodes.http.lock().tokens.len(), 3);
}

/// The moments in the body are others then, so Stripe refuses the key; a used name is refused anyway.
#[tokio::test]
async fn a_store_that_lost_its_records_costs_one_more_vendor_call_and_no_callers_call() {
    for grant in ["session", "order"] {
        let nodes = Nodes::new(1);
        nodes.http.lock().compares_bodies = true;
        let ask = Ask::of_grant(grant, "a");
        let before = nodes.ask(0, &ask).await.unwrap();
        nodes.pass(60);
        let empty = Arc::new(MemoryStore::new(nodes.clocks[0].clone()));
        let engine = nodes.engine(0, empty, Settings::default());
        let after = ask.of(&engine).await.unwrap();
        assert!(after.token() != before.token() && nodes.is_alive(&after.token()), "{grant}");
        assert_eq!(nodes.calls(), 3, "{grant}: the refused call and one more");
        assert!(ask.of(&engine).await.unwrap().replayed);
    }
}
