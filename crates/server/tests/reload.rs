//! The configuration is read again at SIGHUP and when a file changes: all of it or nothing, with a
//! line that says what changed. Calls are served all the time.
#![cfg(unix)]

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use connectrpc::ErrorCode;
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider, pki_types::ServerName};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::common::{TestServer, TokenRequest, code, until};

/// A certificate for localhost, and the client that trusts it alone.
pub(crate) struct Certificate {
    pem: String,
    key: String,
    client: Arc<ClientConfig>,
}

impl Certificate {
    pub(crate) fn ending_in(year: i32) -> Self {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { pem: certificate.pem(), key: key.serialize_pem(), client: Arc::new(client) }
    }

    pub(crate) fn write(&self, folder: &Path) {
        fs::write(folder.join("server.key"), &self.key).unwrap();
        fs::write(folder.join("server.pem"), &self.pem).unwrap();
    }

    /// Whether the server presents this certificate.
    async fn is_served(&self, served: &TestServer) -> bool {
        self.is_served_at(served.address).await
    }

    /// The same, for a server that may be down.
    pub(crate) async fn is_served_at(&self, address: SocketAddr) -> bool {
        let Ok(stream) = TcpStream::connect(address).await else { return false };
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(self.client.clone()).connect(name, stream).await.is_ok()
    }
}

fn configured(folder: &TempDir, toml: &str) -> TestServer {
    let file = folder.path().join("daypass.toml");
    fs::write(&file, toml).unwrap();
    TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[])
}

fn callers(key: &str) -> String {
    format!("[[callers]]\nname = 'shop'\nkey_sha256 = '{}'\n", hex::encode(Sha256::digest(key)))
}

fn with_key(key: &'static str) -> TokenRequest<'static> {
    TokenRequest { headers: vec![("authorization", key)], ..TokenRequest::stripe("sk_test_reload") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_and_policy_change_at_sighup() {
    let folder = TempDir::new().unwrap();
    let served = configured(&folder, &callers("old"));
    served.call(&with_key("Bearer old")).await.unwrap();
    assert_eq!(code(served.call(&with_key("Bearer new")).await), ErrorCode::Unauthenticated);
    // A connection that is there stays, and gets a change like any other.
    fs::write(
        folder.path().join("daypass.toml"),
        // The listening address is given by a flag, so the file's has no effect.
        format!("listen = '127.0.0.1:1'\nmax_connections = 77\n[policy]\nconnectors = ['adyen']\n{}", callers("new")),
    )
    .unwrap();
    let log = served.log();
    assert!(log.contains(r#""changed":"callers, policy.connectors","needs_restart":"max_connections""#), "{log}");
    assert!(!log.contains(&hex::encode(Sha256::digest("new"))), "{log}");
    assert_eq!(code(served.call(&with_key("Bearer old")).await), ErrorCode::Unauthenticated);
    assert_eq!(code(served.call(&with_key("Bearer new")).await), ErrorCode::PermissionDenied);
    // What waits for a restart is said again.
    let log = served.log();
    assert!(log.contains(r#""changed":"","needs_restart":"max_connections""#), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_configuration_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let served = configured(&folder, &callers("old"));
    let file = folder.path().join("daypass.toml");
    for (faulty, fault) in [
        (format!("{}[policy]\nserver_token = false", callers("canary")), "unknown setting server_token"),
        (format!("{}[limits]\nattempt_timeout_ms = 0", callers("canary")), "limits.attempt_timeout_ms"),
        ("[[callers]".into(), "line 1, column"),
        (String::from("log = 'verbose'"), "expected a level"),
    ] {
        fs::write(&file, &faulty).unwrap();
        let log = served.log();
        let line = log.lines().rfind(|line| line.contains("configuration read again")).unwrap();
        assert!(line.contains("refused") && line.contains("ERROR") && line.contains(fault), "{line}");
        served.call(&with_key("Bearer old")).await.unwrap();
    }
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(metrics.contains(r#"daypass_reloads_total{outcome="refused"} 4"#), "{metrics}");
    fs::remove_file(&file).unwrap();
    assert!(served.log().contains("No such file"));
    served.call(&with_key("Bearer old")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_a_server_without_one_waits_for_a_restart() {
    let folder = TempDir::new().unwrap();
    let served = configured(&folder, "");
    let certificate = Certificate::ending_in(2091);
    certificate.write(folder.path());
    let toml = "[tls]\ncertificate_file = 'server.pem'\nprivate_key_file = 'server.key'\n";
    fs::write(folder.path().join("daypass.toml"), toml).unwrap();
    let log = served.log();
    assert!(log.contains(r#""changed":"","needs_restart":"tls.certificate_file"#), "{log}");
    assert!(!certificate.is_served(&served).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_changes_at_sighup() {
    let folder = TempDir::new().unwrap();
    let served = configured(&folder, "log = 'info'");
    let calls = |log: &str| log.matches("\"message\":\"call\"").count();
    served.call(&TokenRequest::stripe("sk_test_reload")).await.unwrap();
    assert_eq!(calls(&served.log()), 1);
    fs::write(folder.path().join("daypass.toml"), "log = 'info,daypass::call=off'").unwrap();
    served.log();
    served.call(&TokenRequest::stripe("sk_test_reload")).await.unwrap();
    assert_eq!(calls(&served.log()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_served_without_a_signal() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (Certificate::ending_in(2020), Certificate::ending_in(2091));
    first.write(folder.path());
    let name = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let (certificate, key) = (name("server.pem"), name("server.key"));
    let environment =
        [("DAYPASS_TLS__CERTIFICATE_FILE", certificate.as_str()), ("DAYPASS_TLS__PRIVATE_KEY_FILE", key.as_str())];
    let served = TestServer::start(&[], &environment);
    served.logged("the certificate has expired");
    // A connection keeps the certificate that it began with.
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    second.write(folder.path());
    until("the new certificate is served", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        second.is_served(&served).await
    })
    .await;
    assert!(!first.is_served(&served).await);
    let log = served.log();
    assert!(log.contains("tls.certificate_file (its content), tls.private_key_file (its content)"), "{log}");
    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(metrics.contains("daypass_certificate_expires_at_seconds 3818448000"), "{metrics}");
    let closed = tokio::time::timeout(Duration::from_millis(1), idle.read(&mut [0])).await;
    assert!(closed.is_err(), "the idle connection was closed: {closed:?}");
    // A key that does not go with the certificate changes nothing.
    fs::write(folder.path().join("server.key"), &first.key).unwrap();
    assert!(served.log().contains("configuration read again and refused"));
    assert!(second.is_served(&served).await);
}
