//! Fake payment processors behind one loopback listener, each under a path prefix: `/<connector>`.
//!
//! A fake is a pure function from a request and a [`VendorState`] to an answer, written from the vendor's own documents. It
//! checks what the vendor checks and refuses in the vendor's words. A fake is one file in `processors/` and one line in
//! [`VENDORS`].
//!
//! Any well-formed credentials are good. A word inside a credential makes it fail in the vendor's way:
//!
//! | contains | effect |
//! |---|---|
//! | `decline_401`, `decline_403`, `decline_429`, `decline_500`, `decline_503`, … | the vendor's failure of that status; 429 with `Retry-After: 7` |
//! | `wrong`, `invalid`, `revoked` | as `decline_401` |
//! | `slow` | the answer comes after 60 seconds |
//! | `garbage` | status 200 and a broken body |
//!
//! A whole processor is broken with [`Sandbox::set_fault`] or `POST /_sandbox/fault`
//! `{"connector": "stripe", "fault": "status_503"}`, and mended with `null`; `GET /_sandbox/fault` lists what is broken:
//!
//! | fault | effect |
//! |---|---|
//! | `status_400` to `status_599` | the vendor's failure of that status; 429 with `Retry-After: 7` |
//! | `slow_500ms` | the right answer, so much later |
//! | `garbage`, `empty` | status 200 and a broken body, or none |
//! | `reset` | the connection is reset |
//! | `hang` | no answer for as long as the caller stays |
//! | `redirect` | a redirect to another host |
//!
//! Time is the system's plus what it was moved forward: [`Sandbox::advance`] or `POST /_sandbox/clock`
//! `{"advance_seconds": N}`. A client that sends the vendor an absolute moment must live in the same time.
//! `GET /_sandbox/seen?connector=stripe` tells what was asked: method, path and status, no query, headers or bodies.

mod fault;
mod graphql;
mod signing;
mod state;
#[cfg(test)]
mod testing;
mod vendor;
mod vendor_state;
mod vendors;

pub use fault::{FAULTS, Fault};
pub use vendor::{Answer, ClientCall, ClientToken, FakeVendor, Handled, Pairs, Request, TokenUse, refused};
pub use vendor_state::{Idempotent, Issued, TokenError, VendorState};
pub use vendors::VENDORS;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use state::SandboxState;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

const MAX_BODY_BYTES: usize = 1 << 20;
/// How long an answer of a `slow` credential takes.
const SLOW: Duration = Duration::from_secs(60);
/// How long a shutdown waits for answers under way.
const GRACE: Duration = Duration::from_secs(2);

/// The fake of a connector, by its lower-case name.
pub fn fake_vendor(name: &str) -> Option<&'static FakeVendor> {
    VENDORS.iter().copied().find(|processor| processor.name == name)
}

/// A running sandbox. Dropping it stops it, too.
pub struct Sandbox {
    addr: SocketAddr,
    state: Arc<SandboxState>,
    stop: oneshot::Sender<()>,
    listening: JoinHandle<()>,
}

impl Sandbox {
    /// Listens on a loopback address; port 0 takes a free one.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        Self::on(TcpListener::bind(loopback(addr)?).await?)
    }

    /// Answers on a listener that is bound to a loopback address.
    pub fn on(listener: TcpListener) -> io::Result<Self> {
        let addr = loopback(listener.local_addr()?)?;
        let state = Arc::new(SandboxState::default());
        let (stop, stopped) = oneshot::channel();
        let listening = tokio::spawn(listen(listener, state.clone(), stopped));
        Ok(Self { addr, state, stop, listening })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What stands in for the vendor's scheme and host.
    pub fn base_url(&self, connector: &str) -> String {
        format!("http://{}/{connector}", self.addr)
    }

    /// Moves the sandbox's time forward.
    pub fn advance(&self, seconds: u32) {
        self.state.advance(seconds);
    }

    /// The sandbox's time, Unix seconds.
    pub fn now(&self) -> i64 {
        self.state.now()
    }

    /// Breaks a connector's fake, or mends it.
    ///
    /// # Errors
    /// Where there is no fake of that name.
    pub fn set_fault(&self, connector: &str, fault: Option<Fault>) -> Result<(), String> {
        self.state.set_fault(connector, fault)
    }

    /// How many requests a connector's fake has answered.
    pub fn answered(&self, connector: &str) -> u64 {
        self.state.answered(connector)
    }

    /// Stops listening, lets answers under way finish for two seconds, then closes.
    pub async fn shutdown(self) {
        drop(self.stop);
        // The listening task ends by itself; that it was cancelled with its runtime is an end, too.
        let _ended = self.listening.await;
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
                // Out of file handles, most likely: wait for some to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let _in_time = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn serve(stream: TcpStream, state: Arc<SandboxState>, watcher: hyper_util::server::graceful::Watcher) {
    let Ok((stream, line)) = in_two_hands(stream) else { return };
    let service = service_fn(|request| answer(state.clone(), request, &line));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A client that went away is no concern of the fakes.
    let _closed = watcher.watch(connection).await;
}

/// The connection, and another handle on it by which it can be reset.
fn in_two_hands(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let line = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, line))
}

