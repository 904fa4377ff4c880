//! The way to the shared store: its URL, TLS and users. The server builds it from its settings,
//! `connection` connects with it.

use connectors::Secret;
use redis::{
    Client, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates, TlsMode,
    cluster::{ClusterClient, ClusterClientBuilder},
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::store::redis::connection::CONNECT_TIMEOUT;

/// The way to a shared store. Its `Debug` shows no secret.
///
/// | URL | store |
/// |---|---|
/// | `redis://[user:password@]host:port[/db]` | one server, or a stable address before several |
/// | `redis+sentinel://[user:password@]host:port,…/service[/db]` | the sentinels of a service; user and password are those of the servers |
/// | `redis+cluster://[user:password@]host:port,…` | some nodes of a Redis Cluster |
///
/// `rediss` in place of `redis` is TLS, for sentinels too.
#[derive(Clone, Debug)]
pub struct StoreAccess {
    /// The URL.
    pub url: Secret,
    /// Certificate authorities in the place of the public ones, PEM.
    pub authorities: Option<Vec<u8>>,
    /// The certificate chain with which this service shows itself, PEM, and its private key, PEM.
    pub certificate: Option<(Vec<u8>, Secret)>,
    /// The user at the sentinels. Absent: the default user.
    pub sentinel_user: Option<String>,
    /// The password at the sentinels. Absent: none.
    pub sentinel_password: Option<Secret>,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is of another form.
    #[error(
        "store.url: expected redis://host:port, redis+sentinel://host:port,…/service or redis+cluster://host:port,…, \
         each with rediss in place of redis for TLS, and without parameters"
    )]
    Url,
    /// The URL asks for TLS without a check of the certificate.
    #[error(
        "store.url: #… is not accepted: the store's certificate is always checked; name its authority by \
         store.authorities_file"
    )]
    Fragment,
    /// There are settings of TLS, and the URL is without TLS.
    #[error("store.url: certificates and authorities of the store need TLS (rediss in place of redis)")]
    PlaintextWithTls,
    /// A certificate, key or authority cannot be read.
    #[error("store: the authorities, the certificate or its private key cannot be used: {0}")]
    Tls(String),
    /// The URL is of the right form and cannot be used.
    #[error("store.url: cannot be used")]
    Unusable,
    /// The system gives no thread.
    #[error("{0}")]
    Thread(std::io::Error),
}

