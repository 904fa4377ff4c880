//! Authentication of callers: bearer keys (RFC 6750), kept as SHA-256 hashes, tokens of identity
//! providers, and TLS client certificates. Uses `tokens`. Used by `config`, which checks the keys,
//! by `listen`, which marks requests, and by `rpc`, which authenticates each call.

pub mod tokens;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use connectors::{Error, Kind};
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};
use tokens::{TokenClaims, TokenIssuers};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// A caller that may use this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Its name in the logs.
    pub name: String,
    /// SHA-256 of its key, as hex; several while a key is replaced. `daypass caller new` makes both.
    #[serde(default, deserialize_with = "one_or_more")]
    pub key_sha256: Vec<String>,
    /// DNS names in its client certificate (RFC 5280 section 4.2.1.6).
    #[serde(default)]
    pub certificate_dns: Vec<String>,
    /// URIs in its client certificate, such as a SPIFFE id.
    #[serde(default)]
    pub certificate_uri: Vec<String>,
    /// The subject of its client certificate, as RFC 4514 writes it. For authorities that put no name
    /// into the certificate's extensions.
    pub certificate_subject: Option<String>,
    /// Claims of tokens of identity providers.
    #[serde(default)]
    pub tokens: Vec<TokenClaims>,
}

/// A text, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    match OneOrMore::deserialize(deserializer).map_err(|_| D::Error::custom("expected a hash, or a list of hashes"))? {
        OneOrMore::One(hash) => Ok(vec![hash]),
        OneOrMore::More(hashes) if hashes.is_empty() => Err(D::Error::custom("expected at least one hash")),
        OneOrMore::More(hashes) => Ok(hashes),
    }
}

/// The client certificates that authenticate callers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None does.
    NotAccepted,
    /// Those that name a caller.
    OfCallers,
    /// All of the configured authorities.
    Any,
}

/// The names in a verified client certificate. It marks the requests of its connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CertificateName {
    Dns(String),
    Uri(String),
    Subject(String),
}

/// Marks a request on a connection whose client certificate is verified.
#[derive(Clone)]
pub(crate) struct VerifiedClientCertificate(Arc<[CertificateName]>);

impl VerifiedClientCertificate {
    /// The names of a certificate (DER). One that cannot be read has none, so it names no caller.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        let Ok(certificate) = Certificate::from_der(certificate) else { return Self(Arc::new([])) };
        let tbs = certificate.tbs_certificate;
        let mut names = vec![CertificateName::Subject(tbs.subject.to_string())];
        if let Ok(Some((_, alternatives))) = tbs.get::<SubjectAltName>() {
            names.extend(alternatives.0.into_iter().filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(CertificateName::Dns(name.to_string().to_ascii_lowercase())),
                GeneralName::UniformResourceIdentifier(uri) => Some(CertificateName::Uri(uri.to_string())),
                _ => None,
            }));
        }
        Self(names.into())
    }
}

/// Marks a request whose caller is known, or needs no name.
#[derive(Clone)]
pub(crate) struct AdmittedCaller(pub(crate) Option<Arc<str>>);

/// The means by which a call authenticates its caller.
pub(crate) struct Presented<'a> {
    /// The bearer key of its `authorization` header; empty where the header has another form.
    pub key: Option<&'a str>,
    /// The client certificate of its connection.
    pub certificate: Option<&'a VerifiedClientCertificate>,
}

