//! The wire around a message: the frames of gRPC errors, refusals by version and
//! framing, content types, and the headers of each response.

use bytes::Bytes;
use http::{Request, Response, Version};

use crate::common::TestServer;

const PATH: &str = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/// One gRPC call over HTTP/2, as frames: its headers, and whether they ended
/// the stream.
async fn grpc_call(served: &TestServer, headers: &[(&str, &str)], message: &[u8]) -> (Response<()>, bool) {
    let socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    let driver = tokio::spawn(connection);
    let uri = format!("http://{}{PATH}", served.address);
    let mut request = Request::post(uri).version(Version::HTTP_2).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let frame = [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()], message].concat();
    body.send_data(Bytes::from(frame), true).unwrap();
    let response = response.await.unwrap();
    let ended = response.body().is_end_stream();
    driver.abort();
    (response.map(|_| ()), ended)
}

/// Clients of gRPC repeat a call only where nothing but trailers has come (gRFC A6).
#[tokio::test]
async fn a_grpc_error_is_one_header_frame_that_ends_the_stream() {
    let served = TestServer::sandboxed();
    let (response, ended) = grpc_call(&served, &[("x-request-id", "mine")], b"").await;
    let headers = response.headers();
    assert!(ended, "{headers:?}");
    assert_eq!(headers["grpc-status"], "3", "{headers:?}");
    assert_eq!(headers.get_all("grpc-status").iter().count(), 1, "{headers:?}");
    assert_eq!(headers["x-request-id"], "mine");
    for name in ["grpc-status-details-bin", "grpc-message", "x-attempts"] {
        assert!(headers.contains_key(name), "{name} in {headers:?}");
    }
}

#[tokio::test]
async fn a_grpc_success_has_a_message_between_headers_and_trailers() {
    let served = TestServer::sandboxed();
    let credentials = r#"{"Stripe":{"api_key":"sk_test_frames"}}"#;
    let headers = [("x-connector", "stripe"), ("x-connector-auth", credentials), ("grpc-timeout", "10S")];
    // Field 1, the reference.
    let (response, ended) = grpc_call(&served, &headers, b"\x0a\x06frames").await;
    assert!(!ended && !response.headers().contains_key("grpc-status"), "{response:?}");
}

/// A raw HTTP/1.1 request and its whole answer.
fn http1(served: &TestServer, method: &str, path: &str, content_type: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(crate::common::HANGS)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         x-connector: stripe\r\nx-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_frames\"}}}}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const CALL: &str = r#"{"merchant_access_token_id":"frames","connector":"STRIPE","test_mode":true}"#;

#[tokio::test]
async fn what_a_client_could_not_read_is_refused_before_anything_happens() {
    let served = TestServer::sandboxed();
    let answer = http1(&served, "POST", PATH, "application/grpc", "\0\0\0\0\0");
    assert!(answer.starts_with("HTTP/1.1 505"), "{answer}");
    assert!(answer.contains("gRPC needs HTTP/2"), "{answer}");

    let answer = http1(&served, "POST", PATH, "application/grpc-web-text+proto", "AAAAAAA=");
    let text = answer.split("\r\n\r\n").nth(1).unwrap();
    let frame = connectors::base64url_decode(&text.trim().replace('+', "-").replace('/', "_")).unwrap();
    assert_eq!((frame[0], usize::from(frame[4])), (0x80, frame.len() - 5), "{answer}");
    assert!(String::from_utf8_lossy(&frame).contains("grpc-status: 12\r\n"), "{answer}");
    assert!(!served.log().contains("\"attempts\":1"), "a connector was called");
}

#[tokio::test]
async fn content_types_have_no_case_and_tokens_are_not_stored() {
    let served = TestServer::sandboxed();
    for content_type in ["application/json", "Application/JSON", "application/json; Charset=UTF-8"] {
        let answer = http1(&served, "POST", PATH, content_type, CALL).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{content_type}: {answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_call_is_told_what_to_do() {
    let served = TestServer::sandboxed();
    for (method, path, content_type, status, words) in [
        ("POST", "/", "application/json", "404", "CreateAccessToken"),
        ("PUT", PATH, "application/json", "405", "use POST"),
        ("POST", PATH, "text/plain", "415", "application/json"),
    ] {
        let answer = http1(&served, method, path, content_type, CALL);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert!(body["message"].as_str().unwrap().contains(words), "{answer}");
        assert!(served.log().contains(&format!("\"status\":{status}")), "{status}: {}", served.log());
    }
}
