//! Strangers: they are refused by their headers, and pages of other sites reach no loopback port.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use connectrpc::{CodecFormat, ErrorCode, Protocol};
use sha2::{Digest, Sha256};

use crate::common::{HANGS, TestServer, TokenRequest, code};

const PATH: &str = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/// A server that knows one caller, by the key `known`.
fn guarded() -> (tempfile::TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    let hash = hex::encode(Sha256::digest("known"));
    fs::write(&file, format!("[[callers]]\nname = 'shop'\nkey_sha256 = '{hash}'\n")).unwrap();
    let served = TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[]);
    (folder, served)
}

/// The answer to the head of a request whose body never comes.
fn answer_to_head(served: &TestServer, headers: &str) -> String {
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("}}") && !String::from_utf8_lossy(&answer).contains("\"}") {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_before_its_body_is_read() {
    let (_folder, mut served) = guarded();
    for (content_type, key) in [("application/json", ""), ("application/json", "authorization: Bearer wrong\r\n")] {
        let headers = format!("content-type: {content_type}\r\ncontent-length: 200000\r\n{key}");
        let answer = answer_to_head(&served, &headers);
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"unauthenticated\""), "{answer}");
        assert!(!answer.contains("merchant_access_token_id"), "no word about the message: {answer}");
    }
    // Each protocol has its own words for it, and the known caller is served.
    for (protocol, codec) in [
        (Protocol::Grpc, CodecFormat::Proto),
        (Protocol::GrpcWeb, CodecFormat::Proto),
        (Protocol::Connect, CodecFormat::Json),
        (Protocol::Connect, CodecFormat::Proto),
    ] {
        let mut request = TokenRequest::stripe("sk_test_stranger");
        assert_eq!(code(served.call_as(protocol, codec, &request).await), ErrorCode::Unauthenticated, "{protocol:?}");
        request.headers.push(("authorization", "Bearer known"));
        served.call_as(protocol, codec, &request).await.unwrap();
    }
    let log = tokio::task::block_in_place(|| served.stop());
    assert_eq!(log.matches("\"outcome\":\"UNAUTHENTICATED\"").count(), 6, "a line for each: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_foreign_names_reach_no_loopback_port() {
    let served = TestServer::start(&["--sandbox"], &[("DAYPASS_ALLOWED_HOSTS", "[\"inside.example\"]")]);
    let call = |headers: &str| {
        let body = r#"{"merchant_access_token_id":"a","connector":"STRIPE","test_mode":true}"#;
        let length = body.len();
        served.http(
            served.address,
            &format!(
                "POST {PATH} HTTP/1.1\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
                 x-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_a\"}}}}\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    };
    let port = served.address.port();
    for (headers, served) in [
        (format!("host: 127.0.0.1:{port}\r\n"), true),
        (format!("host: localhost:{port}\r\n"), true),
        ("host: inside.example\r\n".into(), true),
        (format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"), true),
        (format!("host: rebound.example:{port}\r\n"), false),
        (format!("host: localhost:{port}\r\norigin: https://shop.example\r\n"), false),
        (format!("host: localhost:{port}\r\nsec-fetch-site: cross-site\r\n"), false),
        (format!("host: rebound.example:{port}\r\norigin: http://rebound.example:{port}\r\n"), false),
    ] {
        let answer = call(&headers);
        let status = if served { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
        assert!(answer.starts_with(status), "{headers}: {answer}");
    }
    let forget = |headers: &str| {
        let request = format!("POST /cache/forget/0123456789abcdef HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        served.http(served.admin, &request)
    };
    assert!(forget("host: localhost\r\n").starts_with("HTTP/1.1 200"));
    for headers in ["host: localhost\r\norigin: https://shop.example\r\n", "host: rebound.example\r\n"] {
        assert!(forget(headers).starts_with("HTTP/1.1 403"), "{headers}");
    }
    let sandbox = served.sandbox.as_ref().unwrap().parse().unwrap();
    let clock = |headers: &str| {
        let body = "{\"advance_seconds\":1}";
        let length = body.len();
        let head =
            format!("POST /_sandbox/clock HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n");
        served.http(sandbox, &format!("{head}\r\n{body}"))
    };
    assert!(clock("host: localhost\r\n").starts_with("HTTP/1.1 200"));
    for headers in ["host: localhost\r\norigin: https://shop.example\r\n", "host: rebound.example\r\n"] {
        assert!(clock(headers).starts_with("HTTP/1.1 403"), "{headers}");
    }
}