/// Callers in the configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallerError {
    /// The hash is no SHA-256 in hex.
    #[error("callers: key_sha256 of {name} must be 64 hex digits")]
    NotHex {
        /// The caller.
        name: String,
    },
    /// The hash is that of an empty key.
    #[error("callers: key_sha256 of {name} is that of an empty key")]
    EmptyKey {
        /// The caller.
        name: String,
    },
    /// Two callers have one key.
    #[error("callers: {name} has the key of another caller")]
    SharedKey {
        /// The second caller.
        name: String,
    },
    /// A caller that cannot show who it is.
    #[error("callers: {name} has none of key_sha256, tokens, certificate_dns, certificate_uri and certificate_subject")]
    NoMeans {
        /// The caller.
        name: String,
    },
    /// Its token's issuer is none of the configured ones, or it names no claim.
    #[error("callers: tokens of {name} need an issuer in [[token_issuers]], and a claim")]
    Token {
        /// The caller.
        name: String,
    },
    /// Two callers have one name in their certificates.
    #[error("callers: {name} has a certificate's name of another caller")]
    SharedCertificate {
        /// The second caller.
        name: String,
    },
    /// No caller could use the authorities for client certificates.
    #[error(
        "tls.client_authorities_file: no caller has certificate_dns, certificate_uri or certificate_subject; name them in \
         [[callers]], or accept every certificate of these authorities with tls.any_client_certificate = true"
    )]
    NoCertificates,
    /// No certificate is asked for, so none can name a caller.
    #[error(
        "callers: {name} has certificate_dns, certificate_uri or certificate_subject, which need tls.client_authorities_file"
    )]
    NoAuthorities {
        /// The caller.
        name: String,
    },
    /// A caller without a name.
    #[error("callers: a caller has no name, or one with control characters")]
    NoName,
}

/// The callers that may use this service.
pub(crate) struct Authenticator {
    /// The names of callers by the hash of their keys.
    keys: HashMap<[u8; 32], Arc<str>>,
    /// The names of callers by those in their certificates.
    certificates: HashMap<CertificateName, Arc<str>>,
    accepted: ClientCertificates,
    /// The names of callers by the claims of their tokens.
    claims: Vec<(TokenClaims, Arc<str>)>,
    issuers: Arc<TokenIssuers>,
    /// Whether callers must be known: there are some, or certificates are accepted.
    knows_callers: bool,
}

impl Authenticator {
    /// An authenticator for these callers.
    ///
    /// # Errors
    /// A caller, or a means by which it shows who it is, cannot be used.
    pub(crate) fn new(
        callers: &[Caller],
        accepted: ClientCertificates,
        issuers: Arc<TokenIssuers>,
    ) -> Result<Self, CallerError> {
        let (keys, certificates, claims) = (HashMap::new(), HashMap::new(), Vec::new());
        let knows_callers = !callers.is_empty() || accepted != ClientCertificates::NotAccepted;
        let mut known = Self { keys, certificates, accepted, claims, issuers, knows_callers };
        for caller in callers {
            known.add(caller)?;
        }
        if accepted == ClientCertificates::OfCallers && known.certificates.is_empty() {
            return Err(CallerError::NoCertificates);
        }
        Ok(known)
    }

    fn add(&mut self, caller: &Caller) -> Result<(), CallerError> {
        let name = || caller.name.clone();
        if caller.name.trim().is_empty() || caller.name.chars().any(char::is_control) {
            return Err(CallerError::NoName);
        }
        for key_sha256 in &caller.key_sha256 {
            let mut hash = [0; 32];
            hex::decode_to_slice(key_sha256, &mut hash).map_err(|_| CallerError::NotHex { name: name() })?;
            // `sha256sum` prints this hash where `$KEY` is not set.
            if hash == *Sha256::digest("") {
                return Err(CallerError::EmptyKey { name: name() });
            }
            if self.keys.insert(hash, name().into()).is_some() {
                return Err(CallerError::SharedKey { name: name() });
            }
        }
        let dns = caller.certificate_dns.iter().map(|name| CertificateName::Dns(name.to_ascii_lowercase()));
        let uris = caller.certificate_uri.iter().cloned().map(CertificateName::Uri);
        let subject = caller.certificate_subject.iter().cloned().map(CertificateName::Subject);
        let certificates: Vec<CertificateName> = dns.chain(uris).chain(subject).collect();
        if caller.key_sha256.is_empty() && certificates.is_empty() && caller.tokens.is_empty() {
            return Err(CallerError::NoMeans { name: name() });
        }
        for token in &caller.tokens {
            if !self.issuers.has(&token.issuer) || token.claims.is_empty() {
                return Err(CallerError::Token { name: name() });
            }
            self.claims.push((token.clone(), name().into()));
        }
        // Such a caller could not show who it is.
        if self.accepted == ClientCertificates::NotAccepted && !certificates.is_empty() {
            return Err(CallerError::NoAuthorities { name: name() });
        }
        for certificate in certificates {
            if self.certificates.insert(certificate, name().into()).is_some_and(|other| *other != *caller.name) {
                return Err(CallerError::SharedCertificate { name: name() });
            }
        }
        Ok(())
    }

