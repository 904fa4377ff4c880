//! SERVER tokens, which references share: refresh before their expiry, and their lifetime.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use super::run_tasks;
use crate::scripted_engine::{ScriptedEngine, TestRequest};
use connectors::Kind;
use daypass::Settings;

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
    // A CLIENT token is not replaced, as it belongs to its reference.
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
        // The next call gets the new token and starts no refresh.
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
    // An expired token is not served, even if the refresh fails.
    scripted.clock.pass_ms(35_000);
    scripted.script.status.store(500, SeqCst);
    assert_eq!(scripted.ask(&TestRequest::server()).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_caller_that_wants_some_life_waits_for_a_new_token() {
    let scripted = ScriptedEngine::new();
    let first = scripted.ask(&TestRequest::server().reference("1")).await.unwrap();
    scripted.clock.pass_ms(3_575_000);
    let wanting = |reference: &str| TestRequest::server().reference(reference).wanted_left(30);
    let [one, two] = [wanting("2"), wanting("1")];
    let (one, two) = tokio::join!(scripted.ask(&one), scripted.ask(&two));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.token(), first.token());
    assert_eq!(one.token(), two.token(), "one call for all that wait");
    assert_eq!((one.issued.lifetime_seconds(), one.attempts + two.attempts, scripted.calls()), (Some(3600), 1, 2));
    assert!(!two.replayed, "the reference had another token");
    assert!(scripted.ask(&wanting("1")).await.unwrap().replayed);

    // With enough left, the token is handed out and replaced in the background as for others.
    scripted.clock.pass_ms(3_565_000);
    let old = scripted.ask(&wanting("3")).await.unwrap();
    assert_eq!((old.token(), old.issued.lifetime_seconds(), old.attempts), (one.token(), Some(35), 0));
    run_tasks().await;
    assert_eq!(scripted.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_short_token_is_handed_out_where_no_new_one_comes() {
    for (status, is_silent) in [(500, false), (401, false), (200, true)] {
        let scripted = ScriptedEngine::new();
        let first = scripted.ask(&TestRequest::server()).await.unwrap();
        scripted.clock.pass_ms(3_575_000);
        scripted.script.status.store(status, SeqCst);
        scripted.script.gated.store(is_silent, SeqCst);
        let began = tokio::time::Instant::now();
        for _ in 0..3 {
            let given = scripted.ask(&TestRequest::server().wanted_left(30)).await.unwrap();
            assert_eq!((given.token(), given.issued.lifetime_seconds()), (first.token(), Some(25)), "{status}");
        }
        // Each waits for two seconds at most, also where its own time is longer.
        assert!(began.elapsed() <= Duration::from_secs(6) + Duration::from_millis(10), "{:?}", began.elapsed());
        let hurried = TestRequest::server().wanted_left(30).within(Duration::from_millis(500));
        assert_eq!(scripted.ask(&hurried).await.unwrap().token(), first.token(), "half of its time is enough");
        assert_eq!(scripted.calls(), 2, "one attempt at a new one: {status}");
    }
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
async fn the_time_of_a_slow_call_is_taken_off_the_lifetime() {
    let scripted = ScriptedEngine::new();
    scripted.script.takes_ms.store(1_500, SeqCst);
    let given = scripted.ask(&TestRequest::server().within(Duration::from_secs(9))).await.unwrap();
    assert_eq!(given.issued.lifetime_seconds(), Some(3597));
}
