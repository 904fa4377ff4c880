//! Strangers: they are refused by their headers, and pages of other sites reach no loopback port.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use connectrpc::{CodecFormat, ErrorCode, Protocol};
use sha2::{Digest, Sha256};

use crate::common::{HANGS, TestServer, TokenRequest, code, until};

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
    let description = |key: &str| {
        let head = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
        served.http(served.address, &format!("{head}{key}\r\n"))
    };
    assert!(description("authorization: Bearer known\r\n").starts_with("HTTP/1.1 200"));
    assert!(description("").starts_with("HTTP/1.1 404"), "it is for callers, as reflection");
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

/// An authority with a server's certificate, and clients' certificates of it.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: rcgen::Issuer::new(parameters, key), pem, der }
    }

    fn issue(&self, name: rcgen::SanType) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.subject_alt_names = vec![name];
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// The answer to one JSON call over TLS with this client certificate and key.
async fn over_tls(
    served: &TestServer,
    authority: &Authority,
    certificate: Option<rcgen::SanType>,
    key: &str,
) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let builder =
        rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let (certificate, key) = authority.issue(name);
            let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
            builder.with_client_auth_cert(vec![certificate.der().clone()], key.into()).unwrap()
        }
    };
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect(name.clone(), stream).await.unwrap();
    let body = r#"{"merchant_access_token_id":"a","connector":"STRIPE","test_mode":true}"#;
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{key}\
         x-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_a\"}}}}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    // Each connection shows the certificate anew: it may have expired since.
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let again = connector.connect(name, stream).await.unwrap();
    assert_eq!(again.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_the_authority_is_a_caller_only_by_its_name() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let dns = |name: &str| rcgen::SanType::DnsName(name.try_into().unwrap());
    let (certificate, key) = authority.issue(dns("localhost"));
    let path = |name: &str| folder.path().join(name);
    fs::write(path("server.pem"), certificate.pem()).unwrap();
    fs::write(path("server.key"), key.serialize_pem()).unwrap();
    fs::write(path("callers.pem"), &authority.pem).unwrap();
    let hash = hex::encode(Sha256::digest("known"));
    let tls = "[tls]\ncertificate_file = 'server.pem'\nprivate_key_file = 'server.key'\nclient_authorities_file = 'callers.pem'\n";
    fs::write(
        path("daypass.toml"),
        format!(
            "{tls}[[callers]]\nname = 'shop'\ncertificate_dns = ['shop.internal']\nkey_sha256 = '{hash}'\n\
             [[callers]]\nname = 'app'\ncertificate_uri = ['spiffe://example/app']\n"
        ),
    )
    .unwrap();
    let file = path("daypass.toml");
    let mut served = TestServer::start(
        &["--sandbox", "--config", file.to_str().unwrap()],
        &[("DAYPASS_TLS__ANY_CLIENT_CERTIFICATE", "false")],
    );
    let uri = |uri: &str| rcgen::SanType::URI(uri.try_into().unwrap());
    for (certificate, key, caller) in [
        (None, "", None),
        (None, "authorization: Bearer known\r\n", Some("shop")),
        (Some(dns("shop.internal")), "", Some("shop")),
        (Some(uri("spiffe://example/app")), "", Some("app")),
        (Some(dns("other.internal")), "", None),
        (Some(dns("shop.internal")), "authorization: Bearer wrong\r\n", None),
        (Some(dns("shop.internal")), "authorization: Bearer known\r\n", Some("shop")),
        (Some(uri("spiffe://example/app")), "authorization: Bearer known\r\n", None),
    ] {
        let answer = over_tls(&served, &authority, certificate.clone(), key).await;
        let status = if caller.is_some() { "HTTP/1.1 200" } else { "HTTP/1.1 401" };
        assert!(answer.starts_with(status), "{certificate:?} {key}: {answer}");
    }
    let log = tokio::task::block_in_place(|| served.stop());
    let callers = |name: &str| log.matches(&format!("\"caller\":\"{name}\"")).count();
    assert_eq!((callers("shop"), callers("app")), (3, 1), "{log}");

    // Without a name for anybody, the configuration is refused; with the word for it, it is told.
    fs::write(path("daypass.toml"), tls).unwrap();
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("tls.any_client_certificate"), "{said}");
    fs::write(path("daypass.toml"), format!("{tls}any_client_certificate = true\n")).unwrap();
    let mut served = TestServer::start(
        &["--sandbox", "--config", file.to_str().unwrap()],
        &[("DAYPASS_TLS__ANY_CLIENT_CERTIFICATE", "true")],
    );
    assert!(over_tls(&served, &authority, Some(dns("other.internal")), "").await.starts_with("HTTP/1.1 200"));
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(metrics.contains("daypass_insecure_setting{setting=\"tls.any_client_certificate\"} 1"), "{metrics}");
    let log = tokio::task::block_in_place(|| served.stop());
    assert!(log.contains("this setting takes a protection away"), "{log}");
}

