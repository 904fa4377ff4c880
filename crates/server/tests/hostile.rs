//! Hostile clients. After each of them the server still serves a valid call, and its log has no
//! panic.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::common::{HANGS, TestServer, TokenRequest};

const PATH: &str = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/// A valid call succeeds, and there was no panic.
async fn assert_serves(served: &TestServer, after: &str) {
    static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let nth = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let reference = format!("good_{nth}");
    let answer = served.call(&TokenRequest { reference, ..TokenRequest::stripe("sk_test_good") }).await;
    assert!(answer.is_ok(), "after {after}: {answer:?}");
    assert_no_panic(&served.log(), after);
}

fn assert_no_panic(log: &str, after: &str) {
    assert!(!log.contains("panicked") && !log.contains("a defect stopped"), "after {after}: {log}");
}

/// Sends bytes and reads the beginning of the reply.
fn send(served: &TestServer, bytes: &[u8], wait: Duration) -> String {
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(wait)).unwrap();
    stream.set_write_timeout(Some(HANGS)).unwrap();
    let _ = stream.write_all(bytes);
    let mut reply = [0; 4096];
    let read = stream.read(&mut reply).unwrap_or(0);
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn headers_that_are_too_long_too_many_or_not_ascii() {
    let mut served = TestServer::sandboxed();
    let json = "content-type: application/json\r\n";
    let long = |bytes: usize| post(&format!("{json}x-connector-auth: {}\r\n", "a".repeat(bytes)), b"{}");
    let many = |count: usize| {
        post(&(0..count).map(|nth| format!("x-{nth}: v\r\n")).chain([json.into()]).collect::<String>(), b"{}")
    };
    let wait = HANGS;
    for (what, request, status) in [
        ("64 KiB in a header", long(64 * 1024), "400 401 431"),
        ("127 KiB in a header", long(127 * 1024), "400 401 431"),
        ("1 MiB in a header", long(1 << 20), "400 431"),
        ("10,000 headers", many(10_000), "400 431"),
        ("200 headers", many(200), "400 401 431"),
        ("no end of a line", [b"GET /".as_slice(), &vec![b'a'; 1 << 20]].concat(), "400 414 431"),
        ("not HTTP", b"\x00\x01\x02\x03\r\n\r\n".to_vec(), "400"),
        ("a length that is none", post("content-length: x\r\n", b"{}"), "400"),
        ("two lengths", post("content-length: 1\r\n", b"{}"), "400"),
        ("a length and chunks", post("transfer-encoding: chunked\r\n", b"0\r\n\r\n"), "200 400 415"),
        ("a line folded", post("x-a: b\r\n c\r\n", b"{}"), "400 415"),
    ] {
        let reply = send(&served, &request, wait);
        let told = reply.split(' ').nth(1).unwrap_or("closed");
        // The connection may end before the response arrives while the client still sends.
        assert!(status.contains(told) || told == "closed", "{what}: {reply}");
        assert_serves(&served, what).await;
    }
    let canary = b"x-connector-auth: {\"Stripe\":{\"api_key\":\"sk_test_\xff\xfecanary\"}}\r\n";
    for name in
        [b"x-connector: \xff\xfe\r\n".as_slice(), b"x-request-id: \xc3\x28\r\n", b"x-merchant-id: \xff\r\n", canary]
    {
        let mut request = post(json, b"{\"merchant_access_token_id\": \"a\", \"connector\": \"STRIPE\"}");
        let at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 2;
        request.splice(at..at, name.iter().copied());
        let reply = send(&served, &request, wait);
        assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
        assert!(!reply.contains("canary"), "{reply}");
        assert_serves(&served, "a header that is not text").await;
    }
    let log = served.stop();
    assert_no_panic(&log, "all of them");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn malformed_messages() {
    let mut served = TestServer::sandboxed();
    let nested = "[".repeat(100_000);
    let deep = format!("{}1{}", "{\"error\":".repeat(5_000), "}".repeat(5_000));
    let long = format!("{{\"merchant_access_token_id\": \"{}\"}}", "canary".repeat(100_000));
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{\x00}\x00",
        b"{\"merchant_access_token_id\": 1}",
        b"{\"merchant_access_token_id\": \"\xff\"}",
        b"{\"connector\": \"CANARY\"}",
        b"{\"test_mode\": \"canary\"}",
        nested.as_bytes(),
        deep.as_bytes(),
        long.as_bytes(),
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01canary",
        b"\x0a\x06\xff\xfe\xfd\xfc\xfb\xfa",
    ];
    let mut count = 0;
    for content_type in [
        "application/json",
        "application/proto",
        "application/grpc-web+proto",
        "application/grpc-web+json",
        "application/grpc",
        "text/plain",
        "\u{e9}",
    ] {
        for body in bodies {
            for framed in [false, true] {
                // A gRPC frame begins with a flag and a length, which is false here.
                let mut bytes = if framed { vec![0, 0xff, 0xff, 0xff, 0xff] } else { Vec::new() };
                bytes.extend_from_slice(body);
                let reply = send(&served, &post(&format!("content-type: {content_type}\r\n"), &bytes), HANGS);
                assert!(reply.starts_with("HTTP/1.1 "), "{content_type} {framed} {:?}: {reply}", body.get(..20));
                assert!(!reply.to_lowercase().contains("canary"), "{content_type}: {reply}");
                count += 1;
            }
        }
        assert_serves(&served, content_type).await;
    }
    for (method, path) in
        [("GET", PATH), ("POST", "/"), ("POST", "/%00/%ff"), ("TRACE", PATH), ("PRI", "*"), ("POST", "//..")]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        send(&served, request.as_bytes(), HANGS);
        assert_serves(&served, path).await;
    }
    let log = served.stop();
    assert_no_panic(&log, "all of them");
    assert!(!log.to_lowercase().contains("canary"), "{log}");
    println!("{count} malformed messages");
}

