//! Secrets that work once are sent once, and tokens that are used up are not handed out again.

use std::collections::HashSet;

use crate::fake_vendor::{Ask, Fate, Nodes};
use connectors::Kind;

fn code(reference: &str) -> Ask {
    Ask::of_grant("code", reference).with("code", "the-code")
}

fn sent(nodes: &Nodes) -> u32 {
    nodes.http.lock().codes["the-code"]
}

#[tokio::test]
async fn a_code_is_sent_once() {
    let nodes = Nodes::new(2);
    let first = nodes.ask(0, &code("a")).await.unwrap();
    assert!(nodes.ask(1, &code("a")).await.unwrap().replayed);
    let other = nodes.ask(1, &code("b")).await.unwrap();
    assert!(other.token() == first.token() && !other.replayed);
    nodes.pass(890);
    assert_eq!(nodes.ask(0, &code("c")).await.unwrap().token(), first.token());
    for ask in [code("d").fresh(), code("e").with("note", "x"), code("f").credential("client_secret", "other")] {
        let error = nodes.ask(0, &ask).await.unwrap_err();
        assert_eq!(error.kind, Kind::SecretUsedUp, "{ask:?}");
        assert!(error.message.contains("no-cache"));
    }
    nodes.pass(60);
    for reference in ["a", "g"] {
        assert_eq!(nodes.ask(1, &code(reference)).await.unwrap_err().kind, Kind::SecretUsedUp);
    }
    nodes.pass(23 * 3600);
    assert_eq!(nodes.ask(1, &code("a")).await.unwrap_err().kind, Kind::SecretUsedUp, "a day after its end");
    assert_eq!(sent(&nodes), 1);
}

#[tokio::test]
async fn a_code_whose_outcome_is_unknown_is_not_sent_again() {
    for fate in [Fate::ReplyLost, Fate::Fails(503), Fate::Fails(500)] {
        let nodes = Nodes::new(1);
        nodes.next(&[fate]);
        nodes.ask(0, &code("a")).await.unwrap_err();
        for reference in ["a", "b"] {
            assert_eq!(nodes.ask(0, &code(reference)).await.unwrap_err().kind, Kind::SecretUsedUp, "{fate:?}");
        }
        assert_eq!(sent(&nodes), 1, "{fate:?}");
    }
}

#[tokio::test]
async fn a_code_that_was_refused_may_be_sent_by_the_caller_again() {
    for status in [400, 401, 429] {
        let nodes = Nodes::new(1);
        nodes.next(&[Fate::Fails(status)]);
        nodes.ask(0, &code("a")).await.unwrap_err();
        assert_eq!(nodes.calls(), 1, "not by the service itself");
        nodes.pass(4);
        nodes.ask(0, &code("a").with("note", "corrected")).await.unwrap();
        assert_eq!(nodes.ask(0, &code("b").with("note", "third")).await.unwrap_err().kind, Kind::SecretUsedUp);
    }
}

#[tokio::test]
async fn many_calls_with_one_code_send_it_once() {
    let nodes = Nodes::new(3);
    let calls = (0..60).map(|nth| {
        let engine = nodes.engines[nth % 3].clone();
        tokio::spawn(async move { code(&format!("ref-{nth}")).of(&engine).await.unwrap().token() })
    });
    let calls: Vec<_> = calls.collect();
    let mut tokens = HashSet::new();
    for call in calls {
        tokens.insert(call.await.unwrap());
    }
    assert_eq!((tokens.len(), sent(&nodes)), (1, 1));
}

#[tokio::test]
async fn a_token_for_one_use_is_made_for_each_call() {
    let nodes = Nodes::new(1);
    let ask = Ask::of_grant("connection", "a");
    let mut tokens = HashSet::new();
    for _ in 0..3 {
        let answer = nodes.ask(0, &ask).await.unwrap();
        assert!(!answer.replayed);
        tokens.insert(answer.token());
    }
    let engine = nodes.engines[0].clone();
    let calls: Vec<_> = (0..20).map(|_| (engine.clone(), ask.clone())).collect();
    let calls = calls.into_iter().map(|(engine, ask)| tokio::spawn(async move { ask.of(&engine).await.unwrap() }));
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        assert!(!answer.replayed);
        tokens.insert(answer.token());
    }
    assert_eq!((tokens.len(), nodes.calls()), (23, 23));
    // Nothing is pinned to the reference.
    nodes.ask(0, &Ask::of_grant("session", "a")).await.unwrap();
    nodes.ask(0, &ask).await.unwrap();
}
