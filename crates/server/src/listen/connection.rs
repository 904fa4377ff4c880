//! One connection: TLS or plaintext by its first byte, then HTTP/1.1 or HTTP/2, with limits on
//! both. Uses `request`, `places` and `drain`, and `auth` to mark verified clients. Used by `listen`.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::service_fn;

use super::{
    drain::{self, ActiveRequests, FIRST_REQUEST_TIME},
    places::Place,
    request::RequestHandler,
};
use crate::auth::VerifiedClientCertificate;

/// Time for the first byte, and for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most requests that a peer may cancel before the service reads them. One more ends the connection
/// (CVE-2023-44487, "rapid reset").
const MAX_RESETS: usize = 20;
/// Most bytes of headers: 64 KiB of credentials, and as much again so that the service can answer a
/// request with too many with an error of its own.
const MAX_HEADER_BYTES: u32 = 128 * 1024;
/// Most calls at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// Most bytes of bodies that a peer may send before anything reads them: of one call, and of all calls
/// on its connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// Time between two HTTP/2 pings, and the time for their replies.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// First byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Handles connections.
pub(super) struct ConnectionHandler {
    /// TLS, for connections that begin with a TLS handshake. It may be replaced at any time.
    pub tls: Arc<ArcSwap<ServerConfig>>,
    /// Whether plaintext connections are served.
    pub plaintext: bool,
    /// Handles the requests.
    pub requests: Arc<RequestHandler>,
}

impl ConnectionHandler {
    /// Handles a connection to its end. `closing` says when the service shuts down.
    pub(super) async fn handle(&self, stream: TcpStream, place: &Arc<Place>, mut closing: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        let peeked = tokio::select! {
            biased;
            peeked = timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)) => peeked,
            // A connection without a byte has no request to finish.
            () = no_request(&mut closing) => return,
        };
        match peeked {
            Ok(Ok(1)) if first == [TLS_HANDSHAKE] => {
                let accepting = TlsAcceptor::from(self.tls.load_full()).accept(stream);
                let accepted = tokio::select! {
                    biased;
                    accepted = timeout(HANDSHAKE_TIMEOUT, accepting) => accepted,
                    () = no_request(&mut closing) => return,
                };
                match accepted {
                    Ok(Ok(stream)) => {
                        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                        let certificate = chain.first().map(|certificate| VerifiedClientCertificate::of(certificate));
                        self.serve_http(stream, certificate, place, closing).await;
                    }
                    // A certificate of another authority, an old protocol, or no TLS at all.
                    Ok(Err(error)) => {
                        tracing::info!(cause = error.to_string(), "a TLS handshake failed");
                        metrics::counter!("daypass_failed_handshakes_total").increment(1);
                    }
                    Err(_elapsed) => metrics::counter!("daypass_failed_handshakes_total").increment(1),
                }
            }
            Ok(Ok(1)) if self.plaintext => self.serve_http(stream, None, place, closing).await,
            _ => {}
        }
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<VerifiedClientCertificate>,
        place: &Arc<Place>,
        closing: watch::Receiver<bool>,
    ) {
        let active = Arc::new(ActiveRequests::default());
        let (handler, counter, place) = (self.requests.clone(), active.clone(), place.clone());
        let service = TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
            if let Some(certificate) = certificate.clone() {
                request.extensions_mut().insert(certificate);
            }
            // The state of a call is some KiB, which would move with each step of the connection.
            let response = Box::pin(handler.clone().respond(request, place.clone()));
            let active = counter.begin();
            async move {
                let response = response.await;
                drop(active);
                response
            }
        }));
        let builder = http_builder();
        let connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        drain::drive(connection, &active, closing).await;
    }
}

/// Waits until the service closes, and for the time in which a connection may still send its first request.
async fn no_request(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
    tokio::time::sleep(FIRST_REQUEST_TIME).await;
}

fn http_builder() -> auto::Builder<TokioExecutor> {
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
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}