/// The client of each kind of store.
pub(super) enum Target {
    One(Client),
    /// The client asks one question at a time.
    Sentinel(tokio::sync::Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

impl<T: AsRef<str>> From<T> for StoreAccess {
    fn from(url: T) -> Self {
        Self {
            url: Secret::from(url.as_ref()),
            authorities: None,
            certificate: None,
            sentinel_user: None,
            sentinel_password: None,
        }
    }
}

/// The parts of a URL.
struct Parts<'a> {
    kind: Kind,
    tls: bool,
    /// User and password with the `@`, or nothing.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Sentinel,
    Cluster,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, OpenError> {
        if url.contains('#') {
            return Err(OpenError::Fragment);
        }
        let (scheme, rest) = url.split_once("://").ok_or(OpenError::Url)?;
        let (tls, kind) = match scheme {
            "redis" => (false, Kind::One),
            "rediss" => (true, Kind::One),
            "redis+sentinel" => (false, Kind::Sentinel),
            "rediss+sentinel" => (true, Kind::Sentinel),
            "redis+cluster" => (false, Kind::Cluster),
            "rediss+cluster" => (true, Kind::Cluster),
            _ => return Err(OpenError::Url),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let user = authority.strip_suffix(hosts).unwrap_or_default();
        let hosts: Vec<&str> = hosts.split(',').collect();
        if url.contains('?') || hosts.iter().any(|host| host.is_empty()) || (kind == Kind::One && hosts.len() > 1) {
            return Err(OpenError::Url);
        }
        Ok(Self { kind, tls, user, hosts, path })
    }

    /// Each host with the user and this database.
    fn nodes(&self, db: &str) -> Result<Vec<ConnectionInfo>, OpenError> {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let node = |host: &&str| {
            let url = Zeroizing::new(format!("{scheme}://{}{host}/{db}", self.user));
            url.as_str().into_connection_info().map_err(|_| OpenError::Url)
        };
        self.hosts.iter().map(node).collect()
    }
}

impl StoreAccess {
    /// Checks the URL and the certificates, without a connection.
    ///
    /// # Errors
    /// The URL or the certificates cannot be used. The error has no part of the URL or of a key.
    pub fn check(&self) -> Result<(), OpenError> {
        self.target().map(|_| ())
    }

    /// The client. It is not connected.
    ///
    /// # Errors
    /// The URL or the certificates cannot be used. The error has no part of the URL or of a key.
    pub(super) fn target(&self) -> Result<Target, OpenError> {
        // rustls asks for a provider that is known to the process where the redis crate has none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parts = Parts::of(self.url.expose())?;
        let certificates = self.certificates(parts.tls)?;
        match parts.kind {
            Kind::One => {
                let node = parts.nodes(parts.path)?.pop().ok_or(OpenError::Url)?;
                Ok(Target::One(match certificates {
                    Some(certificates) => Client::build_with_tls(node, certificates).map_err(|error| tls(&error))?,
                    None => Client::open(node).map_err(|_| OpenError::Unusable)?,
                }))
            }
            Kind::Sentinel => self.sentinel(&parts, certificates),
            Kind::Cluster if !parts.path.is_empty() => Err(OpenError::Url),
            Kind::Cluster => {
                let mut builder = ClusterClientBuilder::new(parts.nodes("")?)
                    .connection_timeout(CONNECT_TIMEOUT)
                    .response_timeout(CONNECT_TIMEOUT)
                    .retries(CLUSTER_RETRIES)
                    .min_retry_wait(CLUSTER_WAIT_MS)
                    .max_retry_wait(CLUSTER_MAX_WAIT_MS);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                builder.build().map(Target::Cluster).map_err(|error| tls(&error))
            }
        }
    }

    fn sentinel(&self, parts: &Parts<'_>, certificates: Option<TlsCertificates>) -> Result<Target, OpenError> {
        let (service, db) = parts.path.split_once('/').unwrap_or((parts.path, ""));
        if service.is_empty() {
            return Err(OpenError::Url);
        }
        let nodes = parts.nodes(db)?;
        let addresses = nodes.iter().map(|node| node.addr().clone());
        let build = || -> RedisResult<SentinelClient> {
            let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?;
            if let Some(node) = nodes.first() {
                let settings = node.redis_settings();
                builder = builder.set_client_to_redis_db(settings.db());
                if let Some(user) = settings.username() {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = settings.password() {
                    builder = builder.set_client_to_redis_password(password);
                }
            }
            if let Some(user) = &self.sentinel_user {
                builder = builder.set_client_to_sentinel_username(user);
            }
            if let Some(password) = &self.sentinel_password {
                builder = builder.set_client_to_sentinel_password(password.expose());
            }
            if parts.tls {
                builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
            }
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
            builder.build()
        };
        Ok(Target::Sentinel(tokio::sync::Mutex::new(build().map_err(|error| tls(&error))?)))
    }

    /// Whether the keys must be in one slot of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        Parts::of(self.url.expose()).is_ok_and(|parts| parts.kind == Kind::Cluster)
    }

    fn certificates(&self, tls: bool) -> Result<Option<TlsCertificates>, OpenError> {
        if self.authorities.is_none() && self.certificate.is_none() {
            return Ok(None);
        }
        if !tls {
            return Err(OpenError::PlaintextWithTls);
        }
        let client_tls = self.certificate.as_ref().map(|(chain, key)| redis::ClientTlsConfig {
            client_cert: chain.clone(),
            client_key: key.expose().as_bytes().to_vec(),
        });
        Ok(Some(TlsCertificates { client_tls, root_cert: self.authorities.clone() }))
    }
}

/// How often the client of a cluster asks again, after a slot has moved or a node is gone.
const CLUSTER_RETRIES: u32 = 3;
/// The first and the longest pause before it asks again. Milliseconds.
const CLUSTER_WAIT_MS: u64 = 5;
const CLUSTER_MAX_WAIT_MS: u64 = 50;

fn tls(error: &redis::RedisError) -> OpenError {
    OpenError::Tls(error.category().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(url: &str) -> Option<String> {
        StoreAccess::from(url).target().err().map(|error| error.to_string())
    }

    #[test]
    fn urls_name_one_server_sentinels_or_a_cluster() {
        for url in [
            "redis://h:1",
            "rediss://user:pw@h:1/2",
            "redis+sentinel://:pw@h:1,h2:2/service",
            "rediss+sentinel://h:1/service/3",
            "redis+cluster://u:p@h:1,h2:2",
            "rediss+cluster://h:1",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        for url in [
            "",
            "h:1",
            "http://h:1",
            "redis://",
            "redis://h:1,h2:2",
            "redis://h:1?protocol=resp3",
            "redis+sentinel://h:1",
            "redis+cluster://h:1,,h2:2",
            "redis+cluster://h:1/2",
        ] {
            assert!(fault(url).is_some_and(|fault| fault.contains("redis+cluster")), "{url}");
        }
    }

    #[test]
    fn a_request_not_to_check_certificates_is_refused_in_words() {
        for url in ["rediss://h:1/#insecure", "rediss://h:1#insecure", "rediss+cluster://h:1#insecure"] {
            let fault = fault(url).unwrap();
            assert!(fault.contains("always checked") && fault.contains("store.authorities_file"), "{fault}");
        }
    }

    #[test]
    fn faults_of_tls_show_no_secret() {
        let mut access = StoreAccess::from("redis://u:canary@h:1");
        access.authorities = Some(b"no certificate".to_vec());
        access.certificate = Some((b"no chain".to_vec(), Secret::from("canary")));
        assert!(matches!(access.target(), Err(OpenError::PlaintextWithTls)));
        access.url = Secret::from("rediss://u:canary@h:1");
        let fault = access.target().err().unwrap();
        assert!(matches!(fault, OpenError::Tls(_)), "{fault}");
        assert!(!format!("{access:?} {fault:?} {fault}").contains("canary"));
    }
}
