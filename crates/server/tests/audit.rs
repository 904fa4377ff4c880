//! The audit log of a running service, and the command that checks it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use connectrpc::ErrorCode;
use tempfile::TempDir;

use crate::common::{TestServer, TokenRequest, code, until};

const KEY: &str = "a2V5LWNhbmFyeS1rZXktY2FuYXJ5LWtleS1jYW5hcnk=";
const SECRET: &str = "sk_test_audit_canary";

fn configuration(folder: &TempDir, audit: &str) -> PathBuf {
    let file = folder.path().join("daypass.toml");
    fs::write(&file, format!("[audit]\nkey = '{KEY}'\n{audit}\n")).unwrap();
    file
}

fn served(file: &Path) -> TestServer {
    TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[])
}

fn audit(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
    command.arg("audit").arg(arguments[0]).arg("--config").arg(file).args(&arguments[1..]).output().unwrap()
}

fn text(output: &Output) -> String {
    [output.stdout.as_slice(), output.stderr.as_slice()].concat().into_iter().map(char::from).collect()
}

fn request(reference: &str) -> TokenRequest<'static> {
    TokenRequest { reference: reference.into(), ..TokenRequest::stripe(SECRET) }
}

fn metrics(served: &TestServer) -> String {
    served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

fn is_full(served: &TestServer) -> bool {
    metrics(served).lines().any(|line| line.starts_with("daypass_audit_lines_lost_total ") && !line.ends_with(" 0"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_goes_on_over_restarts_and_files_and_shows_every_change() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("audit.log");
    let file = configuration(&folder, "file = 'audit.log'\nmax_bytes = 65536");
    for run in 0..3 {
        let mut served = served(&file);
        // Counted from before the restart.
        let last = format!("daypass_audit_sequence {}", run * 71);
        assert!(metrics(&served).lines().any(|line| line == last), "{last}");
        for number in 0..70 {
            served.call(&request(&format!("order-{run}-{number}"))).await.unwrap();
        }
        served.call(&TokenRequest { credentials: None, ..request("order-refused") }).await.unwrap_err();
        tokio::task::block_in_place(|| served.stop());
        // A crash may cut the last line off.
        if run == 1 {
            let whole = fs::read_to_string(&log).unwrap();
            fs::write(&log, whole + r#"{"seq":143,"time":"2026"#).unwrap();
        }
    }
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit.log"));
    // The one without a number is the newest.
    files.sort_by_key(|path| (path.extension().is_some_and(|end| end == "log"), path.clone()));
    assert_eq!(files.len(), 2, "{files:?}");
    let names: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let verified = audit(&file, &["verify", "--last", "213", names[0], names[1]]);
    assert!(verified.status.success() && text(&verified).contains("213 lines, numbers 1 to 213"), "{verified:?}");
    let short = audit(&file, &["verify", "--last", "215", names[0], names[1]]);
    assert!(!short.status.success() && text(&short).contains("2 lines are missing at the end"), "{short:?}");
    let swapped = audit(&file, &["verify", names[1], names[0]]);
    assert!(text(&swapped).contains("lines were moved or repeated"), "{swapped:?}");

    let whole = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let named = audit(&file, &["reference", "order-2-7"]);
    assert!(named.status.success() && whole.matches(text(&named).trim()).count() == 1, "{named:?}");
    assert!(!whole.contains("order-2-7") && !whole.contains("canary"), "no reference and no secret");
    assert!(whole.contains(r#""outcome":"INVALID_CREDENTIALS""#), "refusals have lines, too");

    let mut lines: Vec<&str> = whole.lines().collect();
    lines.remove(100);
    let altered = lines.join("\n").replacen("\"outcome\":\"SUCCESS\"", "\"outcome\":\"FAILURE\"", 1);
    let changed = folder.path().join("changed.log");
    fs::write(&changed, altered).unwrap();
    let found = audit(&file, &["verify", changed.to_str().unwrap()]);
    assert_eq!(found.status.code(), Some(1));
    let found = text(&found);
    assert!(
        found.contains(":1: was altered") && found.contains(":101: follows line 100: 1 lines are missing"),
        "{found}"
    );
    assert!(!found.contains("canary"));
}

/// `/dev/full` refuses every write as a full disk does; a pipe without a reader cannot even be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_calls_or_loses_lines_as_configured() {
    let folder = TempDir::new().unwrap();
    let refusing = served(&configuration(&folder, "file = '/dev/full'"));
    for number in 0..5 {
        assert_eq!(code(refusing.call(&request(&format!("order-{number}"))).await), ErrorCode::Unavailable);
    }
    assert!(is_full(&refusing));
    // The first call found out; the others made no token in vain.
    assert!(metrics(&refusing).contains("daypass_vendor_attempts_total{connector=\"stripe\"} 1\n"));
    let going_on = served(&configuration(&folder, "file = '/dev/full'\non_failure = 'continue'"));
    going_on.call(&request("a")).await.unwrap();
    until("the loss is counted", async || is_full(&going_on)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_or_stalls_hangs_no_call() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let file = configuration(&folder, "file = 'pipe'");
    let ports = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"];
    let started = Command::new(env!("CARGO_BIN_EXE_daypass")).args(ports).arg(&file).output().unwrap();
    assert!(!started.status.success() && text(&started).contains("audit.file: "), "no reader: {started:?}");

    // A reader that takes nothing: the pipe fills up, and calls are refused.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let stalled = served(&file);
    let mut served_calls = 0;
    while stalled.call(&request(&format!("order-{served_calls}"))).await.is_ok() {
        served_calls += 1;
        assert!(served_calls < 1000, "a pipe takes 64 KiB");
    }
    assert!(served_calls > 10);
    assert_eq!(code(stalled.call(&request("a")).await), ErrorCode::Unavailable);
    drop(reader);
    assert_eq!(code(stalled.call(&request("b")).await), ErrorCode::Unavailable, "the reader is gone");
}

/// A call that is refused before its message is read is one of its caller, too.
#[test]
fn a_message_that_cannot_be_read_has_a_line() {
    let folder = TempDir::new().unwrap();
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
    let caller = format!("file = 'audit.log'\n[[callers]]\nname = 'shop'\nkey_sha256 = '{hash}'");
    let file = configuration(&folder, &caller);
    let mut served = served(&file);
    let call = |key: &str, body: &str| {
        let path = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{key}");
        let length = body.len();
        let request = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        served.http(served.address, &request)
    };
    let long = format!("{{\"merchant_access_token_id\":\"{}\"}}", "x".repeat(300 * 1024));
    for body in ["{", r#"{"canary":1}"#, &long] {
        assert!(call("authorization: Bearer secret\r\n", body).starts_with("HTTP/1.1 4"));
        assert!(call("", body).starts_with("HTTP/1.1 401"));
    }
    served.stop();
    let log = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let of_shop = log.lines().filter(|line| line.contains(r#""caller":"shop""#));
    assert!(log.lines().count() == 3 && of_shop.count() == 3 && !log.contains("canary"), "{log}");
}

#[test]
fn faults_of_the_settings_are_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("daypass.toml");
    for (toml, fault) in [
        ("file = 'a.log'".to_owned(), "audit.key: needed with audit.file"),
        ("file = 'a.log'\nkey = 'canary'".to_owned(), "audit.key: must be 32 bytes"),
        (format!("file = 'a.log'\nmax_bytes = 1\nkey = '{KEY}'"), "audit.max_bytes: must be at least 65536"),
        (format!("file = 'a.log'\non_failure = 'ignore'\nkey = '{KEY}'"), "audit.on_failure"),
    ] {
        fs::write(&file, format!("[audit]\n{toml}\n")).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_daypass"));
        let checked = check.args(["config", "check", "--config"]).arg(&file).output().unwrap();
        assert!(!checked.status.success() && text(&checked).contains(fault), "{fault}: {checked:?}");
        assert!(!text(&checked).contains("canary"));
    }
}
