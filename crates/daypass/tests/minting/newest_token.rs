//! Connectors that keep only the newest token alive: no token is handed out that another minting
//! has ended, and nothing is made ahead.

use crate::fake_vendor::{Ask, Fate, Nodes};
use connectors::Kind;

fn refresh(reference: &str) -> Ask {
    Ask::of_grant("refresh", reference).with("refresh_token", "first-refresh")
}

#[tokio::test]
async fn nothing_is_renewed_ahead() {
    let nodes = Nodes::new(1);
    let first = nodes.ask(0, &refresh("a")).await.unwrap();
    nodes.pass(890);
    assert_eq!(nodes.ask(0, &refresh("b")).await.unwrap().token(), first.token());
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(nodes.calls(), 1);
    assert!(nodes.is_alive(&first.token()));
}

#[tokio::test]
async fn one_secret_has_one_token_wherever_it_was_given() {
    let nodes = Nodes::new(2);
    let first = nodes.ask(0, &refresh("a")).await.unwrap();
    let as_credential = Ask::of_grant("refresh", "b").credential("refresh_token", "first-refresh");
    assert_eq!(nodes.ask(1, &as_credential).await.unwrap().token(), first.token());
    let both = refresh("c").credential("refresh_token", "not-used");
    assert_eq!(nodes.ask(0, &both).await.unwrap().token(), first.token());
    let again = nodes.ask(0, &Ask { reference: "a".into(), ..as_credential }).await.unwrap();
    assert!(again.replayed && again.token() == first.token());
    // A caller with another client secret gets another place.
    let stranger = refresh("d").credential("client_secret", "wrong");
    assert_ne!(nodes.ask(0, &stranger).await.unwrap().token(), first.token());
    assert_eq!(nodes.calls(), 2);
}

#[tokio::test]
async fn references_follow_the_newest_token_and_say_so() {
    let nodes = Nodes::new(2);
    let first = nodes.ask(0, &refresh("a")).await.unwrap();
    assert!(nodes.ask(1, &refresh("a")).await.unwrap().replayed);
    let new = nodes.ask(1, &refresh("b").fresh()).await.unwrap();
    assert!(new.token() != first.token() && !new.replayed);
    let followed = nodes.ask(0, &refresh("a")).await.unwrap();
    assert!(followed.token() == new.token() && !followed.replayed);
    assert!(nodes.ask(0, &refresh("a")).await.unwrap().replayed);
    assert!(nodes.is_alive(&new.token()) && !nodes.is_alive(&first.token()));
}

#[tokio::test]
async fn other_inputs_replace_the_token_and_do_not_share_it() {
    let nodes = Nodes::new(1);
    let first = nodes.ask(0, &refresh("a")).await.unwrap();
    let other = nodes.ask(0, &refresh("b").with("note", "x")).await.unwrap();
    assert_ne!(first.token(), other.token());
    let again = nodes.ask(0, &refresh("a")).await.unwrap();
    assert!(nodes.is_alive(&again.token()) && !again.replayed);
}

#[tokio::test]
async fn a_token_is_dropped_before_it_ends() {
    let nodes = Nodes::new(1);
    let first = nodes.ask(0, &refresh("a")).await.unwrap();
    // The vendor ended the first one, and the reply with the second is lost.
    nodes.next(&[Fate::ReplyLost]);
    assert_eq!(nodes.ask(0, &refresh("b").fresh()).await.unwrap_err().kind, Kind::Timeout);
    let again = nodes.ask(0, &refresh("a")).await.unwrap();
    assert!(again.token() != first.token() && nodes.is_alive(&again.token()) && !again.replayed);
}

#[tokio::test]
async fn concurrent_demands_for_a_new_token_make_one() {
    let nodes = Nodes::new(1);
    nodes.ask(0, &refresh("a")).await.unwrap();
    let calls = (0..50).map(|nth| {
        let engine = nodes.engines[0].clone();
        tokio::spawn(async move { refresh(&format!("ref-{nth}")).fresh().of(&engine).await.unwrap().token() })
    });
    let calls: Vec<_> = calls.collect();
    let mut tokens = Vec::new();
    for call in calls {
        tokens.push(call.await.unwrap());
    }
    tokens.dedup();
    assert_eq!((tokens.len(), nodes.calls()), (1, 2));
    assert!(nodes.is_alive(&tokens[0]));
}

#[tokio::test]
async fn a_refresh_token_ends_the_token_that_it_came_with() {
    let nodes = Nodes::new(2);
    let code = Ask::of_grant("code", "a").with("code", "the-code");
    let first = nodes.ask(0, &code).await.unwrap();
    let secret = first.issued.token.server_parameters[0].1.expose().to_owned();
    assert!(nodes.ask(1, &code).await.unwrap().replayed);
    let newer = nodes.ask(1, &Ask::of_grant("refresh", "b").with("refresh_token", secret)).await.unwrap();
    assert!(nodes.is_alive(&newer.token()) && !nodes.is_alive(&first.token()));
    assert_eq!(nodes.ask(0, &code).await.unwrap_err().kind, Kind::SecretUsedUp, "the first one is not handed out");
}

/// Tokens that do not end each other: a reference keeps its own.
#[tokio::test]
async fn a_reference_keeps_its_token_when_another_one_forces_a_new_one() {
    let nodes = Nodes::new(2);
    let first = nodes.ask(0, &Ask::of_grant("access", "a")).await.unwrap();
    let new = nodes.ask(0, &Ask::of_grant("access", "b").fresh()).await.unwrap();
    let again = nodes.ask(1, &Ask::of_grant("access", "a")).await.unwrap();
    assert!(again.replayed && again.token() == first.token());
    assert!(nodes.ask(1, &Ask::of_grant("access", "b")).await.unwrap().replayed);
    assert_eq!(nodes.ask(1, &Ask::of_grant("access", "c")).await.unwrap().token(), new.token());
    nodes.pass(901);
    assert!(!nodes.ask(1, &Ask::of_grant("access", "a")).await.unwrap().replayed);
}
