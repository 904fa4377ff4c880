//! Calls while Redis fails, and sharing after it.

use std::time::{Duration, Instant};

use super::{CountingVendor, client, node, node_with_store_timeout, until_shared};
use crate::common::{TestServer, TokenRequest};
use crate::redis_server::RedisServer;
use connectrpc::{CodecFormat, Protocol};

/// Median latencies of new CLIENT tokens with the store and without it. The calls alternate while
/// the store fails.
async fn medians(
    with: &TestServer,
    without: &TestServer,
    what: &str,
    calls: usize,
    trouble: impl FnOnce(),
) -> (Duration, Duration) {
    let clients = [with, without].map(|node| node.client_as(Protocol::Grpc, CodecFormat::Proto));
    let mut times = [Vec::new(), Vec::new()];
    for client in &clients {
        // The first call connects.
        client_request(&format!("{what}-before")).send(client).await.unwrap();
    }
    trouble();
    for nth in 0..calls {
        let reference = format!("{what}-{nth}");
        for (client, times) in clients.iter().zip(&mut times) {
            let began = Instant::now();
            let answer = client_request(&reference).send(client).await.unwrap();
            assert!(answer.access_token.is_set(), "{what}: {answer:?}");
            times.push(began.elapsed());
        }
    }
    let [with, without] = times.map(|mut times| {
        let first = times[0];
        times.sort();
        (times[times.len() / 2], first, times[times.len() - 1])
    });
    println!("{what}: median, first and longest {with:?} with the store, {without:?} without");
    (with.0, without.0)
}

fn client_request(reference: &str) -> TokenRequest<'_> {
    client("m-latency", reference)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_redis_fails_no_call_and_sharing_resumes() {
    failing_redis(3).await;
}

/// Measures what a failing Redis adds to the latency of a call.
/// `cargo test --release -p daypass-server --test all cluster -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures latency: wants a quiet machine"]
async fn a_failing_redis_adds_little_latency() {
    for (what, with, without) in failing_redis(31).await {
        assert!(with < without + Duration::from_millis(20), "{what}: {with:?} with the store, {without:?} without");
    }
}

/// Makes this number of calls for each kind of failure. Every call must succeed. Returns the median
/// latencies with the store and without it.
async fn failing_redis(calls: usize) -> Vec<(&'static str, Duration, Duration)> {
    let Some(mut redis) = RedisServer::start() else { return Vec::new() };
    let vendor = CountingVendor::start();
    let nodes = [(); 2].map(|()| node_with_store_timeout(&vendor, Some(&redis.url()), "15"));
    let alone = node(&vendor, None);
    let mut latencies = Vec::new();
    until_shared(&nodes, "fresh").await;
    medians(&nodes[0], &alone, "up", calls, || {}).await;
    for what in ["paused", "read-only", "full", "replica", "killed"] {
        let (with, without) = medians(&nodes[0], &alone, what, calls, || match what {
            "paused" => redis.signal("STOP"),
            "read-only" => _ = redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]),
            "full" => _ = redis.command(&["CONFIG", "SET", "maxmemory", "1"]),
            "replica" => _ = redis.command(&["REPLICAOF", "127.0.0.1", "1"]),
            _ => redis.kill(),
        })
        .await;
        match what {
            "paused" => redis.signal("CONT"),
            "read-only" => _ = redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]),
            "full" => _ = redis.command(&["CONFIG", "SET", "maxmemory", "0"]),
            "replica" => _ = redis.command(&["REPLICAOF", "NO", "ONE"]),
            _ => redis.restart(),
        }
        println!("{what}: sharing resumed after {:?}", until_shared(&nodes, what).await);
        latencies.push((what, with, without));
    }
    redis.restart();
    println!("restarted: sharing resumed after {:?}", until_shared(&nodes, "restarted").await);
    latencies
}
