//! The listener: reads requests from loopback connections and writes the answers of the fakes.
//!
//! It applies the faults and pauses that need a socket or a clock; [`SandboxState`] does the rest.
//! The file is over 400 lines because its tests over real sockets are in it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use crate::{
    fault::{Fault, FaultError},
    http::{Answer, Request},
    state::SandboxState,
    test_cards,
};

const MAX_BODY_BYTES: usize = 1 << 20;
/// The delay of an answer to a `slow` credential: longer than any caller waits.
const SLOW: Duration = Duration::from_secs(60);
/// The time that a shutdown gives to the answers in progress.
const GRACE: Duration = Duration::from_secs(2);
/// The pause after a failed accept, most likely for lack of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running sandbox. It stops when it is dropped.
pub struct Sandbox {
    addr: SocketAddr,
    state: Arc<SandboxState>,
    stop: oneshot::Sender<()>,
    listening: JoinHandle<()>,
}

/// The base URL of a connector at a sandbox with this address.
pub fn base_url(sandbox: SocketAddr, connector: &str) -> String {
    format!("http://{sandbox}/{connector}")
}

impl Sandbox {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is not a loopback address, or if the port cannot be bound.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        Self::on(TcpListener::bind(loopback(addr)?).await?)
    }

    /// Answers on a listener that is bound to a loopback address.
    ///
    /// # Errors
    /// If the listener is not bound to a loopback address.
    pub fn on(listener: TcpListener) -> io::Result<Self> {
        let addr = loopback(listener.local_addr()?)?;
        let state = Arc::new(SandboxState::default());
        let (stop, stopped) = oneshot::channel();
        let listening = tokio::spawn(listen(listener, state.clone(), stopped));
        Ok(Self { addr, state, stop, listening })
    }

    /// The address of the listener.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL of a connector: it takes the place of the vendor's scheme and host.
    pub fn base_url(&self, connector: &str) -> String {
        base_url(self.addr, connector)
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&self, seconds: u32) {
        self.state.advance(seconds);
    }

    /// The sandbox's clock, for a part of the process that outlives this borrow.
    pub fn clock(&self) -> SandboxClock {
        SandboxClock { state: self.state.clone() }
    }

    /// The sandbox's time, Unix seconds.
    pub fn now(&self) -> i64 {
        self.state.now()
    }

    /// Sets the fault of a connector's fake; `None` removes it.
    ///
    /// # Errors
    /// [`FaultError::UnknownConnector`] if there is no fake of that name.
    pub fn set_fault(&self, connector: &str, fault: Option<Fault>) -> Result<(), FaultError> {
        self.state.set_fault(connector, fault)
    }

    /// The number of requests that a connector's fake has received.
    pub fn answered(&self, connector: &str) -> u64 {
        self.state.answered(connector)
    }

    /// Stops listening, gives the answers in progress two seconds, then closes all connections.
    pub async fn shutdown(self) {
        drop(self.stop);
        // An error means that the task was cancelled with its runtime: it has ended as well.
        let _ended = self.listening.await;
    }
}

/// The clock of a running sandbox.
#[derive(Clone)]
pub struct SandboxClock {
    state: Arc<SandboxState>,
}

impl SandboxClock {
    /// Sets how far the sandbox's clock is ahead of the system's clock, in seconds. Zero brings it
    /// back to the present.
    pub fn set_ahead(&self, seconds: u32) {
        self.state.set_ahead(seconds);
    }
}

fn loopback(addr: SocketAddr) -> io::Result<SocketAddr> {
    if addr.ip().is_loopback() {
        return Ok(addr);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the sandbox listens on loopback only, not on {addr}")))
}

async fn listen(listener: TcpListener, state: Arc<SandboxState>, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, state.clone(), graceful.watcher())); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let _in_time = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn serve(stream: TcpStream, state: Arc<SandboxState>, watcher: Watcher) {
    let Ok((stream, reset_handle)) = with_reset_handle(stream) else { return };
    let service = service_fn(|request| respond(state.clone(), request, &reset_handle));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // An error means that the client closed the connection: the fakes need not know.
    let _closed = watcher.watch(connection).await;
}

/// The connection, and a second handle to its socket for [`reset`].
fn with_reset_handle(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let handle = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, handle))
}

/// Makes the socket close with a reset (RST) as soon as all its handles are dropped.
fn reset(handle: &std::net::TcpStream) -> io::Error {
    let zero_linger = handle.try_clone().and_then(TcpStream::from_std).and_then(|it| it.set_zero_linger());
    zero_linger.err().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}