/// The rules of two callers, at the service and at `policy test`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_has_its_own_rules_and_a_denial_names_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    let hash = |key: &str| hex::encode(Sha256::digest(key));
    fs::write(
        &file,
        format!(
            "[[callers]]\nname = 'web'\nkey_sha256 = ['{}', '{}']\n[[callers]]\nname = 'back'\nkey_sha256 = '{}'\n\
             [policy.callers.web]\nconnectors = ['Stripe']\ngrants = ['stripe.ephemeral_key']\naudiences = ['client']\n\
             modes = ['test']\nrequired_inputs = ['customer']\n[policy.callers.back]\ncalls_per_second = 2\n",
            hash("web"),
            hash("web-new"),
            hash("back"),
        ),
    )
    .unwrap();
    let config = file.to_str().unwrap();
    let served = TestServer::start(&["--sandbox", "--config", config], &[]);
    let data = |data: serde_json::Value| TokenRequest::stripe("sk_test_rules").data(data);
    let key = serde_json::json!({"grant": "ephemeral_key", "customer": "cus_1"});
    for (request, caller, rule) in [
        (data(key.clone()), "Bearer web", None),
        (data(key.clone()), "Bearer web-new", None),
        (data(serde_json::json!({"grant": "setup_intent"})), "Bearer web", Some("policy.callers.web.grants")),
        (TokenRequest::braintree(), "Bearer web", Some("policy.callers.web.connectors")),
        (TokenRequest::braintree(), "Bearer back", None),
    ] {
        let mut request = TokenRequest { reference: format!("{caller}-{rule:?}"), ..request };
        request.headers.push(("authorization", caller));
        match (served.call(&request).await, rule) {
            (Ok(answer), None) => assert!(answer.access_token.is_set(), "{answer:?}"),
            (Err(error), Some(rule)) => {
                assert_eq!(error.code, ErrorCode::PermissionDenied);
                assert!(error.message.as_deref().unwrap_or_default().contains(rule), "{error:?}");
            }
            (result, rule) => panic!("{rule:?}: {result:?}"),
        }
    }
    // The limit of calls is of a second; three at once are one too many.
    let mut outcomes = Vec::new();
    for nth in 0..12 {
        let mut request = TokenRequest { reference: format!("rate-{nth}"), ..TokenRequest::braintree() };
        request.headers.push(("authorization", "Bearer back"));
        outcomes.push(served.call(&request).await.err().map(|error| error.code));
    }
    assert!(outcomes.contains(&Some(ErrorCode::ResourceExhausted)), "{outcomes:?}");

    let test = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_daypass"));
        let command =
            command.args(["policy", "test", "--config", config]).args(arguments).stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let stripe = ["--connector", "stripe", "--caller", "web"];
    let (yes, said) = test(&[&stripe[..], &["--grant", "ephemeral_key", "--input", "customer=cus_1"]].concat());
    assert!(yes && said.starts_with("yes: stripe.ephemeral_key, client, test"), "{said}");
    for (arguments, rule) in [
        (&["--grant", "setup_intent"][..], "policy.callers.web.grants does not allow stripe.setup_intent"),
        (
            &["--grant", "ephemeral_key", "--input", "customer=c", "--live"],
            "policy.callers.web.modes does not allow live",
        ),
    ] {
        let (yes, said) = test(&[&stripe[..], arguments].concat());
        assert!(!yes && said.contains(rule), "{said}");
    }
    fs::write(&file, "[policy.callers.nobody]\nconnectors = ['strpe']\n").unwrap();
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["config", "check", "--config", config])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert!(said.contains("policy.callers.nobody: no caller") && said.contains("strpe is no connector"), "{said}");
}

/// Messages that the service does not read leave one line, as any call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_long_leaves_one_log_line() {
    let mut served = TestServer::sandboxed();
    let long = format!("{{\"merchant_access_token_id\":\"{}\"}}", "x".repeat(300 * 1024));
    let length = long.len();
    let answer = served.http(
        served.address,
        &format!(
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{long}"
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let good = TokenRequest::stripe("sk_test_lines");
    served.call(&good).await.unwrap();
    served.call(&TokenRequest { reference: "other".into(), ..good }).await.unwrap();
    let log = tokio::task::block_in_place(|| served.stop());
    let outcomes = |word: &str| log.matches(&format!("\"outcome\":\"{word}\"")).count();
    assert_eq!((outcomes("INVALID_REQUEST"), outcomes("SUCCESS")), (1, 2), "{log}");
}

/// The time of one known caller's call, on a connection of its own.
fn known_call(served: &TestServer) -> std::time::Duration {
    let body = r#"{"merchant_access_token_id":"a","connector":"STRIPE","test_mode":true}"#;
    let started = std::time::Instant::now();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         authorization: Bearer known\r\nx-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_a\"}}}}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = served.http(served.address, &request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    started.elapsed()
}

#[test]
fn silent_strangers_keep_no_caller_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    let hash = hex::encode(Sha256::digest("known"));
    fs::write(&file, format!("max_connections = 50\n[[callers]]\nname = 'shop'\nkey_sha256 = '{hash}'\n")).unwrap();
    let served = TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[]);
    let strangers: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    for _ in 0..10 {
        assert!(known_call(&served) < HANGS / 2);
    }
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let displaced = metrics.lines().find_map(|line| line.strip_prefix("daypass_displaced_connections_total "));
    let displaced: f64 = displaced.unwrap().parse().unwrap();
    assert!(displaced >= 11.0, "{displaced} strangers gave their place");
    drop(strangers);
}

