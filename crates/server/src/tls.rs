//! Certificates: the operator's, or throw-away ones made at start.

use std::{fs, io, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;

use crate::config::Tls;

/// What the listener needs to speak TLS.
pub struct ServerTls {
    /// Certificate, key and protocol choices.
    pub config: Arc<ServerConfig>,
    /// Where the throw-away authority's certificate is, for clients to trust; nothing where it could not be written.
    pub authority_file: Option<PathBuf>,
    /// Keeps that file for as long as the server lives.
    _folder: Option<TempDir>,
}

/// The operator's certificate.
///
/// # Errors
/// What is wrong with the files.
pub fn configured(tls: &Tls) -> Result<ServerTls, String> {
    let chain = certificates(&tls.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&tls.private_key_file)
        .map_err(|_| format!("{}: no PEM private key", tls.private_key_file.display()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &tls.client_authorities_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|_| format!("{}: a certificate cannot be used", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
                .allow_unauthenticated()
                .build()
                .map_err(|error| error.to_string())?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| format!("[tls]: {error}"))?;
    Ok(ServerTls { config: Arc::new(with_protocols(config)), authority_file: None, _folder: None })
}

/// A certificate for localhost, of an authority that nobody else will ever trust. Its key is never written down.
///
/// # Errors
/// Where none can be made.
pub fn throw_away() -> Result<ServerTls, String> {
    let made = || -> Result<_, rcgen::Error> {
        let mut authority = rcgen::CertificateParams::new(Vec::new())?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        authority.distinguished_name.push(rcgen::DnType::CommonName, "Daypass throw-away authority");
        let authority_key = rcgen::KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        Ok((authority_certificate.pem(), certificate.der().clone(), key.serialize_der()))
    };
    let (authority, certificate, key) = made().map_err(|error| error.to_string())?;
    let kept = || -> io::Result<_> {
        let folder = tempfile::Builder::new().prefix("daypass-").tempdir()?;
        let file = folder.path().join("ca.pem");
        fs::write(&file, authority)?;
        Ok((folder, file))
    };
    // Nobody asked for TLS: a file system that cannot be written is no reason not to serve.
    let (folder, authority_file) = match kept() {
        Ok((folder, file)) => (Some(folder), Some(file)),
        Err(error) => {
            tracing::warn!(%error, "the throw-away authority's certificate cannot be written; TLS clients cannot check it");
            (None, None)
        }
    };
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key).into())
        .map_err(|error| error.to_string())?;
    Ok(ServerTls { config: Arc::new(with_protocols(config)), authority_file, _folder: folder })
}

fn with_protocols(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|_| format!("{}: no PEM certificates", file.display()))
}