    /// The caller's name, or `None` where callers need no authentication. Every means that a call
    /// presents must be right, and all must name the same caller.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`].
    pub(crate) fn authenticate(&self, presented: &Presented<'_>) -> Result<Option<Arc<str>>, Error> {
        if !self.knows_callers {
            return Ok(None);
        }
        let by_key = presented.key.map(|key| self.of_bearer(key)).transpose()?;
        let by_certificate = presented.certificate.map(|certificate| self.of_certificate(certificate));
        match (by_key, by_certificate) {
            (Some(name), None) | (None, Some(Some(name))) => Ok(Some(name)),
            (Some(name), Some(Some(other))) if name == other || &*other == ANY_CERTIFICATE => Ok(Some(name)),
            (Some(_), Some(Some(_))) => Err(refused("the key and the client certificate are of two callers")),
            (_, Some(None)) => Err(refused("the client certificate names no caller, or two")),
            (None, None) => Err(refused("send authorization: Bearer <key>")),
        }
    }

    /// The caller with this bearer key or token.
    fn of_bearer(&self, bearer: &str) -> Result<Arc<str>, Error> {
        // The lookup is by hash, so that its duration does not depend on the keys that exist.
        if let Some(name) = self.keys.get(Sha256::digest(bearer).as_slice()) {
            return Ok(name.clone());
        }
        // A JWT has three parts (RFC 7515 section 7.1).
        if self.issuers.is_empty() || bearer.split('.').count() != 3 {
            return Err(refused("send authorization: Bearer <key>"));
        }
        let verified = self.issuers.verify(bearer).map_err(refused)?;
        let of_token = self.claims.iter().filter(|(claims, _)| verified.has(claims)).map(|(_, name)| name);
        let callers: BTreeSet<&Arc<str>> = of_token.collect();
        let mut callers = callers.into_iter();
        match (callers.next(), callers.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => Err(refused("the token's claims are those of no caller, or of two")),
        }
    }

    fn of_certificate(&self, certificate: &VerifiedClientCertificate) -> Option<Arc<str>> {
        let callers: BTreeSet<&Arc<str>> =
            certificate.0.iter().filter_map(|name| self.certificates.get(name)).collect();
        let mut callers = callers.into_iter();
        match (callers.next(), callers.next()) {
            (Some(only), None) => Some(only.clone()),
            // A certificate with the names of two callers tells neither.
            (Some(_), Some(_)) => None,
            (None, _) => (self.accepted == ClientCertificates::Any).then(|| ANY_CERTIFICATE.into()),
        }
    }
}

/// The name of callers whose certificate names none.
const ANY_CERTIFICATE: &str = "(client certificate)";