/// The resident memory of a process, in KiB.
fn resident(served: &TestServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The 99th percentile of calls by a known caller.
fn p99(served: &TestServer) -> std::time::Duration {
    let mut times: Vec<_> = (0..200).map(|_| known_call(served)).collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[test]
fn a_thousand_strangers_with_unfinished_bodies_cost_little() {
    let (_folder, served) = guarded();
    let (quiet, before) = (p99(&served), resident(&served));
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n"
    );
    let strangers: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(served.address).unwrap();
            stream.set_write_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            // The service has refused the call, and may have closed.
            let _ = stream.write_all(&[b'x'; 100_000]);
            stream
        })
        .collect();
    let grown = resident(&served).saturating_sub(before);
    let beside = p99(&served);
    println!("resident memory grew by {grown} KiB; p99 {quiet:?} alone, {beside:?} beside 1,000 strangers");
    assert!(grown <= 64 * 1024, "{grown} KiB");
    drop(strangers);
}

/// Sends so many bytes of a message whose end never comes, or fewer where the service takes no more.
async fn send_part(body: &mut h2::SendStream<bytes::Bytes>, mut size: usize) {
    body.reserve_capacity(size);
    while size > 0 {
        let capacity = std::future::poll_fn(|context| body.poll_capacity(context));
        let Ok(Some(Ok(taken))) = tokio::time::timeout(std::time::Duration::from_secs(1), capacity).await else {
            return;
        };
        let taken = taken.min(size);
        let _ = body.send_data(vec![b' '; taken].into(), false);
        size -= taken;
    }
}

/// A watch takes memory for as long as its client likes, so there are only so many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_watch_the_health_in_bounded_number() {
    let (_folder, served) = guarded();
    let (mut open, mut refused, mut connections) = (Vec::new(), 0, Vec::new());
    for _ in 0..5 {
        let socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        connections.push(tokio::spawn(connection));
        for _ in 0..250 {
            client = client.ready().await.unwrap();
            let (status, body) = watch(&served, &mut client).await;
            match status.as_deref() {
                None => open.push(body),
                Some("12") => refused += 1,
                Some(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!((open.len(), refused), (1024, 5 * 250 - 1024));
    // A watch that its client ends makes room for another one.
    let socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    connections.push(tokio::spawn(connection));
    assert_eq!(watch(&served, &mut client).await.0.as_deref(), Some("12"));
    open.truncate(1000);
    until("a watch is taken", async || watch(&served, &mut client.clone()).await.0.is_none()).await;
    known_call(&served);
}

/// The `grpc-status` in the head of a watch's answer, and the rest of the answer.
async fn watch(
    served: &TestServer,
    client: &mut h2::client::SendRequest<bytes::Bytes>,
) -> (Option<String>, h2::RecvStream) {
    let request = http::Request::post(format!("http://{}/grpc.health.v1.Health/Watch", served.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(bytes::Bytes::from_static(&[0; 5]), true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    // The present state; an answer with a status in its head has none.
    let _ = body.data().await;
    (head.headers.get("grpc-status").map(|status| status.to_str().unwrap().to_owned()), body)
}

/// Anybody may ask for the health: a question needs few bytes, and no room of the callers' messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_ask_for_the_health_leave_room_for_callers() {
    const HEALTH: &str = "/grpc.health.v1.Health/Check";
    const GREATEST_GAP: usize = 1 << 13;
    let (_folder, served) = guarded();
    let mut strangers = Vec::new();
    // 36 connections fill the room but for a few bytes, the last one fills the gaps.
    let gaps: Vec<usize> = (0..14).rev().flat_map(|bit| [1 << bit; 4]).collect();
    for sizes in std::iter::repeat_n(vec![16_000; 240], 36).chain([gaps]) {
        let socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        strangers.push((tokio::spawn(connection), Vec::new()));
        for size in sizes {
            let request = http::Request::post(format!("http://{}{HEALTH}", served.address))
                .header("content-type", "application/json")
                .body(())
                .unwrap();
            client = client.ready().await.unwrap();
            let (response, mut body) = client.send_request(request, false).unwrap();
            if size == GREATEST_GAP {
                // What was sent before has arrived by now.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            send_part(&mut body, size).await;
            strangers.last_mut().unwrap().1.push((response, body));
        }
    }
    tokio::task::block_in_place(|| {
        for _ in 0..20 {
            known_call(&served);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    drop(strangers);
    let question = "{\"service\":\"ucs.v2.MerchantAuthenticationService\"}";
    let answer = served.http(
        served.address,
        &format!(
            "POST {HEALTH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{question}",
            question.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("SERVING"), "{answer}");
}
