//! Connections to connectors: the addresses that a name may have, the outbound proxy, the time
//! limit, and the cause of a failure. Used by `transport`.

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
            proxy::Tunnel,
        },
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use rustls::CertificateError;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

type BoxError = Box<dyn StdError + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// The connector of the HTTPS client.
pub(super) type Connector = Timed<HttpsConnector<Route>>;

/// The operator's decisions about connections. They may change while calls run.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Time limit for a connection, TLS included, to hosts without a limit of their own.
    pub default_timeout: Duration,
    /// Time limits by `host[:port]`.
    pub timeouts: HashMap<String, Duration>,
    /// The hosts that the operator configured in place of a connector's own. Only their names may
    /// have addresses that are not public.
    pub operator_hosts: HashSet<String>,
}

impl ConnectSettings {
    fn timeout_of(&self, uri: &Uri) -> Duration {
        let own = uri.authority().and_then(|authority| self.timeouts.get(authority.as_str()));
        own.copied().unwrap_or(self.default_timeout)
    }
}

/// An HTTP proxy through which the calls to connectors go, by CONNECT (RFC 9110 section 9.3.6).
#[derive(Clone)]
pub struct OutboundProxy(Arc<Matcher>);

impl OutboundProxy {
    /// A proxy, with the hosts that are called without it: names, domains and networks, separated
    /// by commas.
    ///
    /// # Errors
    /// The proxy is no `http://` URL.
    pub fn new(url: &str, no_proxy: &str) -> Result<Self, ProxyError> {
        let uri: Uri = url.parse().map_err(|_| ProxyError)?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(ProxyError);
        }
        Ok(Self(Arc::new(Matcher::builder().https(url.to_owned()).no(no_proxy.to_owned()).build())))
    }
}

/// The outbound proxy cannot be used. The URL is left out: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be an http:// URL such as http://proxy.example:3128")]
pub struct ProxyError;

/// Why no connection could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConnectFault {
    /// The name has no address.
    #[error("its name cannot be resolved")]
    Name,
    /// Nothing listens there, or a firewall says so.
    #[error("the connection was refused")]
    Refused,
    /// No route, or no answer in time.
    #[error("the host does not answer")]
    Silent,
    /// The proxy does not make the connection.
    #[error("the outbound proxy did not make the connection")]
    Proxy,
    /// The certificate is not that of the connector. The text says how.
    #[error("its certificate {0}")]
    Certificate(&'static str),
    /// The name has an address inside this network.
    #[error("its name has an address that is not public")]
    NotPublic,
    /// Another failure of TCP or TLS.
    #[error("TCP or TLS failed")]
    Other,
}

impl ConnectFault {
    /// Whether another attempt can succeed without a change of network or settings.
    pub const fn may_pass(self) -> bool {
        !matches!(self, Self::Certificate(_) | Self::NotPublic)
    }

    /// The cause of a failed connection: the last known fault in the chain of errors.
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut found = Self::Other;
        let mut next = Some(error);
        while let Some(error) = next {
            found = Self::known(error).unwrap_or(found);
            next = error.source();
        }
        found
    }

    fn known(error: &(dyn StdError + 'static)) -> Option<Self> {
        if error.is::<NotPublic>() {
            return Some(Self::NotPublic);
        }
        if error.is::<TookTooLong>() {
            return Some(Self::Silent);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let inner = error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
            // hyper-rustls wraps the error of TLS twice.
            return inner.and_then(Self::known).or(match error.kind() {
                io::ErrorKind::ConnectionRefused => Some(Self::Refused),
                io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    Some(Self::Silent)
                }
                _ => None,
            });
        }
        // The types of these two are private.
        match error.to_string() {
            text if text.starts_with("dns error") => Some(Self::Name),
            text if text.starts_with("tunnel error") => Some(Self::Proxy),
            _ => Self::of_tls(error),
        }
    }

    fn of_tls(error: &(dyn StdError + 'static)) -> Option<Self> {
        let rustls::Error::InvalidCertificate(fault) = error.downcast_ref::<rustls::Error>()? else { return None };
        Some(Self::Certificate(match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
            CertificateError::UnknownIssuer => "is of an authority that is not trusted",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "is for another name"
            }
            CertificateError::Revoked => "is revoked",
            _ => "cannot be verified",
        }))
    }
}

