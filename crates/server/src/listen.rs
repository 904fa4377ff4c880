//! One port: plaintext or TLS by the first byte, HTTP/1.1 or HTTP/2 by what follows, limits on all of it.

use std::{convert::Infallible, future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

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
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::{Service, service_fn};

use crate::{callers::VerifiedPeer, rpc::REQUEST_ID};

/// Time for the first byte, and for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request to be read and answered, where the answer is one message.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);
/// A connection without a request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests that a peer may take back before they were looked at; more end the connection (the rapid reset attack).
const MAX_RESETS: usize = 20;
/// Most bytes of headers: 64 KiB of credentials, and room to say kindly that there were more.
const MAX_HEADER_BYTES: u32 = 128 * 1024;
/// Most calls at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
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
    /// What answers.
    pub service: ConnectRpcService,
}

impl Listener {
    /// Serves until `shutdown`, then lets calls in flight finish, for `grace` at most.
    pub async fn serve(self, shutdown: impl Future<Output = ()>, grace: Duration) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let (close, closing) = watch::channel(false);
        let doorman = Arc::new(Doorman { tls: self.tls, plaintext: self.plaintext, service: self.service });
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
            let (doorman, closing) = (doorman.clone(), closing.clone());
            tokio::spawn(async move {
                doorman.receive(stream, closing).await;
                drop(place);
            });
        }
        drop(self.socket);
        close.send_replace(true);
        let everybody = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        if timeout(grace, places.acquire_many(everybody)).await.is_err() {
            tracing::warn!("calls were still in flight at the end of the grace time");
        }
    }
}

/// What every connection is received with.
struct Doorman {
    tls: TlsAcceptor,
    plaintext: bool,
    service: ConnectRpcService,
}

impl Doorman {
    async fn receive(&self, stream: TcpStream, mut closing: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        let first_byte = tokio::select! {
            peeked = timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)) => peeked,
            // Nothing was asked yet: there is nothing to finish.
            _ = closing.wait_for(|closing| *closing) => return,
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
        let requests = Arc::new(());
        let (service, counted) = (self.service.clone(), requests.clone());
        let service = TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
            if verified {
                request.extensions_mut().insert(VerifiedPeer);
            }
            let (under_way, answer) = (counted.clone(), answer(request, service.clone()));
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        }));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut leaving = false;
        loop {
            tokio::select! {
                // Errors here are the peer's: it left, or sent what is not HTTP.
                _ = connection.as_mut() => return,
                _ = closing.wait_for(|closing| *closing), if !leaving => leaving = true,
                // Two owners: this function and the service, so no request is under way.
                () = tokio::time::sleep(IDLE_TIMEOUT), if !leaving => leaving = Arc::strong_count(&requests) <= 2,
            }
            if leaving {
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// One request: with an id, and without a way for a defect to take the connection down.
async fn answer(
    mut request: Request<Incoming>,
    mut service: ConnectRpcService,
) -> Result<Response<ConnectRpcBody>, Infallible> {
    let given = request.headers().get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
    let id = given.unwrap_or_else(new_request_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let answered = timeout(REQUEST_TIMEOUT, AssertUnwindSafe(service.call(request)).catch_unwind()).await;
    let mut response = match answered {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => {
            tracing::error!(request_id = id.to_str().unwrap_or_default(), "a defect stopped this call");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
        // The request itself did not arrive in time.
        Err(_) => empty(StatusCode::REQUEST_TIMEOUT),
    };
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn empty(status: StatusCode) -> Response<ConnectRpcBody> {
    let mut response = Response::new(ConnectRpcBody::Full(http_body_util::Full::default()));
    *response.status_mut() = status;
    response
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