/// Ends a connection with a reset instead of an orderly close, as soon as both hands let go.
fn reset(line: &std::net::TcpStream) -> io::Error {
    let zero_linger = line.try_clone().and_then(TcpStream::from_std).and_then(|line| line.set_zero_linger());
    zero_linger.err().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}

async fn answer(
    state: Arc<SandboxState>,
    request: hyper::Request<Incoming>,
    line: &std::net::TcpStream,
) -> Result<hyper::Response<Full<bytes::Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let answer = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Err(_) => Answer::text(413, "the body is over 1 MiB or was cut off"),
        Ok(body) => {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let headers = head.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let request = Request::new(head.method.as_str(), target, headers.collect(), body.to_bytes());
            match state.fault(&request.connector) {
                Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
                Some(Fault::Reset) => {
                    state.unanswered(&request, 0);
                    return Err(reset(line));
                }
                Some(Fault::Hang) => {
                    state.unanswered(&request, 0);
                    return std::future::pending().await;
                }
                _ => {}
            }
            if state.is_slow(&request) {
                tokio::time::sleep(SLOW).await;
            }
            state.answer(&request)
        }
    };
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(Full::from(answer.body));
    Ok(response.unwrap_or_else(|_| hyper::Response::new(Full::from("the fake made a header that HTTP cannot carry"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn started() -> Sandbox {
        Sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    /// One exchange over a real socket.
    async fn ask(sandbox: &Sandbox, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        let length = body.len();
        let sent = format!(
            "{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    const PAIR: &str = "authorization: Basic YTpi\r\ncontent-type: application/x-www-form-urlencoded\r\n";

    #[tokio::test]
    async fn time_moves_forward_and_tokens_die() {
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
    async fn a_slow_answer_is_no_hindrance() {
        let sandbox = started().await;
        let slow = "authorization: Bearer sk_test_slow\r\n";
        let waiting = ask(&sandbox, "GET /stripe/v1/customers/a", slow, "");
        assert!(tokio::time::timeout(Duration::from_millis(200), waiting).await.is_err());
        assert_eq!(ask(&sandbox, "GET /nobody/v1", "", "").await.0, 404);
        assert_eq!(sandbox.answered("stripe"), 0, "it went away with its client");
        let mut waiting = TcpStream::connect(sandbox.addr()).await.unwrap();
        waiting.write_all(format!("GET /stripe/v1/x HTTP/1.1\r\nhost: a\r\n{slow}\r\n").as_bytes()).await.unwrap();
        tokio::time::timeout(SLOW / 2, sandbox.shutdown()).await.expect("a shutdown does not wait for it");
    }

    #[tokio::test]
    async fn a_processor_is_broken_and_mended_while_it_runs() {
        let sandbox = started().await;
        let customer = "GET /stripe/v1/customers/a";
        let key = "authorization: Bearer sk_test_1\r\n";
        let dial = async |connector: &str, fault: Value| {
            let body = json!({"connector": connector, "fault": fault}).to_string();
            ask(&sandbox, "POST /_sandbox/fault", "", &body).await
        };
        let whole = ask(&sandbox, customer, key, "").await;
        for (fault, status) in [("status_503", 503), ("status_429", 429), ("garbage", 200), ("redirect", 302)] {
            assert_eq!(dial("stripe", json!(fault)).await, (200, json!({"faults": {"stripe": fault}})));
            assert_eq!(ask(&sandbox, customer, key, "").await.0, status, "{fault}");
            assert_ne!(ask(&sandbox, "GET /paypal/v1/x", "", "").await.0, status, "{fault}: the others are well");
        }
        dial("stripe", json!("empty")).await;
        assert_eq!(ask(&sandbox, customer, key, "").await, (200, Value::Null));
        dial("stripe", json!("slow_200ms")).await;
        let began = std::time::Instant::now();
        assert_eq!(ask(&sandbox, customer, key, "").await.0, whole.0);
        assert!(began.elapsed() >= Duration::from_millis(200));
        dial("stripe", json!("hang")).await;
        let hanging = ask(&sandbox, customer, key, "");
        assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
        dial("stripe", json!("reset")).await;
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        stream.write_all(format!("{customer} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let ended = stream.read(&mut [0]).await.map_err(|error| error.kind());
        assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
        assert_eq!(dial("stripe", Value::Null).await, (200, json!({"faults": {}})));
        assert_eq!(ask(&sandbox, customer, key, "").await, whole);
        for (connector, fault) in [("nobody", json!("hang")), ("stripe", json!("broken")), ("stripe", json!(1))] {
            assert_eq!(dial(connector, fault).await.0, 400);
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
    async fn a_body_has_a_bound() {
        let sandbox = started().await;
        let body = "x".repeat(MAX_BODY_BYTES + 1);
        let mut stream = TcpStream::connect(sandbox.addr()).await.unwrap();
        let head = format!("POST /stripe/v1/customers HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may close before it has read all of it.
        let _sent = stream.write_all(body.as_bytes()).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 413");
    }
}