fn refused(why: &str) -> Error {
    Error::new(Kind::Unauthenticated, format!("the caller is not known: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_issuers() -> Arc<TokenIssuers> {
        Arc::new(TokenIssuers::new(&[]).unwrap())
    }

    fn caller(name: &str, keys: &[&str], dns: &[&str], uri: &[&str]) -> Caller {
        Caller {
            name: name.into(),
            key_sha256: keys.iter().map(|key| hex::encode(Sha256::digest(key))).collect(),
            certificate_dns: dns.iter().map(|&name| name.into()).collect(),
            certificate_uri: uri.iter().map(|&uri| uri.into()).collect(),
            certificate_subject: None,
            tokens: Vec::new(),
        }
    }

    fn certificate(names: &[&str]) -> VerifiedClientCertificate {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => rcgen::SanType::URI((*name).try_into().unwrap()),
                false => rcgen::SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let key = rcgen::KeyPair::generate().unwrap();
        VerifiedClientCertificate::of(parameters.self_signed(&key).unwrap().der())
    }

    #[test]
    fn every_means_that_is_presented_must_be_right_and_of_one_caller() {
        let callers = [
            caller("shop", &["new", "old"], &["Shop.example"], &[]),
            caller("app", &["app"], &[], &["spiffe://example/app"]),
        ];
        let strict = Authenticator::new(&callers, ClientCertificates::OfCallers, no_issuers()).unwrap();
        let any = Authenticator::new(&callers, ClientCertificates::Any, no_issuers()).unwrap();
        let two = certificate(&["shop.example", "spiffe://example/app"]);
        let (shop, app, other) =
            (certificate(&["shop.EXAMPLE"]), certificate(&["spiffe://example/app"]), certificate(&["other.example"]));
        let anybody = Some(ANY_CERTIFICATE);
        for (key, certificate, by_strict, by_any) in [
            (None, None, None, None),
            (Some("new"), None, Some("shop"), Some("shop")),
            (Some("old"), None, Some("shop"), Some("shop")),
            (Some("wrong"), None, None, None),
            (Some(""), None, None, None),
            (None, Some(&shop), Some("shop"), Some("shop")),
            (None, Some(&app), Some("app"), Some("app")),
            (None, Some(&other), None, anybody),
            (Some("new"), Some(&shop), Some("shop"), Some("shop")),
            (Some("new"), Some(&app), None, None),
            (Some("wrong"), Some(&shop), None, None),
            (Some(""), Some(&shop), None, None),
            (Some("new"), Some(&other), None, Some("shop")),
            (None, Some(&two), None, None),
        ] {
            let presented = Presented { key, certificate };
            let name = |known: &Authenticator| known.authenticate(&presented).ok().flatten();
            assert_eq!(name(&strict).as_deref(), by_strict, "{key:?}");
            assert_eq!(name(&any).as_deref(), by_any, "{key:?}");
        }
    }

    #[test]
    fn callers_that_cannot_be_told_apart_are_refused() {
        let fault = |callers: &[Caller], accepted| {
            Authenticator::new(callers, accepted, no_issuers()).err().unwrap().to_string()
        };
        let none = ClientCertificates::NotAccepted;
        let (a, b) = (caller("a", &["k"], &[], &[]), caller("b", &["k"], &[], &[]));
        assert!(fault(&[a.clone(), b], none).contains("b has the key of another caller"));
        let (c, d) = (caller("c", &[], &["x.example"], &[]), caller("d", &[], &["X.example"], &[]));
        assert!(fault(&[c, d], ClientCertificates::OfCallers).contains("certificate's name of another caller"));
        assert!(fault(&[caller(" ", &["k"], &[], &[])], none).contains("has no name"));
        assert!(fault(&[caller("a", &[], &[], &[])], none).contains("none of key_sha256"));
        assert!(fault(&[a], ClientCertificates::OfCallers).contains("any_client_certificate"));
    }

    #[test]
    fn names_in_certificates_that_nobody_can_show_let_nobody_in() {
        let callers = [caller("shop", &[], &["shop.example"], &[])];
        let known = Authenticator::new(&callers, ClientCertificates::NotAccepted, no_issuers());
        let nobody = Presented { key: None, certificate: None };
        assert!(known.is_err_and(|error| error.to_string().contains("tls.client_authorities_file")));
        let known = Authenticator::new(&callers, ClientCertificates::OfCallers, no_issuers()).unwrap();
        assert!(known.authenticate(&nobody).is_err());
    }
}