async fn respond(
    state: Arc<SandboxState>,
    request: hyper::Request<Incoming>,
    reset_handle: &std::net::TcpStream,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    // Pages and vendors' browser SDKs call the fakes; the sandbox's own controls are not for pages.
    let from_page = head.headers.contains_key(header::ORIGIN) && !head.uri.path().starts_with("/_sandbox");
    if head.uri.path().starts_with("/_sandbox") && !is_for_controls(&head) {
        let answer = hyper::Response::builder().status(403);
        return Ok(answer.body(Full::from("the controls are for programs of this machine\n")).unwrap_or_default());
    }
    if from_page && head.method == Method::OPTIONS {
        return Ok(preflight(&head));
    }
    let answer = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Err(_) => Answer::text(413, "the body is over 1 MiB or was cut off"),
        Ok(body) => match read(&head, body.to_bytes()) {
            request if from_page && test_cards::has_other_card(&request) => {
                Answer::json(400, &serde_json::json!({"error": "the sandbox takes test card numbers only"}))
            }
            request => answer(&state, &request, reset_handle).await?,
        },
    };
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    if from_page {
        response = response.header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    let response = response.body(Full::from(answer.body));
    Ok(response.unwrap_or_else(|_| hyper::Response::new(Full::from("the fake made a header that HTTP cannot carry"))))
}

/// Whether a request to the controls comes from a program of this machine: not from a page, and not
/// by a name that a page may have (DNS rebinding).
fn is_for_controls(head: &Parts) -> bool {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let is_local = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok();
    is_local && !head.headers.contains_key(header::ORIGIN) && !head.headers.contains_key("sec-fetch-site")
}

/// The answer to a browser that asks before a call from a page (the CORS protocol of the Fetch
/// standard): any method, and the headers that it names.
fn preflight(head: &Parts) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::default());
    *response.status_mut() = hyper::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
    if let Some(asked) = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

fn read(head: &Parts, body: Bytes) -> Request {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    Request::new(head.method.as_str(), target, headers.collect(), body)
}

