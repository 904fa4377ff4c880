//! HTTP to connectors: one pooled client, one attempt at a time. The exchange uses it through
//! [`HttpSend`]; tests put a scripted sender in its place.

use std::{pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use connectors::{Call, Kind, Reply, Secret, Timestamp};
use http::header;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::connect::{ConnectFault, ConnectSettings, Connector, OutboundProxy, connector};

/// Most bytes of a reply that are read. The longest documented one has a few KiB.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Makes one attempt at one call.
pub trait HttpSend: Send + Sync + 'static {
    /// Sends the call and reads the whole reply, by `deadline` at the latest. `sent_at` goes into
    /// the reply.
    fn send(
        &self,
        call: Call,
        sent_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Result<Reply, TransportError>> + Send;

    /// Takes over settings that have changed. Connections that exist stay.
    fn adopt(&self, _settings: ConnectSettings) {}
}

/// Why an attempt has no usable reply. The variant decides whether another attempt is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No byte of the call can have reached the connector.
    #[error(transparent)]
    NotSent(NotSent),
    /// The connection broke after the call was sent. The connector may have done its work.
    #[error("{}", .0.broken())]
    Broken(Connection),
    /// No whole reply came before the deadline. Another attempt has no time.
    #[error("the connector did not answer in time")]
    TimedOut,
    /// The reply is there and cannot be used. Another attempt is not legal.
    #[error("{0}")]
    BadReply(&'static str),
}

/// Why a call was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSent {
    /// Any call may be attempted again, unless the cause stays.
    #[error("no connection to the connector could be made: {0}")]
    NoConnection(ConnectFault),
    /// The caller's mistake: another attempt would fail, too.
    #[error("the client certificate or its key cannot be used")]
    UnusableCertificate,
}

/// The moment when a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Before the first byte of the reply. A repeatable call may be attempted again.
    BeforeReply,
    /// Within the reply. Another attempt is not legal.
    WithinReply,
}

impl Connection {
    const fn broken(self) -> &'static str {
        match self {
            Self::BeforeReply => "the connection to the connector broke before its answer",
            Self::WithinReply => "the connection broke within the connector's answer",
        }
    }
}

impl TransportError {
    /// The kind of the error that the caller receives.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotSent(NotSent::UnusableCertificate) => Kind::InvalidCredentials,
            Self::NotSent(NotSent::NoConnection(fault)) if !fault.may_pass() => Kind::ConnectorNotTrusted,
            Self::NotSent(NotSent::NoConnection(_)) | Self::Broken(_) => Kind::Unavailable,
            Self::TimedOut => Kind::Timeout,
            Self::BadReply(_) => Kind::BadReply,
        }
    }
}

