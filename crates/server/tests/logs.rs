//! A broken or stalled standard error loses log lines and no calls. SIGHUP ends no call.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{ChildStderr, Command, ExitStatus, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use crate::common::{Client, TestServer, TokenRequest};
use connectrpc::{CodecFormat, Protocol};
use tokio::task::JoinSet;

/// A guard against hanging tests.
const GUARD: Duration = Duration::from_secs(60);

/// Lines that `serve --sandbox` prints before it serves.
const FIRST_LINES: usize = 5;

fn serve(listen: SocketAddr, admin: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
    command.args(["serve", "--sandbox", "--listen", &listen.to_string(), "--admin-listen", &admin.to_string()]);
    command.stdout(Stdio::null());
    command
}

/// A server. The test reads only the first lines of its standard error.
fn stalled() -> (TestServer, BufReader<ChildStderr>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut child = serve(any, any).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let lines: Vec<String> = log.by_ref().lines().take(FIRST_LINES).map(Result::unwrap).collect();
    let after = |line: &str, mark: &str| {
        let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark:?} in {lines:?}"));
        rest.split([',', '/']).next().unwrap().parse().unwrap()
    };
    let (address, admin) = (after(&lines[0], "JSON on "), after(&lines[1], "http://"));
    (TestServer::unread(child, address, admin), log)
}

/// Makes calls that must succeed, eight at a time, with long log lines.
async fn calls(served: &TestServer, count: usize) {
    let client = served.client_as(Protocol::Grpc, CodecFormat::Proto);
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in (task..count).step_by(8) {
                call(&client, "sk_test_logs").await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

async fn call(client: &Client, key: &str) {
    /// The longest merchant id and request id. Each character takes two bytes in JSON.
    static LONG: LazyLock<String> = LazyLock::new(|| "\"".repeat(128));
    let headers = vec![("x-merchant-id", LONG.as_str()), ("x-request-id", &LONG)];
    let request = TokenRequest { headers, timeout: GUARD, ..TokenRequest::stripe(key) };
    request.send(client).await.unwrap();
}

/// The metric of lost lines.
fn lost(served: &TestServer) -> u64 {
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let line = metrics.lines().find_map(|line| line.strip_prefix("daypass_log_lines_lost_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

fn call_lines(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains(r#""message":"call""#)).count()
}

/// Waits for an effect of the thread that writes log lines.
async fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < GUARD);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends SIGTERM and waits for the end.
async fn terminated(served: &mut TestServer) -> ExitStatus {
    served.terminate();
    let began = Instant::now();
    loop {
        if let Some(status) = served.child.try_wait().unwrap() {
            return status;
        }
        assert!(began.elapsed() < GUARD, "SIGTERM is not heeded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_succeed_after_the_reader_of_the_log_has_left() {
    let (mut served, log) = stalled();
    assert_eq!(lost(&served), 0);
    drop(log);
    calls(&served, 20).await;
    until(|| lost(&served) == 20).await;
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_of_the_log_blocks_neither_calls_nor_the_shutdown() {
    let (mut served, _log) = stalled();
    // A pipe holds 64 KiB, less than 100 of these lines.
    calls(&served, 400).await;
    assert_eq!(lost(&served), 0, "they wait");
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_lines_are_written_before_the_end() {
    let (mut served, log) = stalled();
    calls(&served, 400).await;
    // With a reader, the end of the process waits for the lines.
    let reader = std::thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(terminated(&mut served).await.code(), Some(0));
    let lines = reader.join().unwrap();
    assert_eq!(call_lines(&lines), 400, "{lines:?}");
    assert!(lines.last().unwrap().contains(r#""message":"stopped""#), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_lines_are_counted_and_reported_once() {
    let (mut served, log) = stalled();
    let mut made = 0;
    while lost(&served) == 0 {
        calls(&served, 400).await;
        made += 400;
    }
    let lost = usize::try_from(lost(&served)).unwrap();
    let reader = std::thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(terminated(&mut served).await.code(), Some(0));
    let lines = reader.join().unwrap();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("log lines were lost")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(call_lines(&lines) + lost, made, "each is written or counted");
}

/// Every write to `/dev/full` fails with ENOSPC, as on a full disk.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_succeed_while_the_disk_of_the_log_is_full() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    // The output cannot be read, so the test chooses addresses that no other process has.
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    let ip = [127, high.saturating_add(1), middle, low];
    let (address, admin) = (SocketAddr::from((ip, 8080)), SocketAddr::from((ip, 9090)));
    let child = serve(address, admin).stdout(full()).stderr(full()).spawn().unwrap();
    let mut served = TestServer::unread(child, address, admin);
    until(|| std::net::TcpStream::connect(admin).is_ok()).await;
    calls(&served, 20).await;
    until(|| lost(&served) == 20 + FIRST_LINES as u64).await;

    let taken = serve(address, admin).stderr(full()).status().unwrap();
    assert_eq!(taken.code(), Some(1), "a message that cannot be printed does not change the exit code");
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_in_the_middle_of_a_call_does_not_end_it() {
    let mut served = TestServer::sandboxed();
    let sandbox = served.sandbox.as_ref().unwrap().parse().unwrap();
    let fault = r#"{"connector":"stripe","fault":"slow_1500ms"}"#;
    let length = fault.len();
    let set = served.http(
        sandbox,
        &format!(
            "POST /_sandbox/fault HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{fault}"
        ),
    );
    assert!(set.starts_with("HTTP/1.1 200"), "{set}");
    let request = TokenRequest::stripe("sk_test_logs");
    let (result, ()) = tokio::join!(served.call(&request), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Command::new("kill").args(["-HUP", &served.child.id().to_string()]).status().unwrap();
    });
    result.unwrap();
    served.call(&request).await.unwrap();
    until(|| served.log_so_far().contains("configuration read again: nothing changed")).await;
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

/// Latencies of calls to two servers, in turns: the log of one is read, that of the other is not, and
/// its queue is full before the first measured call.
// cargo test --release -p daypass-server --test all logs -- --ignored --nocapture
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a latency"]
async fn a_stalled_reader_of_the_log_changes_no_99th_percentile() {
    let read = TestServer::sandboxed();
    let (stalled, _log) = stalled();
    while lost(&stalled) == 0 {
        calls(&stalled, 2_000).await;
    }
    let clients = [&read, &stalled].map(|served| served.client_as(Protocol::Grpc, CodecFormat::Proto));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..5_000 {
        for (client, times) in clients.iter().zip(&mut times) {
            let began = Instant::now();
            call(client, "sk_test_logs").await;
            times.push(began.elapsed());
        }
    }
    let [(p50, p99), (stalled_p50, stalled_p99)] = times.map(|mut times| {
        times.sort();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    });
    let ratio = stalled_p99.as_secs_f64() / p99.as_secs_f64();
    println!("p50, p99: read {p50:?}, {p99:?}; stalled {stalled_p50:?}, {stalled_p99:?}; p99 ratio {ratio:.2}");
    assert!(ratio < 1.5, "{ratio}");
}
