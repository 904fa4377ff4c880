//! TLS of the RPC port: the operator's certificate, or one that the server makes at its start. Uses
//! `pem` and the settings of `config`. Used by `server` and by the command `config check`.

use std::{
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use connectors::Timestamp;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use tempfile::TempDir;
use x509_cert::der::Decode;

use crate::{
    config::{Config, Tls},
    pem::{self, PemError},
};

/// TLS of the RPC port.
pub(crate) struct ServerTls {
    /// Certificate, key and protocol choices.
    pub config: Arc<ServerConfig>,
    /// The certificate of the server's own authority, for clients to trust. `None` where the
    /// operator gave a certificate, or the file could not be written.
    pub authority_file: Option<PathBuf>,
    /// The end of the certificate's validity, or of the first certificate of its chain that ends.
    /// `None` for a certificate that the server made.
    expires_at: Option<SystemTime>,
    /// Its drop removes that file.
    _folder: Option<TempDir>,
}

/// Time before the end of the certificate's validity in which each report is a warning.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl ServerTls {
    /// Reports the end of the certificate's validity as a metric, and logs it where it is near.
    pub(crate) fn report_expiry(&self) {
        let Some(expires_at) = self.expires_at else { return };
        let seconds = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; seconds stay exact until 2^53")]
        metrics::gauge!("daypass_certificate_expires_at_seconds").set(seconds as f64);
        let expires_at = Timestamp::try_from(expires_at).unwrap_or_default().to_string();
        match self.expires_at.map(|end| end.duration_since(SystemTime::now())) {
            Some(Err(_)) => tracing::error!(expires_at, "the certificate has expired: TLS clients refuse it"),
            Some(Ok(left)) if left < EXPIRY_WARNING => tracing::warn!(expires_at, "the certificate expires soon"),
            _ => {}
        }
    }
}

/// Reports the end of the configured certificate again.
pub(crate) fn report_expiry_of(config: &Config) {
    if let Some(Ok(tls)) = config.tls.as_ref().map(from_files) {
        tls.report_expiry();
    }
}

/// The first end of validity of these certificates (RFC 5280 section 4.1.2.5).
fn first_end(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let ends = chain.iter().filter_map(|certificate| {
        let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
        Some(certificate.tbs_certificate.validity.not_after.to_system_time())
    });
    ends.min()
}

/// A certificate cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file of certificates or of the private key cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate authority for clients is malformed.
    #[error("{}: a certificate cannot be used", .0.display())]
    UnusableAuthority(PathBuf),
    /// Certificate and private key do not match.
    #[error("[tls]: {0}")]
    Mismatch(rustls::Error),
    /// The TLS library refuses.
    #[error(transparent)]
    Library(#[from] rustls::Error),
    /// The certificate authorities for clients make no verifier.
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
    /// The server's own certificate cannot be made.
    #[error(transparent)]
    SelfMade(#[from] rcgen::Error),
}

/// TLS with the operator's certificate.
///
/// # Errors
/// A file cannot be used.
pub(crate) fn from_files(tls: &Tls) -> Result<ServerTls, TlsError> {
    let (chain_setting, chain_file) = ("tls.certificate_file", &tls.certificate_file);
    let chain = pem::certificates(chain_setting, chain_file)?;
    let expires_at = first_end(&chain);
    let (key, signing_key) = pem::private_key("tls.private_key_file", &tls.private_key_file)?;
    pem::check_match(chain_setting, chain_file, &chain, &signing_key)?;
    let builder =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let builder = match &tls.client_authorities_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in pem::certificates("tls.client_authorities_file", file)? {
                roots.add(certificate).map_err(|_| TlsError::UnusableAuthority(file.clone()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
                .allow_unauthenticated()
                .build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Mismatch)?;
    if tls.client_authorities_file.is_some() {
        // A session that is taken up again keeps its certificate, also after that has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(ServerTls { config: Arc::new(with_protocols(config)), authority_file: None, expires_at, _folder: None })
}

/// TLS with a certificate for localhost, of an authority that is made for it. The authority's key
/// is never written to a file.
///
/// # Errors
/// No certificate can be made.
pub(crate) fn self_made() -> Result<ServerTls, TlsError> {
    let SelfMade { authority_pem, certificate, key } = SelfMade::new()?;
    // TLS is optional here, so a read-only file system does not stop the server.
    let (folder, authority_file) = match write_authority(&authority_pem) {
        Ok((folder, file)) => (Some(folder), Some(file)),
        Err(error) => {
            tracing::warn!(%error, "the throw-away authority's certificate cannot be written; TLS clients cannot check it");
            (None, None)
        }
    };
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())?;
    Ok(ServerTls { config: Arc::new(with_protocols(config)), authority_file, expires_at: None, _folder: folder })
}

struct SelfMade {
    authority_pem: String,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl SelfMade {
    fn new() -> Result<Self, rcgen::Error> {
        let mut authority = rcgen::CertificateParams::new(Vec::new())?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        authority.distinguished_name.push(rcgen::DnType::CommonName, "Daypass throw-away authority");
        let authority_key = rcgen::KeyPair::generate()?;
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?.der().clone();
        Ok(Self { authority_pem, certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()) })
    }
}

fn write_authority(pem: &str) -> io::Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("daypass-").tempdir()?;
    let file = folder.path().join("ca.pem");
    fs::write(&file, pem)?;
    Ok((folder, file))
}

fn with_protocols(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
