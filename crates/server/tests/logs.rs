//! Standard error that breaks or stalls: it costs log lines, and no call. And SIGHUP, which does nothing.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{ChildStderr, Command, ExitStatus, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use crate::common::{Ask, Client, Served};
use connectrpc::{CodecFormat, Protocol};
use tokio::task::JoinSet;

/// A guard against hanging, and no measure.
const GUARD: Duration = Duration::from_secs(60);

/// Lines of a `serve --sandbox` before it serves.
const FIRST_LINES: usize = 4;

fn serve(listen: SocketAddr, admin: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
    command.args(["serve", "--sandbox", "--listen", &listen.to_string(), "--admin-listen", &admin.to_string()]);
    command.stdout(Stdio::null());
    command
}

/// A server whose standard error is read no further than its first lines.
fn stalled() -> (Served, BufReader<ChildStderr>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut child = serve(any, any).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let lines: Vec<String> = log.by_ref().lines().take(FIRST_LINES).map(Result::unwrap).collect();
    let after = |line: &str, mark: &str| {
        let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark:?} in {lines:?}"));
        rest.split([',', '/']).next().unwrap().parse().unwrap()
    };
    let (address, admin) = (after(&lines[0], "JSON on "), after(&lines[1], "http://"));
    (Served::unread(child, address, admin), log)
}

/// Makes calls, some at a time, that must all succeed and make long log lines.
async fn calls(served: &Served, count: usize) {
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
    /// As long as a merchant's and a request's id may be. Each of its characters is two in JSON.
    static LONG: LazyLock<String> = LazyLock::new(|| "\"".repeat(128));
    let headers = vec![("x-merchant-id", LONG.as_str()), ("x-request-id", &LONG)];
    let ask = Ask { headers, timeout: GUARD, ..Ask::stripe(key) };
    ask.send(client).await.unwrap();
}

/// The metric, which must be there.
fn lost(served: &Served) -> u64 {
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let line = metrics.lines().find_map(|line| line.strip_prefix("daypass_log_lines_lost_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

fn call_lines(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains(r#""message":"call""#)).count()
}

/// Waits for what happens on the log's own thread.
async fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < GUARD);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// SIGTERM, which must be heeded.
async fn terminated(served: &mut Served) -> ExitStatus {
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
async fn a_reader_of_the_log_that_leaves_takes_no_call_with_it() {
    let (mut served, log) = stalled();
    assert_eq!(lost(&served), 0);
    drop(log);
    calls(&served, 20).await;
    until(|| lost(&served) == 20).await;
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_stalls_holds_up_neither_calls_nor_the_end() {
    let (mut served, _log) = stalled();
    // A pipe takes 64 KiB, which are less than 100 of these lines.
    calls(&served, 400).await;
    assert_eq!(lost(&served), 0, "they wait");
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_wait_are_written_before_the_end() {
    let (mut served, log) = stalled();
    calls(&served, 400).await;
    // The end waits, too, now that there is a reader.
    let reader = std::thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(terminated(&mut served).await.code(), Some(0));
    let lines = reader.join().unwrap();
    assert_eq!(call_lines(&lines), 400, "{lines:?}");
    assert!(lines.last().unwrap().contains(r#""message":"stopped""#), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_found_no_room_are_counted_and_told_of_once() {
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

/// `/dev/full` fails each write with ENOSPC, as a full disk does.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_log_takes_no_call_with_it() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    // What it prints cannot be read, so it gets addresses that no other process has.
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    let ip = [127, high.saturating_add(1), middle, low];
    let (address, admin) = (SocketAddr::from((ip, 8080)), SocketAddr::from((ip, 9090)));
    let child = serve(address, admin).stdout(full()).stderr(full()).spawn().unwrap();
    let mut served = Served::unread(child, address, admin);
    until(|| std::net::TcpStream::connect(admin).is_ok()).await;
    calls(&served, 20).await;
    until(|| lost(&served) == 20 + FIRST_LINES as u64).await;

    let taken = serve(address, admin).stderr(full()).status().unwrap();
    assert_eq!(taken.code(), Some(1), "what cannot be said changes nothing");
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_does_nothing_and_says_so() {
    let mut served = Served::sandboxed();
    let sandbox = served.sandbox.as_ref().unwrap().parse().unwrap();
    let fault = r#"{"connector":"stripe","fault":"slow_1500ms"}"#;
    let length = fault.len();
    let set = served.http(
        sandbox,
        &format!(
            "POST /_sandbox/fault HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{fault}"
        ),
    );
    assert!(set.starts_with("HTTP/1.1 200"), "{set}");
    let ask = Ask::stripe("sk_test_logs");
    let (result, ()) = tokio::join!(served.call(&ask), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Command::new("kill").args(["-HUP", &served.child.id().to_string()]).status().unwrap();
    });
    result.unwrap();
    served.call(&ask).await.unwrap();
    until(|| served.log_so_far().contains("SIGHUP does nothing")).await;
    assert_eq!(terminated(&mut served).await.code(), Some(0));
}
