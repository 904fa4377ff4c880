//! One port: plaintext or TLS by the first byte, HTTP/1.1 or HTTP/2 by what follows, limits on all of it.

use std::{
    convert::Infallible,
    future::Future,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use connectrpc::{ConnectRpcBody, ConnectRpcService};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::{Service, service_fn};

use crate::{callers::VerifiedPeer, rpc::REQUEST_ID};

/// Time for the first byte, and for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the first byte on connections that are there when the service closes.
const LAST_MOMENT: Duration = Duration::from_millis(200);
/// After this long without a call, answers that have no end are cut off when the service closes.
const STREAMS_END: Duration = Duration::from_secs(1);
/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request to be read, on top of the time for its answer.
const READING_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection without a request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests that a peer may take back before they were looked at; more end the connection (the rapid reset attack).
const MAX_RESETS: usize = 20;
/// Most bytes of headers: 64 KiB of credentials, and room to say kindly that there were more.
const MAX_HEADER_BYTES: u32 = 128 * 1024;
/// Most calls at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
const GRPC_DEADLINE_EXCEEDED: &str = "4";
const GRPC_INTERNAL: &str = "13";
/// First byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The RPC port.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// TLS, for connections that begin with it.
    pub tls: TlsAcceptor,
    /// Whether the others are served too.
    pub plaintext: bool,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Longest that an answer may take, from the moment when its request was read.
    pub max_deadline: Duration,
    /// What answers.
    pub service: ConnectRpcService,
}

impl Listener {
    /// Serves until `shutdown`, then lets calls in flight finish, for `grace` at most.
    pub async fn serve(self, shutdown: impl Future<Output = ()>, grace: Duration) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let (close, closing) = watch::channel(false);
        let doorman = Arc::new(Doorman {
            tls: self.tls,
            plaintext: self.plaintext,
            request_timeout: self.max_deadline + READING_TIMEOUT,
            service: self.service,
        });
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, self.socket.accept().await)
            };
            let (place, stream) = tokio::select! {
                () = &mut shutdown => break,
                (place, accepted) = next => match accepted {
                    Ok((stream, _)) => (place, stream),
                    // Out of file descriptors, or the peer is gone already: neither is a reason to spin or to stop.
                    Err(_) => { tokio::time::sleep(Duration::from_millis(20)).await; continue; }
                },
            };
            doorman.clone().admit(stream, place, closing.clone());
        }
        refuse_newcomers(&self.socket);
        // Who was let in by the system before we stopped has been accepted, too. Asked of the system itself: what the runtime
        // knows of the socket may be older.
        if let Ok(socket) = self.socket.into_std() {
            while let Ok((stream, _)) = socket.accept()
                && let Ok(place) = places.clone().try_acquire_owned()
                && stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                doorman.clone().admit(stream, Ok(place), closing.clone());
            }
        }
        close.send_replace(true);
        let everybody = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        if timeout(grace, places.acquire_many(everybody)).await.is_err() {
            tracing::warn!("calls were still in flight at the end of the grace time");
        }
    }
}