#[tokio::test]
async fn connections_that_end_at_every_byte_of_a_request() {
    let mut served = TestServer::sandboxed();
    let body = br#"{"merchant_access_token_id": "cut", "connector": "STRIPE", "test_mode": true}"#;
    let auth = "content-type: application/json\r\nx-connector-auth: {\"Stripe\":{\"api_key\":\"sk_test_cut\"}}\r\n";
    let whole = post(auth, body);
    for cut in 0..whole.len() {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(&whole[..cut]).unwrap();
        if cut % 2 == 0 {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
    assert_serves(&served, "cut requests").await;
    // TLS: a ClientHello that is cut off, and bytes that are none.
    for bytes in [
        b"\x16".as_slice(),
        b"\x16\x03\x01\x00\x05\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x16\x16\x16\x16\x16\x16",
    ] {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(bytes).unwrap();
        drop(stream);
    }
    assert_serves(&served, "cut handshakes").await;
    assert_no_panic(&served.stop(), "all of them");
}

/// Opens connections that send nothing, a byte, or a part of a request, and keeps them open during
/// valid calls.
async fn idle_connections(wanted: usize) {
    let served = TestServer::sandboxed();
    let mut held = Vec::new();
    for nth in 0..wanted {
        // The client's own file descriptors are used up.
        let Ok(mut stream) = TcpStream::connect(served.address) else { break };
        let said: &[u8] = match nth % 5 {
            0 => b"",
            1 => b"P",
            2 => b"PRI * HTTP/2.0\r\n",
            3 => b"POST / HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            _ => b"\x16\x03\x01",
        };
        let _ = stream.write_all(said);
        held.push(stream);
    }
    println!("{} idle connections", held.len());
    assert!(held.len() >= wanted * 9 / 10, "{} of {wanted}", held.len());
    for _ in 0..10 {
        assert_serves(&served, "idle connections").await;
    }
    // The headers of a request must arrive within ten seconds, however many bytes arrive.
    let slow = &mut held[3];
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let began = Instant::now();
    let ended = loop {
        let _ = slow.write_all(b"a");
        match slow.read(&mut [0; 512]) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            _ => break began.elapsed(),
        }
        assert!(began.elapsed() < HANGS, "slow headers are still read");
    };
    println!("slow headers were cut off after {ended:?}");
    assert_serves(&served, "slow headers").await;
}

#[tokio::test]
async fn idle_and_slow_connections_do_not_block_calls() {
    idle_connections(400).await;
}

/// The full size. Needs about `ulimit -n 25000`.
/// `cargo test --release -p daypass-server --test all hostile -- --ignored --nocapture`
#[tokio::test]
#[ignore = "needs many files"]
async fn ten_thousand_idle_connections_do_not_block_calls() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    idle_connections(10_000).await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Opens and cancels streams until the server ends the connection (CVE-2023-44487).
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let mut served = TestServer::sandboxed();
    // HEADERS with `:method POST`, `:scheme http`, `:path /` and END_HEADERS, then RST_STREAM with
    // `CANCEL`.
    let pairs = (0..20_000_u32).flat_map(|nth| {
        let stream = nth * 2 + 1;
        [frame(1, 4, stream, &[0x83, 0x86, 0x84]), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    let bytes: Vec<u8> = [PREFACE, SETTINGS].concat().into_iter().chain(pairs).collect();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.set_read_timeout(Some(HANGS)).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(&bytes);
        let mut reply = Vec::new();
        let ended = stream.read_to_end(&mut reply).map_err(|error| error.kind());
        let reset = Err(std::io::ErrorKind::ConnectionReset);
        assert!(ended.is_ok() || ended == reset, "the connection goes on: {ended:?}");
        assert_serves(&served, "rapid resets").await;
    }
    assert_no_panic(&served.stop(), "all of them");
}

/// Frames that RFC 9113 forbids, or floods of valid ones.
#[tokio::test]
async fn invalid_http2_frames() {
    let mut served = TestServer::sandboxed();
    let open = frame(1, 0, 1, &[0x82, 0x86, 0x84]);
    let continuations = || -> Vec<u8> { (0..5_000).flat_map(|_| frame(9, 0, 1, b"\0\x01a\x01b")).collect() };
    let empty_continuations = || -> Vec<u8> { (0..50_000).flat_map(|_| frame(9, 0, 1, b"")).collect() };
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("a frame that is too long", vec![0xff; 1 << 16]),
        ("data on no stream", frame(0, 0, 0, b"x")),
        ("headers on an even stream", frame(1, 4, 2, &[0x82])),
        ("headers that cannot be unpacked", frame(1, 4, 1, &[0xff; 64])),
        ("continuations without an end", [open.clone(), continuations()].concat()),
        ("empty continuations without an end", [open, empty_continuations()].concat()),
        ("a window of nothing", frame(8, 0, 0, &[0; 4])),
        ("a window too large", frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("many settings", (0..20_000).flat_map(|_| SETTINGS.to_vec()).collect()),
        ("many pings", (0..20_000).flat_map(|_| frame(6, 0, 0, &[0; 8])).collect()),
        ("many priorities", (0..20_000_u32).flat_map(|nth| frame(2, 0, nth * 2 + 1, &[0; 5])).collect()),
        ("unknown frames", (0..20_000).flat_map(|_| frame(0x77, 0xff, 1, &[0; 5])).collect()),
    ];
    for (what, frames) in table {
        send(&served, &[PREFACE, SETTINGS, &frames].concat(), Duration::from_millis(300));
        assert_serves(&served, what).await;
    }
    assert_no_panic(&served.stop(), "all of them");
}
