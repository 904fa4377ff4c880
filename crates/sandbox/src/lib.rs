//! Fake payment processors behind one loopback listener, each under a path prefix: `/<connector>`.
//!
//! A fake is a pure function from a request and a [`Desk`] to an answer, written from the vendor's own documents. It
//! checks what the vendor checks and refuses in the vendor's words. A fake is one file in `processors/` and one line in
//! [`PROCESSORS`].
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
//! Time is the system's plus what it was moved forward: [`Sandbox::advance`] or `POST /_sandbox/clock`
//! `{"advance_seconds": N}`. A client that sends the vendor an absolute moment must live in the same time.
//! `GET /_sandbox/seen?connector=stripe` tells what was asked: method, path and status, no query, headers or bodies.

mod desk;
mod graphql;
mod house;
mod processor;
mod processors;

pub use desk::{Dead, Desk, Issued, Once};
pub use processor::{Answer, ClientCall, ClientStory, Pairs, Pass, Processor, Request, refused};
pub use processors::PROCESSORS;

use house::House;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
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
pub fn processor(name: &str) -> Option<&'static Processor> {
    PROCESSORS.iter().find(|processor| processor.name == name)
}

/// A running sandbox. Dropping it stops it, too.
pub struct Sandbox {
    addr: SocketAddr,
    house: Arc<House>,
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
        let house = Arc::new(House::default());
        let (stop, stopped) = oneshot::channel();
        let listening = tokio::spawn(listen(listener, house.clone(), stopped));
        Ok(Self { addr, house, stop, listening })
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
        self.house.advance(seconds);
    }

    /// The sandbox's time, Unix seconds.
    pub fn now(&self) -> i64 {
        self.house.now()
    }

    /// How many requests a connector's fake has answered.
    pub fn answered(&self, connector: &str) -> u64 {
        self.house.answered(connector)
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

async fn listen(listener: TcpListener, house: Arc<House>, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, house.clone(), graceful.watcher())); }
                // Out of file handles, most likely: wait for some to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let _in_time = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn serve(stream: TcpStream, house: Arc<House>, watcher: hyper_util::server::graceful::Watcher) {
    let service = service_fn(move |request| answer(house.clone(), request));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A client that went away is no concern of the fakes.
    let _closed = watcher.watch(connection).await;
}

async fn answer(
    house: Arc<House>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<bytes::Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let answer = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Err(_) => Answer::text(413, "the body is over 1 MiB or was cut off"),
        Ok(body) => {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let headers = head.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let request = Request::new(head.method.as_str(), target, headers.collect(), body.to_bytes());
            if house.is_slow(&request) {
                tokio::time::sleep(SLOW).await;
            }
            house.answer(&request)
        }
    };
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(Full::from(answer.body));
    Ok(response.unwrap_or_else(|_| hyper::Response::new(Full::from("the fake made a header that HTTP cannot carry"))))
}