/// The answer of the fake, after the pauses and faults of the connection.
async fn answer(state: &SandboxState, request: &Request, reset_handle: &std::net::TcpStream) -> io::Result<Answer> {
    match state.fault(&request.connector) {
        Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
        Some(Fault::Reset) => {
            state.record_without_answer(request);
            return Err(reset(reset_handle));
        }
        Some(Fault::Hang) => {
            state.record_without_answer(request);
            return std::future::pending().await;
        }
        _ => {}
    }
    if state.is_slow(request) {
        tokio::time::sleep(SLOW).await;
    }
    Ok(state.answer(request))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn started() -> Sandbox {
        Sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    /// One request and its answer over a real socket.
    async fn ask(sandbox: &Sandbox, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let answer = ask_raw(sandbox, line, headers, body).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    async fn ask_raw(sandbox: &Sandbox, line: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        let length = body.len();
        let sent = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pages_reach_the_fakes_and_not_the_controls() {
        let sandbox = started().await;
        let asked = "origin: https://shop.example\r\naccess-control-request-headers: authorization\r\n";
        let fake = ask_raw(&sandbox, "OPTIONS /stripe/v1/tokens", asked, "").await;
        assert!(fake.starts_with("HTTP/1.1 204") && fake.contains("allow-headers: authorization"), "{fake}");
        let real = "content-type: application/json\r\norigin: https://shop.example\r\n";
        let card = "{\"number\": \"4539148803436467\"}";
        let refused = ask(&sandbox, "POST /stripe/v1/tokens", real, card).await;
        assert_eq!(refused, (400, json!({"error": "the sandbox takes test card numbers only"})));
        let call = ask_raw(&sandbox, "GET /stripe/v1/tokens", "origin: https://shop.example\r\n", "").await;
        assert!(call.contains("access-control-allow-origin: *"), "{call}");
        for line in ["OPTIONS /_sandbox/fault", "GET /_sandbox/clock"] {
            let control = ask_raw(&sandbox, line, asked, "").await;
            assert!(!control.contains("access-control-allow"), "{control}");
        }
        sandbox.shutdown().await;
    }

    const PAIR: &str = "authorization: Basic YTpi\r\ncontent-type: application/x-www-form-urlencoded\r\n";

    #[tokio::test]
    async fn tokens_expire_when_the_clock_moves_forward() {
        let sandbox = started().await;
        let before = sandbox.now();
        let (status, token) = ask(
            &sandbox,
            "POST /paypal/v1/oauth2/token",
            PAIR,
            "grant_type=client_credentials&response_type=client_token",
        )
        .await;
        assert_eq!(status, 200, "{token}");
        let bearer = format!("authorization: Bearer {}\r\n", token["access_token"].as_str().unwrap());
        let eligible = "POST /paypal/v2/payments/find-eligible-methods?secret=1";
        assert_eq!(ask(&sandbox, eligible, &bearer, "{}").await.0, 200);
        sandbox.advance(600);
        let (status, clock) = ask(&sandbox, "POST /_sandbox/clock", "", "{\"advance_seconds\": 300}").await;
        assert_eq!((status, &clock["advanced_seconds"]), (200, &json!(900)));
        assert!(sandbox.now() >= before + 900);
        assert_eq!(ask(&sandbox, eligible, &bearer, "{}").await.0, 401);
        assert_eq!(ask(&sandbox, "POST /_sandbox/clock", "", "{\"advance_seconds\": -1}").await.0, 400);
        assert_eq!(ask(&sandbox, "GET /_sandbox/clock", "", "").await.1["advanced_seconds"], 900);
        assert_eq!(ask(&sandbox, "GET /stripe/v1/customers/a", "", "").await.0, 401);
        let (_, seen) = ask(&sandbox, "GET /_sandbox/seen?connector=paypal", "", "").await;
        let path = "/v2/payments/find-eligible-methods";
        let line = |status| json!({"connector": "paypal", "method": "POST", "path": path, "status": status});
        assert_eq!(
            (&seen["requests"][1], &seen["requests"][2], &seen["requests"][3]),
            (&line(200), &line(401), &Value::Null)
        );
        assert_eq!((seen["answered"]["stripe"].as_u64(), sandbox.answered("paypal")), (Some(1), 3));
        sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn a_slow_answer_delays_no_other_call_and_no_shutdown() {
        let sandbox = started().await;
        let slow = "authorization: Bearer sk_test_slow\r\n";
        let waiting = ask(&sandbox, "GET /stripe/v1/customers/a", slow, "");
        assert!(tokio::time::timeout(Duration::from_millis(200), waiting).await.is_err());
        assert_eq!(ask(&sandbox, "GET /nobody/v1", "", "").await.0, 404);
        assert_eq!(sandbox.answered("stripe"), 0, "the call ended with its client");
        let mut waiting = TcpStream::connect(sandbox.addr()).await.unwrap();
        waiting
            .write_all(format!("GET /stripe/v1/x HTTP/1.1\r\nhost: localhost\r\n{slow}\r\n").as_bytes())
            .await
            .unwrap();
        tokio::time::timeout(SLOW / 2, sandbox.shutdown()).await.expect("a shutdown does not wait for it");
    }

    #[tokio::test]
    async fn a_fault_is_set_and_removed_at_run_time() {
        let sandbox = started().await;
        let customer = "GET /stripe/v1/customers/a";
        let key = "authorization: Bearer sk_test_1\r\n";
        let set_fault = async |connector: &str, fault: Value| {
            let body = json!({"connector": connector, "fault": fault}).to_string();
            ask(&sandbox, "POST /_sandbox/fault", "", &body).await
        };
        let healthy = ask(&sandbox, customer, key, "").await;
        for (fault, status) in [("status_503", 503), ("status_429", 429), ("garbage", 200), ("redirect", 302)] {
            assert_eq!(set_fault("stripe", json!(fault)).await, (200, json!({"faults": {"stripe": fault}})));
            assert_eq!(ask(&sandbox, customer, key, "").await.0, status, "{fault}");
            assert_ne!(
                ask(&sandbox, "GET /paypal/v1/x", "", "").await.0,
                status,
                "{fault}: no other vendor has the fault"
            );
        }
        set_fault("stripe", json!("empty")).await;
        assert_eq!(ask(&sandbox, customer, key, "").await, (200, Value::Null));
        set_fault("stripe", json!("slow_200ms")).await;
        let began = std::time::Instant::now();
        assert_eq!(ask(&sandbox, customer, key, "").await.0, healthy.0);
        assert!(began.elapsed() >= Duration::from_millis(200));
        set_fault("stripe", json!("hang")).await;
        let hanging = ask(&sandbox, customer, key, "");
        assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
        set_fault("stripe", json!("reset")).await;
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        stream.write_all(format!("{customer} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let ended = stream.read(&mut [0]).await.map_err(|error| error.kind());
        assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
        assert_eq!(set_fault("stripe", Value::Null).await, (200, json!({"faults": {}})));
        assert_eq!(ask(&sandbox, customer, key, "").await, healthy);
        for (connector, fault) in [("nobody", json!("hang")), ("stripe", json!("broken")), ("stripe", json!(1))] {
            assert_eq!(set_fault(connector, fault).await.0, 400);
        }
    }

    #[tokio::test]
    async fn listens_on_loopback_only() {
        let refused = Sandbox::start("0.0.0.0:0".parse().unwrap()).await;
        assert_eq!(refused.err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
        let sandbox = started().await;
        assert_eq!(sandbox.base_url("stripe"), format!("http://{}/stripe", sandbox.addr()));
        let addr = sandbox.addr();
        sandbox.shutdown().await;
        assert!(TcpStream::connect(addr).await.is_err());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let sandbox = started().await;
        let body = "x".repeat(MAX_BODY_BYTES + 1);
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        let head =
            format!("POST /stripe/v1/customers HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may close before it has read all of it.
        let _sent = stream.write_all(body.as_bytes()).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 413");
    }
}
