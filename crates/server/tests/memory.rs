//! Calls that fail leak no memory. The growth for each call must stay below a limit. The full size
//! has a lower limit, as the noise of the allocator is divided by more calls. What stays by intent is
//! the record of each reference whose call may have reached the connector.

use std::time::{Duration, Instant};

use crate::common::{TestServer, TokenRequest};
use connectrpc::{CodecFormat, Protocol};
use tokio::task::JoinSet;

/// Faults, and the time limit of their calls.
const FAULTS: &[(&str, Duration)] = &[
    ("status_503", Duration::from_secs(5)),
    ("garbage", Duration::from_secs(5)),
    ("empty", Duration::from_secs(5)),
    ("reset", Duration::from_secs(5)),
    ("redirect", Duration::from_secs(5)),
    ("slow_50ms", Duration::from_secs(5)),
    ("hang", Duration::from_millis(200)),
];

/// Resident memory of the process, in KiB (`proc_pid_status(5)`).
fn resident_kib(served: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A number of calls for each fault. Every tenth caller cancels its call.
async fn round(served: &TestServer, nth: usize, calls: usize) {
    for (fault, time) in FAULTS {
        let sandbox = served.sandbox.as_ref().unwrap().parse().unwrap();
        let body = format!("{{\"connector\": \"stripe\", \"fault\": \"{fault}\"}}");
        let length = body.len();
        let request = format!(
            "POST /_sandbox/fault HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        assert!(served.http(sandbox, &(request + &body)).starts_with("HTTP/1.1 200"), "{fault}");
        let client = std::sync::Arc::new(served.client_as(Protocol::Grpc, CodecFormat::Proto));
        let mut callers = JoinSet::new();
        for caller in 0..calls {
            let client = client.clone();
            callers.spawn(async move {
                let (reference, key) = (format!("{fault}_{nth}_{caller}"), format!("sk_test_memory_{caller}"));
                let request = TokenRequest { reference, timeout: *time, ..TokenRequest::stripe(&key) };
                let patience = if caller % 10 == 0 { Duration::from_millis(20) } else { Duration::from_secs(10) };
                let _ = tokio::time::timeout(patience, request.send(&client)).await;
            });
            if caller % 100 == 99 {
                while callers.join_next().await.is_some() {}
            }
        }
        while callers.join_next().await.is_some() {}
    }
}

async fn memory_returns(rounds: usize, calls: usize, bytes_per_call: u64) {
    // One arena: the allocator keeps more of them for itself when the machine is busy.
    let served = TestServer::start(&["--sandbox"], &[("DAYPASS_LOG", "error"), ("MALLOC_ARENA_MAX", "1")]);
    let began = Instant::now();
    // Pools, caches and the allocator's arenas fill up first.
    for nth in 0..2 {
        round(&served, nth, calls).await;
    }
    let before = resident_kib(&served);
    for nth in 2..2 + rounds {
        round(&served, nth, calls).await;
    }
    let after = resident_kib(&served);
    let made = rounds * calls * FAULTS.len();
    println!("{before} KiB before {made} calls with faults, {after} KiB after them ({:?})", began.elapsed());
    let growth = after.saturating_sub(before) * 1024 / made as u64;
    assert!(growth < bytes_per_call, "{growth} bytes stay of each call: {before} KiB, {after} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_calls_leak_no_memory() {
    memory_returns(8, 100, 4096).await;
}

/// Measures the growth over many calls.
/// `cargo test --release -p daypass-server --test all memory -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn many_failed_calls_leak_no_memory() {
    memory_returns(20, 1_000, 1024).await;
}