/// Lets the system drop who comes to this socket from now on: nobody gets into its queue between our last look and its end, to be
/// reset there. They come again in a second, and find it closed.
fn refuse_newcomers(socket: &TcpListener) {
    #[cfg(target_os = "linux")]
    {
        // `BPF_RET | BPF_K`, with 0 bytes to keep (socket(7), SO_ATTACH_FILTER). Those in the queue have no such filter.
        const DROP: socket2::SockFilter = socket2::SockFilter::new(0x06, 0, 0, 0);
        let _ = socket2::SockRef::from(socket).attach_filter(&[DROP]);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// What every connection is received with.
struct Doorman {
    tls: TlsAcceptor,
    plaintext: bool,
    request_timeout: Duration,
    service: ConnectRpcService,
}

impl Doorman {
    fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        place: Result<OwnedSemaphorePermit, AcquireError>,
        closing: watch::Receiver<bool>,
    ) {
        tokio::spawn(async move {
            self.receive(stream, closing).await;
            drop(place);
        });
    }

    async fn receive(&self, stream: TcpStream, mut closing: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        let first_byte = tokio::select! {
            biased;
            peeked = timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)) => peeked,
            // Nothing was asked yet, nor will be in a moment: there is nothing to finish.
            () = async {
                let _ = closing.wait_for(|closing| *closing).await;
                tokio::time::sleep(LAST_MOMENT).await;
            } => return,
        };
        match first_byte {
            Ok(Ok(1)) if first == [TLS_HANDSHAKE] => {
                if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, self.tls.accept(stream)).await {
                    let verified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
                    self.http(stream, verified, closing).await;
                }
            }
            Ok(Ok(1)) if self.plaintext => self.http(stream, false, closing).await,
            _ => {}
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        verified: bool,
        mut closing: watch::Receiver<bool>,
    ) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        let requests = Arc::new(Requests::default());
        let (service, counted, limit) = (self.service.clone(), requests.clone(), self.request_timeout);
        let service = TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
            if verified {
                request.extensions_mut().insert(VerifiedPeer);
            }
            let (under_way, answer) = (counted.begin(), answer(request, service.clone(), limit));
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        }));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let (mut idle, mut closed) = (false, false);
        loop {
            let last_moment = tokio::select! {
                // First of all what has arrived: closing must not overtake it.
                biased;
                // Errors here are the peer's: it left, or sent what is not HTTP.
                _ = connection.as_mut() => return,
                _ = closing.wait_for(|closing| *closing), if !closed => {
                    closed = true;
                    // Who was let in and has not asked for anything yet is about to.
                    !requests.any_yet()
                }
                () = tokio::time::sleep(if closed { LAST_MOMENT } else { IDLE_TIMEOUT / 4 }) => {
                    let quiet = requests.quiet_for();
                    // What is left are answers without an end, as a watch of the health: they have been told.
                    if closed && quiet.is_some_and(|quiet| quiet >= STREAMS_END) {
                        return;
                    }
                    idle = quiet.is_some_and(|quiet| quiet >= IDLE_TIMEOUT);
                    false
                }
            };
            if idle || closed && !last_moment {
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The requests of a connection.
struct Requests(Mutex<Counts>);

struct Counts {
    under_way: usize,
    any_yet: bool,
    /// When the last of them ended.
    quiet_since: Instant,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Mutex::new(Counts { under_way: 0, any_yet: false, quiet_since: Instant::now() }))
    }
}

impl Requests {
    fn begin(self: &Arc<Self>) -> UnderWay {
        let mut counts = self.lock();
        counts.under_way += 1;
        counts.any_yet = true;
        drop(counts);
        UnderWay(self.clone())
    }

    /// Whether there was one since the connection was made.
    fn any_yet(&self) -> bool {
        self.lock().any_yet
    }

    /// For how long there was none; nothing where there is one.
    fn quiet_for(&self) -> Option<Duration> {
        let counts = self.lock();
        (counts.under_way == 0).then(|| counts.quiet_since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them. It also ends where the peer takes the request back.
struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.under_way = counts.under_way.saturating_sub(1);
        counts.quiet_since = Instant::now();
    }
}

/// One request: with an id, and without a way for a defect to take the connection down.
async fn answer(
    mut request: Request<Incoming>,
    mut service: ConnectRpcService,
    limit: Duration,
) -> Result<Response<ConnectRpcBody>, Infallible> {
    let grpc = is_grpc(&request);
    let given = request.headers().get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
    let id = given.unwrap_or_else(new_request_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let answered = timeout(limit, AssertUnwindSafe(service.call(request)).catch_unwind()).await;
    let mut response = match answered {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => {
            tracing::error!(request_id = id.to_str().unwrap_or_default(), "a defect stopped this call");
            empty(StatusCode::INTERNAL_SERVER_ERROR, grpc.then_some(GRPC_INTERNAL))
        }
        // The request itself did not arrive in time.
        Err(_) => empty(StatusCode::REQUEST_TIMEOUT, grpc.then_some(GRPC_DEADLINE_EXCEEDED)),
    };
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

/// An answer without a message: an HTTP status or, to a gRPC client, a gRPC status in the headers.
fn empty(status: StatusCode, grpc_status: Option<&'static str>) -> Response<ConnectRpcBody> {
    let mut response = Response::new(ConnectRpcBody::Full(http_body_util::Full::default()));
    match grpc_status {
        None => *response.status_mut() = status,
        Some(code) => {
            response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
        }
    }
    response
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web")
    })
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_graphic())
}

fn new_request_id() -> HeaderValue {
    let mut bytes = [0; 32];
    if getrandom::fill(&mut bytes).is_err() {
        return HeaderValue::from_static("unnamed");
    }
    HeaderValue::from_str(&connectors::Nonce(bytes).uuid()).unwrap_or(HeaderValue::from_static("unnamed"))
}

/// Binds a socket.
///
/// # Errors
/// With the address, and what to do where the port is taken.
pub async fn bind(address: std::net::SocketAddr, setting: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!("{address} is in use; choose another with {setting}"),
        _ => format!("{address}: {error}"),
    })
}
