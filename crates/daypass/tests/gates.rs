//! What stands before each vendor's host, end to end: the breaker, the budget of retries, the bulkhead. Over real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::fault_server::{Act, FaultServer, Front, reply};
use crate::scenes::{Outcome, Scene, Shared, call, engine, successes};
use connectors::Kind;
use daypass::Engine;
use tokio::task::JoinSet;

const AMPLE: Duration = Duration::from_secs(10);
/// Retries that a host has on credit.
const CREDIT: usize = 2;

/// A success of one call whose reference may be any, and which may be repeated.
fn scene() -> Scene {
    let simple = |scene: &Scene| scene.replies.len() == 1 && scene.case["reference"].is_null();
    successes().into_iter().find(|it| simple(it) && it.name == "stripe/ephemeral_key").unwrap()
}

fn transport() -> Shared {
    Shared::new(Duration::from_secs(2), None)
}

async fn calls(count: usize, engine: &Arc<Engine<Shared>>, scene: &Scene, time: Duration) -> Vec<Outcome> {
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (engine, scene) = (engine.clone(), scene.clone());
        tasks.spawn(async move { call(&engine, &scene, time).await });
    }
    tasks.join_all().await
}

fn of_kind(outcomes: &[Outcome], kind: Kind) -> usize {
    outcomes.iter().filter(|outcome| outcome.result.as_ref().is_err_and(|error| error.kind == kind)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_vendor_is_left_alone_and_one_probe_finds_it_well() {
    let (scene, server) = (scene(), FaultServer::start(Front::Plain).await);
    let engine = engine(&scene, &server.base(), &transport(), |_| {});
    server.answer(vec![vec![Act::Send(reply(503, &[], b"{}"))]]);
    let mut attempts = 0;
    for _ in 0..200 {
        let outcome = call(&engine, &scene, AMPLE).await;
        assert_eq!(outcome.result.as_ref().err().map(|error| error.kind), Some(Kind::Unavailable));
        attempts += outcome.facts.attempts as usize;
    }
    assert_eq!(attempts, server.requests());
    assert!((20..=24 + CREDIT).contains(&attempts), "{attempts} requests of 200 calls reached a vendor that is down");
    let began = Instant::now();
    let refused = call(&engine, &scene, AMPLE).await;
    let error = refused.result.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!((error.kind, refused.facts.attempts), (Kind::Unavailable, 0));
    let wait = error.retry_after.unwrap();
    assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&wait), "{wait:?}");

    // It is well again: many calls come at once, one goes first.
    let good = scene.replies[0].bytes();
    server.answer_with(move |_, _| vec![Act::Pause(Duration::from_millis(300)), Act::Send(good.clone())]);
    tokio::time::sleep(wait + Duration::from_millis(50)).await;
    let outcomes = calls(50, &engine, &scene, AMPLE).await;
    assert_eq!(server.requests(), 1, "one probe");
    assert_eq!(of_kind(&outcomes, Kind::Unavailable), 49);
    assert!(calls(50, &engine, &scene, AMPLE).await.iter().all(|outcome| outcome.result.is_ok()), "closed");
    println!("breaker: {attempts} of 200 calls reached the sick vendor, 1 of 50 probed, 50 of 50 succeeded after it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_stay_within_their_budget_and_help() {
    let (scene, server) = (scene(), FaultServer::start(Front::Plain).await);
    let engine = engine(&scene, &server.base(), &transport(), |_| {});
    let good = scene.replies[0].bytes();
    // Every fourth request fails: too few for the breaker, more than the budget covers.
    server.answer_with(move |nth, _| vec![Act::Send(if nth % 4 == 3 { reply(503, &[], b"{}") } else { good.clone() })]);
    const CALLS: usize = 600;
    let (mut attempts, mut failed) = (0, 0);
    for _ in 0..CALLS {
        let outcome = call(&engine, &scene, AMPLE).await;
        attempts += outcome.facts.attempts as usize;
        failed += usize::from(outcome.result.is_err());
    }
    println!("budget: {CALLS} calls, {attempts} attempts, {failed} failed");
    assert_eq!(attempts, server.requests());
    assert!(attempts <= CALLS * 12 / 10 + CREDIT, "{attempts} attempts of {CALLS} calls");
    assert!(attempts > CALLS * 115 / 100, "{attempts}: the budget is used");
    assert!(failed <= CALLS / 6, "{failed} of {CALLS} failed, a quarter would without retries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_asks_for_time_gets_it_and_the_caller_hears() {
    let (scene, server) = (scene(), FaultServer::start(Front::Plain).await);
    let engine = engine(&scene, &server.base(), &transport(), |_| {});
    let good = scene.replies[0].bytes();
    server.answer(vec![vec![Act::Send(reply(429, &[("retry-after", "1")], b"{}"))], vec![Act::Send(good)]]);
    let outcome = call(&engine, &scene, AMPLE).await;
    assert!(outcome.result.is_ok() && outcome.facts.attempts == 2 && outcome.took >= Duration::from_secs(1));
    server.answer(vec![vec![Act::Send(reply(429, &[("retry-after", "30")], b"{}"))]]);
    let outcome = call(&engine, &scene, AMPLE).await;
    let error = outcome.result.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (Kind::RateLimited, Some(Duration::from_secs(30))));
    assert!(outcome.facts.attempts == 1 && outcome.took < Duration::from_secs(1));
    // Less time than it asks for.
    server.answer(vec![vec![Act::Send(reply(503, &[("retry-after", "1")], b"{}"))]]);
    let outcome = call(&engine, &scene, Duration::from_millis(500)).await;
    assert!(outcome.facts.attempts == 1 && outcome.took < Duration::from_millis(400), "{:?}", outcome.took);
}

/// A full house: as many as there are places are served, as many as may wait do, the others hear at once; then all is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_bounded_and_come_back() {
    let (scene, server) = (scene(), FaultServer::start(Front::Plain).await);
    let engine = engine(&scene, &server.base(), &transport(), |settings| {
        settings.limits.max_calls_per_host = 8;
        settings.limits.max_waiting_per_host = 4;
    });
    let good = scene.replies[0].bytes();
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for round in 0..3 {
        let good = good.clone();
        server.answer_with(move |_, _| vec![Act::Pause(Duration::from_millis(400)), Act::Send(good.clone())]);
        let outcomes = calls(40, &engine, &scene, AMPLE).await;
        let overloaded = of_kind(&outcomes, Kind::Overloaded);
        let succeeded = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
        assert_eq!((succeeded, overloaded), (12, 28), "round {round}");
        for outcome in outcomes.iter().filter(|outcome| outcome.result.is_err()) {
            assert!(outcome.took < Duration::from_millis(200), "refused after {:?}", outcome.took);
            assert!(outcome.result.as_ref().unwrap_err().retry_after.is_some());
        }
    }
    // Callers who leave, and calls that end by their deadline, give their places back, too.
    server.answer(vec![vec![Act::Hang]]);
    let timed_out = calls(8, &engine, &scene, Duration::from_millis(300)).await;
    assert_eq!(of_kind(&timed_out, Kind::Timeout), 8);
    for _ in 0..8 {
        let leaving = call(&engine, &scene, Duration::from_millis(500));
        assert!(tokio::time::timeout(Duration::from_millis(20), leaving).await.is_err());
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (counted, peak) = (at_once.clone(), most.clone());
    server.answer_with(move |_, _| {
        peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        vec![Act::Pause(Duration::from_millis(300)), Act::Send(good.clone())]
    });
    let outcomes = calls(8, &engine, &scene, AMPLE).await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "all places are free");
    assert!(outcomes.iter().all(|outcome| outcome.took < Duration::from_millis(590)), "none of them waited");
    assert_eq!(most.load(Ordering::SeqCst), 8);
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// One engine, two vendors; the healthy one is measured alone, then beside one that hangs at full load, in turns.
async fn beside_a_sick_vendor(rounds: usize, per_round: usize, sick_load: usize) -> (Duration, Duration) {
    let all = successes();
    let single = |scene: &&Scene| scene.replies.len() == 1 && scene.case["reference"].is_null();
    let healthy = scene();
    let other = |it: &&Scene| it.entry.meta.id != healthy.entry.meta.id && single(it);
    let sick = all.iter().find(other).unwrap().clone();
    let (good, bad) = (FaultServer::start(Front::Plain).await, FaultServer::start(Front::Plain).await);
    let bytes = healthy.replies[0].bytes();
    good.answer_with(move |_, _| vec![Act::Pause(Duration::from_millis(20)), Act::Send(bytes.clone())]);
    bad.answer(vec![vec![Act::Hang]]);
    let engine = engine(&healthy, &good.base(), &transport(), |settings| {
        settings.limits.max_calls_per_host = 32;
        settings.limits.max_waiting_per_host = 32;
        let mut of = daypass::ConnectorSettings::default();
        for key in ["base_url", "test_base_url"] {
            of.base_urls.insert(key.into(), bad.base());
        }
        settings.connectors.insert(sick.entry.meta.id.into(), of);
    });
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (times, load) in [(&mut alone, 0), (&mut beside, sick_load)] {
            let stop = Arc::new(AtomicBool::new(false));
            let mut callers = JoinSet::new();
            for _ in 0..load {
                let (engine, sick, stop) = (engine.clone(), sick.clone(), stop.clone());
                callers.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let _ = call(&engine, &sick, Duration::from_millis(1500)).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                });
            }
            if load > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            for _ in 0..per_round {
                let outcome = call(&engine, &healthy, AMPLE).await;
                assert!(outcome.result.is_ok(), "{:?}", outcome.result);
                times.push(outcome.took);
            }
            stop.store(true, Ordering::Relaxed);
            callers.shutdown().await;
        }
    }
    println!(
        "beside a vendor that hangs under {sick_load} callers: p50 {:?} -> {:?}, p99 {:?} -> {:?} ({} calls each)",
        percentile(&mut alone, 50),
        percentile(&mut beside, 50),
        percentile(&mut alone, 99),
        percentile(&mut beside, 99),
        alone.len(),
    );
    (percentile(&mut alone, 99), percentile(&mut beside, 99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sick_vendor_does_not_slow_the_others() {
    let (alone, beside) = beside_a_sick_vendor(2, 60, 100).await;
    // The exact ratio is for a quiet machine and the full size.
    assert!(beside < alone * 3 + Duration::from_millis(100), "{alone:?} {beside:?}");
}

/// `cargo test --release -p daypass --test all gates -- --ignored --nocapture full_size`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and a quiet machine"]
async fn one_sick_vendor_does_not_slow_the_others_full_size() {
    let (alone, beside) = beside_a_sick_vendor(8, 250, 200).await;
    assert!(beside <= alone.mul_f64(1.1), "{alone:?} {beside:?}");
}
