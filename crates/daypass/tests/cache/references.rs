//! References: a repeated request gets the same token, and another request is refused.

use std::sync::atomic::Ordering::SeqCst;

use super::run_tasks;
use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry};
use connectors::Kind;
use serde_json::json;

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
    // References share a SERVER token, but each reference still belongs to one request.
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
async fn one_reference_of_two_merchants_is_two_references() {
    let scripted = ScriptedEngine::new();
    let other = TestRequest::paypal("id", "other", json!({}));
    let (one, two) = (scripted.ask(&TestRequest::client()).await.unwrap(), scripted.ask(&other).await.unwrap());
    assert_eq!(
        (holder_and_expiry(&one.issued).0.as_str(), holder_and_expiry(&two.issued).0.as_str()),
        ("id:secret", "id:other")
    );
    assert_ne!(one.fingerprints, two.fingerprints);
    // The same holds for another grant.
    let other = TestRequest::paypal("id", "third", json!({"grant": "identity_client_token"}));
    assert_ne!(scripted.ask(&other).await.map_err(|error| error.kind).err(), Some(Kind::ReferenceReused));
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
    // A token without a known expiry is kept for 15 minutes.
    let endless = scripted.ask(&TestRequest::without_end()).await.unwrap();
    scripted.clock.pass_ms(899_000);
    let again = scripted.ask(&TestRequest::without_end()).await.unwrap();
    assert!(again.replayed && again.issued.expires_at.is_none() && again.issued.left.is_none());
    assert_eq!(endless.token(), again.token());
    scripted.clock.pass_ms(1_001);
    assert!(!scripted.ask(&TestRequest::without_end()).await.unwrap().replayed);
}