impl From<TransportError> for connectors::Error {
    fn from(error: TransportError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// Why the HTTPS client cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportSetupError {
    /// The PEM text cannot be read.
    #[error("the certificate authorities are not valid PEM")]
    NotPem,
    /// A certificate cannot be a trust anchor.
    #[error("a certificate authority cannot be used")]
    UnusableAuthority,
    /// The TLS library rejects the configuration.
    #[error("TLS cannot be set up")]
    Tls,
}

/// The ways to the connectors.
#[derive(Clone, Default)]
pub struct Egress {
    /// The operator's decisions about connections.
    pub connect: ConnectSettings,
    /// The proxy through which calls go.
    pub proxy: Option<OutboundProxy>,
    /// The `traceparent` of the call that is under way, where connectors get it.
    pub trace_context: Option<fn() -> Option<http::HeaderValue>>,
    /// Most idle connections to one host, where there is a bound.
    pub max_idle_per_host: Option<usize>,
}

/// The one pooled HTTPS client: HTTP/1.1 and HTTP/2, no redirects, no cookies, no compression.
pub struct Transport {
    client: Client<Connector, Full<Bytes>>,
    settings: Arc<ArcSwap<ConnectSettings>>,
    proxy: Option<OutboundProxy>,
    trace_context: Option<fn() -> Option<http::HeaderValue>>,
    roots: Arc<rustls::RootCertStore>,
}

impl Transport {
    /// A client that trusts the public certificate authorities, and those given as PEM.
    ///
    /// # Errors
    /// The PEM cannot be read.
    pub fn new(egress: Egress, extra_authorities: Option<&[u8]>) -> Result<Self, TransportSetupError> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in extra_authorities.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(|_| TransportSetupError::NotPem)?;
            roots.add(certificate).map_err(|_| TransportSetupError::UnusableAuthority)?;
        }
        let roots = Arc::new(roots);
        let tls = tls_builder(&roots)?.with_no_client_auth();
        let settings = Arc::new(ArcSwap::from_pointee(egress.connect));
        let client = client(tls, &settings, egress.proxy.as_ref(), egress.max_idle_per_host);
        Ok(Self { client, settings, proxy: egress.proxy, trace_context: egress.trace_context, roots })
    }

    /// A client that presents a certificate. It serves one call: a connection with the certificate
    /// of one merchant must never carry the call of another.
    fn client_with(&self, certificate: &Secret, key: &Secret) -> Option<Client<Connector, Full<Bytes>>> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(certificate.expose().as_bytes()).collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).ok()?;
        let tls = tls_builder(&self.roots).ok()?.with_client_auth_cert(chain, key).ok()?;
        Some(client(tls, &self.settings, self.proxy.as_ref(), Some(1)))
    }
}

fn tls_builder(
    roots: &Arc<rustls::RootCertStore>,
) -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>, TransportSetupError> {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots.clone()))
        .map_err(|_| TransportSetupError::Tls)
}

fn client(
    tls: rustls::ClientConfig,
    settings: &Arc<ArcSwap<ConnectSettings>>,
    proxy: Option<&OutboundProxy>,
    max_idle_per_host: Option<usize>,
) -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_max_idle_per_host(max_idle_per_host.unwrap_or(usize::MAX))
        .pool_idle_timeout(Duration::from_secs(50))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .build(connector(tls, settings, proxy))
}

impl HttpSend for Transport {
    fn adopt(&self, settings: ConnectSettings) {
        self.settings.store(Arc::new(settings));
    }

    async fn send(&self, call: Call, sent_at: Timestamp, deadline: Instant) -> Result<Reply, TransportError> {
        let own;
        let client = match &call.client_certificate {
            None => &self.client,
            Some((certificate, key)) => {
                own =
                    self.client_with(certificate, key).ok_or(TransportError::NotSent(NotSent::UnusableCertificate))?;
                &own
            }
        };
        let mut request = http::Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.uri;
        *request.headers_mut() = call.headers;
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(http::HeaderValue::from_static(concat!("daypass/", env!("CARGO_PKG_VERSION"))));
        if let Some(context) = self.trace_context.and_then(|current| current()) {
            request.headers_mut().insert("traceparent", context);
        }

        let answer = pin!(async {
            let response = client.request(request).await.map_err(|error| of_client(&error))?;
            let (head, body) = response.into_parts();
            if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
                return Err(TransportError::BadReply("the connector compressed an answer that must not be"));
            }
            let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    TransportError::BadReply("the connector's answer is longer than 1 MiB")
                } else {
                    TransportError::Broken(Connection::WithinReply)
                }
            })?;
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes(), sent_at })
        });
        timeout_at(deadline, answer).await.unwrap_or(Err(TransportError::TimedOut))
    }
}

/// The error of an attempt that has no reply head.
fn of_client(error: &hyper_util::client::legacy::Error) -> TransportError {
    if error.is_connect() {
        return TransportError::NotSent(NotSent::NoConnection(ConnectFault::of(error)));
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return TransportError::BadReply("the connector's answer is not HTTP");
        }
        source = inner.source();
    }
    TransportError::Broken(Connection::BeforeReply)
}