/// The route to a host: directly, or through the proxy.
#[derive(Clone)]
pub(super) struct Route {
    http: HttpConnector<PublicAddresses>,
    /// For the proxy's own name, which the operator configured.
    to_proxy: HttpConnector,
    proxy: Option<OutboundProxy>,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(via) = self.proxy.as_ref().and_then(|proxy| proxy.0.intercept(&uri)) else {
            let connecting = self.http.call(uri);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        let tunnel = Tunnel::new(via.uri().clone(), self.to_proxy.clone());
        let mut tunnel = match via.basic_auth() {
            Some(auth) => tunnel.with_auth(auth.clone()),
            None => tunnel,
        };
        let connecting = tunnel.call(uri);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}

/// The connector of a client with this TLS configuration.
pub(super) fn connector(
    tls: rustls::ClientConfig,
    settings: &Arc<ArcSwap<ConnectSettings>>,
    proxy: Option<&OutboundProxy>,
) -> Connector {
    let resolver = PublicAddresses { system: GaiResolver::new(), settings: settings.clone() };
    let (mut http, mut to_proxy) = (HttpConnector::new_with_resolver(resolver), HttpConnector::new());
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    to_proxy.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(Route { http, to_proxy, proxy: proxy.cloned() });
    Timed { inner: https, settings: settings.clone() }
}

/// Resolves names. Only hosts that the operator configured may have an address inside this network:
/// a name of a connector that has one is a mistake, or an attack on the resolver.
#[derive(Clone)]
struct PublicAddresses<R = GaiResolver> {
    system: R,
    settings: Arc<ArcSwap<ConnectSettings>>,
}

#[derive(Debug, Error)]
#[error("the name has an address that is not public")]
struct NotPublic;

impl<R> Service<Name> for PublicAddresses<R>
where
    R: Service<Name, Error: Into<BoxError>, Response: Iterator<Item = SocketAddr>, Future: Send + 'static>,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let settings = self.settings.load();
        let may_be_inside = settings.operator_hosts.iter().any(|host| host.eq_ignore_ascii_case(name.as_str()));
        let resolving = self.system.call(name);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await.map_err(Into::into)?.collect();
            if !may_be_inside && addresses.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(addresses.into_iter())
        })
    }
}

/// Whether an address is one of the public internet, by the special-purpose registries of IANA (RFC
/// 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), address.segments()) {
            (Some(inner), _) => is_public_v4(inner),
            // NAT64 (RFC 6052) and 6to4 (RFC 3056) hold an IPv4 address.
            (_, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) | (_, [0x2002, high, low, ..]) => {
                is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            _ => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast, less documentation (RFC 3849, RFC 9637) and the special block of RFC 2928.
    match address.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[derive(Debug, Error)]
#[error("the connection took too long")]
struct TookTooLong;

/// Makes connections within a time limit, TLS included.
#[derive(Clone)]
pub(super) struct Timed<C> {
    inner: C,
    settings: Arc<ArcSwap<ConnectSettings>>,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Response: 'static,
    C::Error: Into<BoxError> + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.settings.load().timeout_of(&uri);
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(TookTooLong.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("10.1.2.3", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.15.0.1", true),
            ("172.31.255.255", false),
            ("192.168.0.1", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("2606:4700::1", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", true),
            ("2002:a00:1::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    /// Gives these addresses, the next ones at each question.
    struct Answers(std::vec::IntoIter<&'static [&'static str]>);

    impl Service<Name> for Answers {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let answer = self.0.next().expect("one question for each connection");
            let addresses: Vec<SocketAddr> =
                answer.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            std::future::ready(Ok(addresses.into_iter()))
        }
    }

    /// The addresses that were looked at are those that are called: a name that changes between the two
    /// gains nothing.
    #[tokio::test]
    async fn a_name_with_an_address_inside_is_not_called_and_each_connection_asks_once() {
        const ANSWERS: [(&[&str], bool); 6] = [
            (&["8.8.8.8"], true),
            (&["127.0.0.1"], false),
            (&["8.8.8.8", "10.0.0.1"], false),
            (&["::ffff:169.254.169.254"], false),
            (&["2606:4700::1", "64:ff9b::a00:1"], false),
            (&["2606:4700::1"], true),
        ];
        let answers: Vec<&[&str]> = ANSWERS.iter().map(|(answer, _)| *answer).collect();
        let settings = ConnectSettings { operator_hosts: ["inside.example".to_owned()].into(), ..Default::default() };
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let mut names = PublicAddresses { system: Answers(answers.into_iter()), settings: settings.clone() };
        for (answer, may_be_called) in ANSWERS {
            let called = names.call("api.vendor.example".parse().unwrap()).await;
            let called: Option<Vec<String>> =
                called.ok().map(|addresses| addresses.map(|address| address.ip().to_string()).collect());
            assert_eq!(called.is_some(), may_be_called, "{answer:?}");
            assert!(called.is_none_or(|called| called == answer), "{answer:?}");
        }
        let inside = Answers(vec![&["10.0.0.1"][..]; 2].into_iter());
        let mut names = PublicAddresses { system: inside, settings };
        for name in ["inside.example", "Inside.Example"] {
            assert!(names.call(name.parse().unwrap()).await.is_ok(), "the operator configured it");
        }
    }

    #[test]
    fn the_proxy_is_an_http_url() {
        assert!(OutboundProxy::new("http://user:word@proxy.example:3128", "").is_ok());
        for url in ["https://proxy.example", "socks5://proxy.example", "proxy.example:3128", "http://", ""] {
            assert_eq!(OutboundProxy::new(url, "").err(), Some(ProxyError), "{url}");
        }
        let proxy = OutboundProxy::new("http://proxy.example:3128", "inside.example,10.0.0.0/8").unwrap();
        let through = |url: &str| proxy.0.intercept(&url.parse().unwrap()).is_some();
        assert!(through("https://api.stripe.com/v1"));
        assert!(!through("https://a.inside.example/") && !through("https://10.1.2.3/"));
        assert!(!through("http://127.0.0.1:9/"), "plaintext is for loopback only");
    }
}
