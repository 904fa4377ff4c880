//! One port: plaintext or TLS by the first byte, HTTP/1.1 or HTTP/2 by what follows, limits on all of it.

use std::{convert::Infallible, future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use connectrpc::{ConnectRpcBody, ConnectRpcService};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::{Service, service_fn};

use crate::{callers::VerifiedPeer, rpc::REQUEST_ID};

/// Time for the first byte, and for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
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
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let place = tokio::select! {
                () = &mut shutdown => break,
                place = places.clone().acquire_owned() => place,
            };
            let stream = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // Out of file descriptors, or the peer is gone already: neither is a reason to spin or to stop.
                    Err(_) => { tokio::time::sleep(Duration::from_millis(20)).await; continue; }
                },
            };
            let connection =
                connection(stream, self.tls.clone(), self.plaintext, self.service.clone(), graceful.watcher());
            tokio::spawn(async move {
                connection.await;
                drop(place);
            });
        }
        drop(self.socket);
        if timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("calls were still in flight at the end of the grace time");
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    plaintext: bool,
    service: ConnectRpcService,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [TLS_HANDSHAKE] => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                let verified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
                http(stream, service, verified, watcher).await;
            }
        }
        Ok(Ok(1)) if plaintext => http(stream, service, false, watcher).await,
        _ => {}
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: ConnectRpcService,
    verified: bool,
    watcher: hyper_util::server::graceful::Watcher,
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
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let service = TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
        if verified {
            request.extensions_mut().insert(VerifiedPeer);
        }
        answer(request, service.clone())
    }));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // Errors here are the peer's: it left, or sent what is not HTTP.
    let _ = watcher.watch(connection).await;
}

/// One request: with an id, and without a way for a defect to take the connection down.
async fn answer(
    mut request: Request<Incoming>,
    mut service: ConnectRpcService,
) -> Result<Response<ConnectRpcBody>, Infallible> {
    let given = request.headers().get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
    let id = given.unwrap_or_else(new_request_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let answered = AssertUnwindSafe(service.call(request)).catch_unwind().await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!(request_id = id.to_str().unwrap_or_default(), "a defect stopped this call");
            let mut response = Response::new(ConnectRpcBody::Full(http_body_util::Full::default()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
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
