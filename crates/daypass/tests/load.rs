//! Many callers at once: one call to the connector where one is enough, and no caller gets a token
//! of another one.
//!
//! The full sizes: `cargo test -p daypass --release --test all load -- --ignored --nocapture`

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry, ms};
use connectors::Kind;
use serde_json::json;

/// Pseudo-random numbers, the same for the same seed (xorshift64*).
pub(crate) struct Seeded(pub u64);

impl Seeded {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A cold start with this number of callers. The connector answers when all of them wait.
async fn cold_start(callers: usize, cancelled: bool, seed: u64) {
    let scripted = ScriptedEngine::new();
    scripted.script.gated.store(true, SeqCst);
    let mut random = Seeded(seed);
    let callers: Vec<_> = (0..callers)
        .map(|nth| {
            let engine = scripted.engine.clone();
            let ask = TestRequest::server().reference(format!("ref-{nth}")).within(Duration::from_secs(120));
            tokio::spawn(async move { ask.of(&engine).await })
        })
        .collect();
    scripted.until_called(1).await;
    let (mut leave, mut stay) = (Vec::new(), Vec::new());
    for caller in callers {
        if cancelled && random.below(2) == 0 { leave.push(caller) } else { stay.push(caller) }
    }
    leave.iter().for_each(tokio::task::JoinHandle::abort);
    let left = leave.len();
    for caller in leave {
        assert!(caller.await.is_err_and(|error| error.is_cancelled()));
    }
    scripted.script.gate.add_permits(100);
    let mut tokens = std::collections::HashSet::new();
    let stayed = stay.len();
    for caller in stay {
        tokens.insert(caller.await.unwrap().unwrap().token().to_owned());
    }
    println!("seed {seed}: {stayed} callers answered, {left} left, {} vendor call(s)", scripted.calls());
    assert_eq!((tokens.len(), scripted.calls()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_makes_one_call() {
    cold_start(500, false, 1).await;
    for seed in 1..=5 {
        cold_start(500, true, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "full size"]
async fn a_cold_start_of_10_000_makes_one_call() {
    cold_start(10_000, false, 1).await;
    for seed in 1..=20 {
        cold_start(10_000, true, seed).await;
    }
}

#[tokio::test]
async fn the_caller_that_started_a_fetch_may_leave() {
    let scripted = ScriptedEngine::new();
    scripted.script.gated.store(true, SeqCst);
    let engine = scripted.engine.clone();
    let leader = tokio::spawn(async move { TestRequest::client().of(&engine).await });
    scripted.until_called(1).await;
    leader.abort();
    assert!(leader.await.is_err());
    scripted.script.gate.add_permits(1);
    let given = scripted.ask(&TestRequest::client()).await.unwrap();
    assert!(given.replayed && given.attempts == 0);
    assert_eq!(scripted.calls(), 1);
}

#[tokio::test]
async fn the_others_go_on_when_a_fetch_panics() {
    // The leases use the machine's clock, so they end while the scripted clock stands still.
    let scripted = ScriptedEngine::with_running_leases();
    scripted.script.panics.store(1, SeqCst);
    let callers: Vec<_> = (0..100)
        .map(|nth| {
            let engine = scripted.engine.clone();
            tokio::spawn(async move { TestRequest::server().reference(nth.to_string()).of(&engine).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(scripted.calls(), 2);
}

#[tokio::test]
async fn a_lasting_defect_ends_in_an_error() {
    let scripted = ScriptedEngine::with_running_leases();
    scripted.store.down.store(true, SeqCst);
    scripted.script.panics.store(usize::MAX, SeqCst);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let engine = scripted.engine.clone();
            tokio::spawn(async move { TestRequest::server().of(&engine).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().kind, Kind::Internal);
    }
    scripted.script.panics.store(0, SeqCst);
    scripted.ask(&TestRequest::server()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_joined_one_with_less_time_is_answered() {
    let scripted = ScriptedEngine::new();
    scripted.script.gated.store(true, SeqCst);
    let engine = scripted.engine.clone();
    let hasty = tokio::spawn(async move { TestRequest::server().within(Duration::from_millis(100)).of(&engine).await });
    scripted.until_called(1).await;
    let patient: Vec<_> = (0..100)
        .map(|nth| {
            let engine = scripted.engine.clone();
            tokio::spawn(async move { TestRequest::server().reference(nth.to_string()).of(&engine).await })
        })
        .collect();
    assert_eq!(hasty.await.unwrap().unwrap_err().kind, Kind::Timeout);
    scripted.until_called(2).await;
    scripted.script.gate.add_permits(1);
    for caller in patient {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(scripted.calls(), 2);
}

#[tokio::test]
async fn all_callers_that_waited_get_the_failure_and_the_next_call_starts_anew() {
    let scripted = ScriptedEngine::new();
    scripted.script.status.store(500, SeqCst);
    scripted.script.gated.store(true, SeqCst);
    let callers: Vec<_> = (0..100)
        .map(|nth| {
            let engine = scripted.engine.clone();
            tokio::spawn(async move { TestRequest::server().reference(nth.to_string()).of(&engine).await })
        })
        .collect();
    scripted.until_called(1).await;
    scripted.script.gate.add_permits(1000);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().kind, Kind::Unavailable);
    }
    scripted.script.status.store(200, SeqCst);
    scripted.ask(&TestRequest::server()).await.unwrap();
}

/// Calls of many tenants with references that collide, in waves of random size. The secrets change
/// at random moments.
async fn crowd(calls: usize, tenants: usize, seed: u64) {
    let scripted = ScriptedEngine::new();
    scripted.script.expires_in.store(300, SeqCst);
    let mut random = Seeded(seed);
    let versions: Arc<Vec<AtomicU32>> = Arc::new((0..tenants).map(|_| AtomicU32::new(0)).collect());
    let (mut done, mut replays, mut rotations) = (0, 0, 0);
    while done < calls {
        for _ in 0..random.below(3) {
            let tenant = usize::try_from(random.below(tenants as u64)).unwrap();
            let version = versions[tenant].fetch_add(1, SeqCst) + 1;
            let known = (format!("t{tenant}"), format!("s{tenant}v{version}"));
            scripted.script.known.lock().unwrap().insert(known.0, known.1);
            rotations += 1;
        }
        let wave = usize::try_from(1 + random.below(512)).unwrap().min(calls - done);
        // Half of the calls go to the first sixteen tenants.
        let mut running = tokio::task::JoinSet::new();
        let now = ms(daypass::Clock::elapsed(&*scripted.clock));
        for _ in 0..wave {
            let all = tenants as u64;
            let tenant = if random.below(2) == 0 { random.below(all) } else { random.below(all.min(16)) };
            let version = versions[usize::try_from(tenant).unwrap()].load(SeqCst);
            let (id, secret) = (format!("t{tenant}"), format!("s{tenant}v{version}"));
            let server = random.below(2) == 0;
            let data = if server { json!({"audience": "server"}) } else { json!({}) };
            let reference = format!("ref-{server}-{}", random.below(16));
            let mut ask = TestRequest::paypal(&id, &secret, data).reference(reference);
            ask.fresh = random.below(50) == 0;
            let engine = scripted.engine.clone();
            running.spawn(async move { (ask.of(&engine).await, format!("{id}:{secret}"), server) });
        }
        while let Some(ended) = running.join_next().await {
            let (answer, who, server) = ended.unwrap();
            match answer {
                Ok(given) => {
                    let (told_who, dies) = holder_and_expiry(&given.issued);
                    assert_eq!(told_who, who, "seed {seed}: another tenant's token, or one of an old secret");
                    let left = given.issued.lifetime_seconds().unwrap();
                    assert!(dies > now && left * 1000 <= dies - now, "seed {seed}: {left} s of {} ms", dies - now);
                    assert_eq!(given.issued.audience == connectors::Audience::Server, server);
                    replays += usize::from(given.replayed);
                }
                Err(error) => panic!("seed {seed}: {error:?}"),
            }
        }
        done += wave;
        // Background refreshes end before the clock moves, so that the expected lifetime is exact
        // to the millisecond.
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
        scripted.clock.pass_ms(u32::try_from(random.below(4000)).unwrap());
        if random.below(100) == 0 {
            scripted.clock.step_ms(i64::try_from(random.below(7_200_000)).unwrap() - 3_600_000);
        }
    }
    println!(
        "seed {seed}: {done} calls, {tenants} tenants, {rotations} rotations, {replays} replays, {} vendor calls: 0 of another \
         tenant, 0 of an old secret, 0 expired, 0 failed",
        scripted.calls()
    );
    assert!(replays > 0 && scripted.calls() < done);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_gets_the_token_of_another() {
    crowd(5_000, 50, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "full size"]
async fn no_caller_of_1_000_tenants_in_1_000_000_calls_gets_what_belongs_to_another() {
    crowd(1_000_000, 1_000, 4).await;
}
