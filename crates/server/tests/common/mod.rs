//! The executable as a process, and clients for its ports. Used by all modules of this program.
#![allow(dead_code, reason = "each test file uses a part")]

mod held_vendor;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use connectrpc::{
    CodecFormat, ConnectError, ErrorCode, Protocol,
    client::{CallOptions, ClientConfig, HttpClient},
};
use protocol::{
    CreateAccessTokenRequest, CreateAccessTokenResponse,
    ucs::v2::{Connector, MerchantAuthenticationServiceClient},
};
use serde_json::{Value, json};

pub(crate) use held_vendor::HeldVendor;

/// A guard against hanging tests. No test asserts a duration with it.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// A client with its connections.
pub(crate) type Client = MerchantAuthenticationServiceClient<HttpClient>;

/// A running `daypass serve`.
pub(crate) struct TestServer {
    pub child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub authority_file: Option<String>,
    /// `host:port` of the embedded sandbox.
    pub sandbox: Option<String>,
    log: Arc<Mutex<Log>>,
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < HANGS, "this does not come to hold: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The standard error of a server so far.
#[derive(Default)]
struct Log {
    text: String,
    ended: bool,
}

impl TestServer {
    /// Starts a server with these arguments and environment, on free ports.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_daypass"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Log::default()));
        // The lines of its start stand between other lines of its log.
        let mut announced = |mark: &str| loop {
            let line = lines.next().expect("a line of the server's").unwrap();
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            if let Some((_, rest)) = entry["message"].as_str().unwrap().split_once(mark) {
                break rest.split([',', ' ']).next().unwrap().replace("/metrics", "");
            }
            log.lock().unwrap().text.push_str(&format!("{line}\n"));
        };
        let address = announced("JSON on ");
        let admin = announced("http://");
        let own_certificate = !environment.iter().any(|(name, _)| name.starts_with("DAYPASS_TLS"));
        let authority_file = own_certificate.then(|| announced("this run: "));
        let sandbox = arguments.contains(&"--sandbox").then(|| announced("sandbox at http://"));
        let sink = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.text.push_str(&line);
                log.text.push('\n');
            }
            sink.lock().unwrap().ended = true;
        });
        let (address, admin) = (address.parse().unwrap(), admin.parse().unwrap());
        Self { child, address, admin, authority_file, sandbox, log }
    }

    /// A server that the test has started at these addresses. Its standard error is not read.
    pub(crate) fn unread(child: Child, address: SocketAddr, admin: SocketAddr) -> Self {
        Self { child, address, admin, authority_file: None, sandbox: None, log: Arc::default() }
    }

    pub(crate) fn sandboxed() -> Self {
        Self::start(&["--sandbox"], &[])
    }

    /// Its log until now. SIGHUP makes the server read its configuration again and log a line, which
    /// comes after the lines in its queue.
    pub(crate) fn log(&self) -> String {
        let marks = |text: &str| text.matches("configuration read again").count();
        let before = marks(&self.log_so_far());
        Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        self.wait_for_log(|log| log.ended || marks(&log.text) > before)
    }

    /// Its whole log, after its end.
    pub(crate) fn whole_log(&self) -> String {
        self.wait_for_log(|log| log.ended)
    }

    /// The part of its log that has arrived.
    pub(crate) fn log_so_far(&self) -> String {
        self.log.lock().unwrap().text.clone()
    }

    fn wait_for_log(&self, done: impl Fn(&Log) -> bool) -> String {
        let began = Instant::now();
        while !done(&self.log.lock().unwrap()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", self.log_so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.log_so_far()
    }

    /// Waits until its log contains a text.
    pub(crate) fn logged(&self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            assert!(began.elapsed() < HANGS, "{text:?} is not in {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end and for its whole log.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < HANGS, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.whole_log();
        status
    }

    /// Shuts it down. Its whole log.
    pub(crate) fn stop(&mut self) -> String {
        self.terminate();
        let status = self.wait();
        assert!(status.success(), "{status}");
        self.log()
    }

    /// One call over this protocol.
    pub(crate) async fn call_as(
        &self,
        protocol: Protocol,
        codec: CodecFormat,
        request: &TokenRequest<'_>,
    ) -> Result<CreateAccessTokenResponse, ConnectError> {
        request.send(&self.client_as(protocol, codec)).await
    }

    /// A client for this protocol.
    pub(crate) fn client_as(&self, protocol: Protocol, codec: CodecFormat) -> Client {
        Self::client_at(self.address, protocol, codec)
    }

    /// The same, for a server at this address.
    pub(crate) fn client_at(address: SocketAddr, protocol: Protocol, codec: CodecFormat) -> Client {
        let target = format!("http://{address}").parse().unwrap();
        let config = ClientConfig::new(target).with_protocol(protocol).with_codec_format(codec);
        let http =
            if protocol == Protocol::Grpc { HttpClient::plaintext_http2_only() } else { HttpClient::plaintext() };
        MerchantAuthenticationServiceClient::new(http, config)
    }

    pub(crate) async fn call(&self, request: &TokenRequest<'_>) -> Result<CreateAccessTokenResponse, ConnectError> {
        self.call_as(Protocol::Grpc, CodecFormat::Proto, request).await
    }

    /// The number of calls to the connector for one call, from the response header.
    pub(crate) async fn call_with_attempts(&self, request: &TokenRequest<'_>) -> Option<u32> {
        let (headers, _) = request.respond(&self.client_as(Protocol::Grpc, CodecFormat::Proto)).await.ok()?;
        headers.get("x-attempts")?.to_str().ok()?.parse().ok()
    }

    /// A request and response in HTTP/1.1, as text.
    pub(crate) fn http(&self, address: SocketAddr, request: &str) -> String {
        raw_http(address, request)
    }
}

/// A request and response in HTTP/1.1, as text.
pub(crate) fn raw_http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: Option<String>) -> Option<buffa_types::google::protobuf::StringValue> {
    value.map(|value| buffa_types::google::protobuf::StringValue { value, ..Default::default() })
}

