//! Connectors that are slow, broken, hostile or absent. Every connector of the list is called
//! through the engine and the real transport, against a server that breaks by script.
//!
//! After every call: it ended, the error kind is right, no credential shows, and a token is whole
//! or absent. Each test prints how many calls it made. The tests run a part of the matrix. The
//! ignored tests run all of it, and measure how late a deadline error comes:
//! `cargo test --release -p daypass --test all faults -- --ignored --nocapture`

mod bodies;
mod connections;
mod proxy;
mod replies;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::fault_server::{Authority, FaultServer, Front};
use crate::fixtures_as_calls::{FixtureCall, FixtureReply, Outcome, Shared, call, engine};
use connectors::Kind;
use serde_json::Value;
use tokio::sync::Semaphore;

/// A call that takes this much longer than allowed hangs.
const HANGS: Duration = Duration::from_secs(30);
/// Time for calls that end by themselves.
const AMPLE: Duration = Duration::from_secs(60);
/// Time for calls that end by their deadline.
const LITTLE: Duration = Duration::from_millis(300);

/// Counts over all calls of a test.
#[derive(Default)]
struct Tally {
    calls: AtomicUsize,
    attempts: AtomicUsize,
    latest_ms: AtomicUsize,
}

impl Tally {
    /// Checks what must hold after every call.
    fn check(&self, fixture: &FixtureCall, outcome: &Outcome, time: Duration, what: &str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(outcome.report.attempts as usize, Ordering::Relaxed);
        let context = format!("{} {what}", fixture.name);
        let late = outcome.took.saturating_sub(time);
        self.latest_ms.fetch_max(late.as_millis() as usize, Ordering::Relaxed);
        assert!(late <= HANGS, "{context}: {late:?} after its deadline");
        match &outcome.result {
            Ok(issued) => {
                let token = issued.token.value.expose();
                assert!(!token.trim().is_empty() && !token.chars().any(char::is_control), "{context}: dead token");
                assert!(issued.left.is_none_or(|left| left >= Duration::from_secs(1)), "{context}: expired");
                // Some tokens are also a public value, which a client's SDK gets under another
                // name.
                let shown = format!("{:?} {:?}", issued.token.value, issued.token.server_parameters);
                assert!(token.len() < 8 || !shown.contains(token), "{context}: Debug shows the token");
            }
            Err(error) => {
                assert_ne!(error.kind, Kind::Internal, "{context}: {error:?}");
                let mut shown = format!("{error:?} {error}");
                for refusal in error.refusal.iter() {
                    shown += &format!("{:?} {:?} {:?}", refusal.code, refusal.message, refusal.reason);
                }
                for canary in fixture.canaries() {
                    assert!(!shown.contains(&canary), "{context}: a credential shows: {shown}");
                }
            }
        }
    }

    fn print(&self, what: &str, began: Instant) {
        println!(
            "{what}: {} calls, {} attempts, at most {} ms after the deadline, {:.1} s",
            self.calls.load(Ordering::Relaxed),
            self.attempts.load(Ordering::Relaxed),
            self.latest_ms.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64(),
        );
    }
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    outcome.result.as_ref().err().map(|error| error.kind)
}

/// Every nth item, so that about `wanted` ones are left. The first and the last are always among
/// them.
fn thin<T: Clone>(items: &[T], wanted: usize, offset: usize) -> Vec<T> {
    let step = items.len().div_ceil(wanted.max(1)).max(1);
    let of = |(nth, item): (usize, &T)| {
        ((nth + offset).is_multiple_of(step) || nth == 0 || nth + 1 == items.len()).then(|| item.clone())
    };
    items.iter().enumerate().filter_map(of).collect()
}

/// Runs a test for every fixture, several at a time. Each has a fault server of its own.
async fn for_each<F: Future<Output = ()> + Send + 'static>(
    fixtures: Vec<FixtureCall>,
    run: impl Fn(usize, FixtureCall, FaultServer) -> F,
) {
    let authority = Authority::new();
    let permits = Arc::new(Semaphore::new(16));
    let mut tasks = tokio::task::JoinSet::new();
    for (nth, fixture) in fixtures.into_iter().enumerate() {
        let work = run(nth, fixture, FaultServer::with_authority(Front::Plain, &authority).await);
        let permits = permits.clone();
        tasks.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            work.await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// The fixtures with their token in a body. The others have it in a header, and ignore the body.
fn in_body(fixtures: Vec<FixtureCall>) -> Vec<FixtureCall> {
    let (all, fixtures): (_, Vec<FixtureCall>) =
        (fixtures.len(), fixtures.into_iter().filter(FixtureCall::token_is_in_body).collect());
    assert!(fixtures.len() * 10 >= all * 9, "{} of {all}", fixtures.len());
    fixtures
}

fn is_json(reply: &FixtureReply) -> bool {
    serde_json::from_slice::<Value>(&reply.body).is_ok()
}

fn transport() -> Shared {
    Shared::new(AMPLE, None)
}

/// One call with new host limits and a new store.
async fn alone(fixture: &FixtureCall, base: &str, transport: &Shared, time: Duration) -> Outcome {
    let ample = |settings: &mut daypass::Settings| settings.limits.attempt_timeout_ms = 60_000;
    call(&engine(fixture, base, transport, ample), fixture, time).await
}

/// The pointers of all values in a JSON text that are neither objects nor lists.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| {
                leaves(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, item)| leaves(item, &format!("{at}/{nth}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}
