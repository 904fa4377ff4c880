use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use connectors::{Call, Kind, Reply, Secret, Timestamp};
use http::{Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service;

/// Most that is read of an answer, in bytes.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Makes one attempt at one call.
pub trait HttpSend: Send + Sync + 'static {
    /// Sends the call and reads the whole answer, by `deadline` at the latest.
    fn send(
        &self,
        call: Call,
        sent_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Result<Reply, TransportError>> + Send;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    /// [`Kind::Timeout`], [`Kind::Unavailable`], [`Kind::BadReply`] or, for an unusable client certificate,
    /// [`Kind::InvalidCredentials`].
    pub kind: Kind,
    /// What happened, in our words.
    pub message: &'static str,
    /// Whether no byte of the call can have reached the vendor.
    pub not_sent: bool,
    /// Whether the connection broke before the first byte of an answer.
    pub before_reply: bool,
}

impl TransportError {
    const fn new(kind: Kind, message: &'static str) -> Self {
        Self { kind, message, not_sent: false, before_reply: false }
    }
}

/// Time for making a connection, TLS included.
#[derive(Clone, Default)]
pub struct ConnectTimeouts {
    /// For hosts without a limit of their own.
    pub default: Duration,
    /// By `host[:port]`.
    pub by_authority: Arc<HashMap<String, Duration>>,
}

impl ConnectTimeouts {
    fn of(&self, uri: &Uri) -> Duration {
        let own = uri.authority().and_then(|authority| self.by_authority.get(authority.as_str()));
        own.copied().unwrap_or(self.default)
    }
}

type Connector = Timed<HttpsConnector<HttpConnector>>;

/// The one pooled HTTPS client: HTTP/1.1 and HTTP/2, no redirects, no cookies, no compression.
pub struct Transport {
    client: Client<Connector, Full<Bytes>>,
    connect_timeouts: ConnectTimeouts,
    roots: Arc<rustls::RootCertStore>,
}

impl Transport {
    /// A client that trusts the public certificate authorities, and those given as PEM.
    ///
    /// # Errors
    /// Where the PEM cannot be read.
    pub fn new(connect_timeouts: ConnectTimeouts, extra_authorities: Option<&[u8]>) -> Result<Self, String> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in extra_authorities.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(|_| "the certificate authorities are not valid PEM")?;
            roots.add(certificate).map_err(|_| "a certificate authority cannot be used")?;
        }
        let roots = Arc::new(roots);
        let tls = tls_builder(&roots)?.with_no_client_auth();
        Ok(Self { client: client(tls, &connect_timeouts), connect_timeouts, roots })
    }

    /// A client that presents a certificate. Made for the call: a connection made with one merchant's certificate must never
    /// carry another's call.
    fn client_with(&self, certificate: &Secret, key: &Secret) -> Option<Client<Connector, Full<Bytes>>> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(certificate.expose().as_bytes()).collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).ok()?;
        let tls = tls_builder(&self.roots).ok()?.with_client_auth_cert(chain, key).ok()?;
        Some(client(tls, &self.connect_timeouts))
    }
}

fn tls_builder(
    roots: &Arc<rustls::RootCertStore>,
) -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>, String> {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots.clone()))
        .map_err(|_| "TLS cannot be set up".into())
}

fn client(tls: rustls::ClientConfig, timeouts: &ConnectTimeouts) -> Client<Connector, Full<Bytes>> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(50))
        .pool_max_idle_per_host(64)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .build(Timed { inner: https, timeouts: timeouts.clone() })
}

impl HttpSend for Transport {
    async fn send(&self, call: Call, sent_at: Timestamp, deadline: Instant) -> Result<Reply, TransportError> {
        let own;
        let client = match &call.client_certificate {
            None => &self.client,
            Some((certificate, key)) => {
                own = self.client_with(certificate, key).ok_or(TransportError {
                    not_sent: true,
                    ..TransportError::new(Kind::InvalidCredentials, "the client certificate or its key cannot be used")
                })?;
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

        let answer = timeout_at(deadline, async {
            let response = client.request(request).await.map_err(|error| of_client(&error))?;
            let (head, body) = response.into_parts();
            if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
                return Err(TransportError::new(Kind::BadReply, "the connector compressed an answer that must not be"));
            }
            let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    TransportError::new(Kind::BadReply, "the connector's answer is longer than 1 MiB")
                } else {
                    TransportError::new(Kind::Unavailable, "the connection broke within the connector's answer")
                }
            })?;
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes(), sent_at })
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::new(Kind::Timeout, "the connector did not answer in time")),
        }
    }
}

fn of_client(error: &hyper_util::client::legacy::Error) -> TransportError {
    if error.is_connect() {
        return TransportError {
            not_sent: true,
            ..TransportError::new(Kind::Unavailable, "no connection to the connector could be made")
        };
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return TransportError::new(Kind::BadReply, "the connector's answer is not HTTP");
        }
        source = inner.source();
    }
    TransportError {
        before_reply: true,
        ..TransportError::new(Kind::Unavailable, "the connection to the connector broke before its answer")
    }
}

/// A connector that gives up after a while, the TLS handshake included.
#[derive(Clone)]
struct Timed<C> {
    inner: C,
    timeouts: ConnectTimeouts,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Response: 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    type Response = C::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.timeouts.of(&uri);
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err("the connection took too long".into()),
            }
        })
    }
}