fn after(line: &str, mark: &str) -> String {
    let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark:?} in {line:?}"));
    rest.split([',', ' ']).next().unwrap().to_owned()
}

/// A request. [`TokenRequest::stripe`] and others are valid ones, which tests modify.
#[derive(Clone)]
pub(crate) struct TokenRequest<'a> {
    pub reference: String,
    pub connector: Connector,
    pub header: Option<&'a str>,
    pub credentials: Option<String>,
    pub data: Option<Value>,
    pub metadata: Option<Value>,
    pub test_mode: Option<bool>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub timeout: Duration,
}

impl TokenRequest<'_> {
    /// Sends it with a client.
    pub(crate) async fn send(&self, client: &Client) -> Result<CreateAccessTokenResponse, ConnectError> {
        self.respond(client).await.map(|(_, answer)| answer)
    }

    /// The same, with the headers of the response.
    pub(crate) async fn respond(
        &self,
        client: &Client,
    ) -> Result<(http::HeaderMap, CreateAccessTokenResponse), ConnectError> {
        let mut options = CallOptions::default().with_timeout(self.timeout);
        if let Some(connector) = self.header {
            options = options.with_header("x-connector", connector);
        }
        if let Some(credentials) = &self.credentials {
            options = options.with_header("x-connector-auth", credentials.clone());
        }
        for (name, value) in &self.headers {
            options = options.with_header(*name, *value);
        }
        let request = CreateAccessTokenRequest {
            merchant_access_token_id: self.reference.clone(),
            connector: self.connector.into(),
            connector_feature_data: text(self.data.as_ref().map(ToString::to_string)).into(),
            metadata: text(self.metadata.as_ref().map(ToString::to_string)).into(),
            test_mode: self.test_mode,
            ..Default::default()
        };
        let (headers, answer, _) = client.create_access_token_with_options(request, options).await?.into_owned_parts();
        Ok((headers, answer))
    }

    pub(crate) fn of(connector: Connector, header: &'static str, credentials: Value) -> Self {
        Self {
            reference: "token_001".into(),
            connector,
            header: Some(header),
            credentials: Some(credentials.to_string()),
            data: None,
            metadata: None,
            test_mode: Some(true),
            headers: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn stripe(api_key: &str) -> Self {
        Self::of(Connector::STRIPE, "stripe", json!({"Stripe": {"api_key": api_key}}))
    }

    pub(crate) fn adyen() -> Self {
        Self::of(Connector::ADYEN, "adyen", json!({"Adyen": {"api_key": "AQEtest", "merchant_account": "ShopECOM"}}))
    }

    pub(crate) fn paypal() -> Self {
        Self::of(Connector::PAYPAL, "paypal", json!({"Paypal": {"client_id": "id-1", "client_secret": "secret-1"}}))
            .data(json!({"domains": ["shop.example"]}))
    }

    pub(crate) fn braintree() -> Self {
        Self::of(
            Connector::BRAINTREE,
            "braintree",
            json!({"Braintree": {"public_key": "pub-1", "private_key": "priv-1"}}),
        )
    }

    #[must_use]
    pub(crate) fn data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }
}

/// The error code of a call that must fail.
pub(crate) fn code(result: Result<CreateAccessTokenResponse, ConnectError>) -> ErrorCode {
    match result {
        Ok(answer) => panic!("succeeded: {answer:?}"),
        Err(error) => error.code,
    }
}
