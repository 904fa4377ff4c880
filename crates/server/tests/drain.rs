//! SIGTERM under load: who was let in is served, who comes later is not, and it ends in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::common::{Ask, Served};
use connectrpc::{CodecFormat, ErrorCode, Protocol};
use tokio::task::JoinSet;

/// What became of the calls of one round.
#[derive(Default)]
struct Round {
    served: AtomicUsize,
    /// Not accepted: no connection could be made any more, or the call never began on it.
    not_accepted: AtomicUsize,
    terminating: AtomicBool,
}

async fn terminated_under_load(rounds: usize, callers: usize) {
    let (mut served_calls, mut late, mut longest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        let served = Arc::new(Served::start(&["--sandbox"], &[("DAYPASS_SHUTDOWN_GRACE_MS", "8000")]));
        let tally = Arc::new(Round::default());
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let (served, tally) = (served.clone(), tally.clone());
            tasks.spawn(async move {
                for nth in 0.. {
                    let reference = format!("drain_{caller}_{nth}");
                    let ask = Ask { reference, ..Ask::stripe("sk_test_drain") };
                    // Each call on a connection of its own: the hardest case for a server that closes.
                    let terminating = tally.terminating.load(Ordering::SeqCst);
                    let protocol = if caller % 2 == 0 { Protocol::Grpc } else { Protocol::Connect };
                    match served.call_as(protocol, CodecFormat::Proto, &ask).await {
                        Ok(_) => _ = tally.served.fetch_add(1, Ordering::SeqCst),
                        // The signal was sent while or before this call began, and it did not get in.
                        Err(error) if error.code == ErrorCode::Unavailable => {
                            assert!(terminating || tally.terminating.load(Ordering::SeqCst), "{error:?}");
                            assert!(is_no_connection(&error), "round {round}: accepted, and failed: {error:?}");
                            tally.not_accepted.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                        Err(error) => panic!("round {round}: {error:?}"),
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(150 + 37 * (round as u64 % 7))).await;
        tally.terminating.store(true, Ordering::SeqCst);
        let began = Instant::now();
        served.terminate();
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let mut served = Arc::into_inner(served).unwrap();
        let status = tokio::task::block_in_place(|| served.child.wait()).unwrap();
        longest = longest.max(began.elapsed());
        assert!(status.success(), "round {round}: {status}");
        assert!(began.elapsed() < Duration::from_secs(8), "round {round}: {:?}", began.elapsed());
        let log = served.whole_log();
        assert!(!log.contains("panicked") && !log.contains("still in flight"), "{log}");
        served_calls += tally.served.load(Ordering::SeqCst);
        late += tally.not_accepted.load(Ordering::SeqCst);
    }
    println!(
        "{rounds} terminations: {served_calls} calls served, {late} found the door closed, at most {longest:?} to the end"
    );
}

/// Whether the call never got in: nothing listened any more, so no connection was made. The system says refused, or reset where
/// the socket was closed while the two were shaking hands.
fn is_no_connection(error: &connectrpc::ConnectError) -> bool {
    format!("{error:?}").contains("client error (Connect)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_call_fails_when_it_is_terminated() {
    terminated_under_load(4, 16).await;
}

/// `cargo test -p daypass-server --test all drain -- --ignored --nocapture fifty`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn no_accepted_call_fails_in_fifty_terminations() {
    terminated_under_load(50, 32).await;
}

/// Health says NOT_SERVING and readiness says so while calls in flight still run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_tells_and_calls_in_flight_finish() {
    let mut served = Served::sandboxed();
    let health = |served: &Served| {
        let body = "{}";
        let length = body.len();
        served.http(
            served.address,
            &format!(
                "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    };
    assert!(health(&served).contains("SERVING") && !health(&served).contains("NOT_SERVING"), "{}", health(&served));
    // A connection from before: it is told over this one.
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    // A watch of the health: an answer without an end must not hold the service up.
    let request = http::Request::post("http://x/grpc.health.v1.Health/Watch")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (watch, mut sending) = client.send_request(request, false).unwrap();
    sending.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    let mut watched = watch.await.unwrap().into_body();
    let first = watched.data().await.unwrap().unwrap();
    assert_eq!(&first[..], [0, 0, 0, 0, 2, 8, 1], "SERVING");

    let slow = Ask { timeout: Duration::from_secs(3), ..Ask::stripe("sk_test_slow") };
    let in_flight = served.call(&slow);
    let began = Instant::now();
    let (result, ready) = tokio::join!(in_flight, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        served.terminate();
        tokio::time::sleep(Duration::from_millis(300)).await;
        served.http(served.admin, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    });
    assert_eq!(result.unwrap_err().code, ErrorCode::DeadlineExceeded, "it had its own time");
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    let next = tokio::time::timeout(Duration::from_secs(1), watched.data()).await.unwrap();
    println!("the watch heard {next:?}");
    let status = tokio::task::block_in_place(|| served.child.wait()).unwrap();
    assert!(status.success());
    assert!(began.elapsed() < Duration::from_secs(10), "a watch holds it up: {:?}", began.elapsed());
    let _ = connection.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let mut served = Served::sandboxed();
    let slow = Ask { timeout: Duration::from_secs(8), ..Ask::stripe("sk_test_slow") };
    let (address, began) = (served.address, Instant::now());
    let in_flight = served.call(&slow);
    let (result, ()) = tokio::join!(in_flight, async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        served.terminate();
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody is let in");
        served.terminate();
    });
    assert!(result.is_err());
    let status = tokio::task::block_in_place(|| served.child.wait()).unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grace_time_is_the_end() {
    let mut served = Served::start(&["--sandbox"], &[("DAYPASS_SHUTDOWN_GRACE_MS", "700")]);
    let slow = Ask { timeout: Duration::from_secs(8), ..Ask::stripe("sk_test_slow") };
    let in_flight = served.call(&slow);
    let began = Instant::now();
    let (result, ()) = tokio::join!(in_flight, async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        served.terminate();
    });
    assert!(result.is_err());
    let status = tokio::task::block_in_place(|| served.child.wait()).unwrap();
    assert!(status.success() && began.elapsed() < Duration::from_secs(4), "{status} {:?}", began.elapsed());
    let log = served.whole_log();
    assert!(log.contains("still in flight"), "{log}");
}
