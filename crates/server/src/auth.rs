//! Authentication of callers: bearer keys (RFC 6750), kept as SHA-256 hashes, and TLS client
//! certificates. Uses only the error type of `connectors`. Used by `config`, which checks the keys,
//! by `listen`, which marks requests, and by `rpc`, which authenticates each call.

use std::collections::HashMap;

use connectors::{Error, Kind};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A caller that may use this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Its name in the logs.
    pub name: String,
    /// SHA-256 of its key, as hex. Make one with `printf %s "$KEY" | sha256sum`.
    pub key_sha256: String,
}

/// Whether a verified client certificate authenticates a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// It does, as a key does.
    Accepted,
    /// It does not.
    NotAccepted,
}

/// Marks a request on a connection whose client certificate is verified.
#[derive(Clone, Copy)]
pub(crate) struct VerifiedClientCertificate;

/// The means by which a call authenticates its caller.
pub(crate) struct Presented<'a> {
    /// The bearer key of its `authorization` header.
    pub key: Option<&'a str>,
    /// The client certificate of its connection.
    pub certificate: Option<VerifiedClientCertificate>,
}

/// A key hash in the configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyHashError {
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
}

/// The callers that may use this service.
pub(crate) struct Authenticator {
    /// The names of callers by the hash of their keys.
    names: HashMap<[u8; 32], String>,
    certificates: ClientCertificates,
}

impl Authenticator {
    /// An authenticator for these callers.
    ///
    /// # Errors
    /// A key hash cannot be used.
    pub(crate) fn new(callers: &[Caller], certificates: ClientCertificates) -> Result<Self, KeyHashError> {
        let names = callers
            .iter()
            .map(|Caller { name, key_sha256 }| {
                let mut hash = [0; 32];
                hex::decode_to_slice(key_sha256, &mut hash).map_err(|_| KeyHashError::NotHex { name: name.clone() })?;
                // `sha256sum` prints this hash where `$KEY` is not set.
                if hash == *Sha256::digest("") {
                    return Err(KeyHashError::EmptyKey { name: name.clone() });
                }
                Ok((hash, name.clone()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { names, certificates })
    }

    /// The caller's name, or `None` where callers need no authentication.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`].
    pub(crate) fn authenticate(&self, presented: &Presented<'_>) -> Result<Option<String>, Error> {
        let certificates_accepted = self.certificates == ClientCertificates::Accepted;
        if !certificates_accepted && self.names.is_empty() {
            return Ok(None);
        }
        if certificates_accepted && presented.certificate.is_some() {
            return Ok(Some("(client certificate)".into()));
        }
        // The lookup is by hash, so that its duration does not depend on the keys that exist.
        let name = presented.key.and_then(|key| self.names.get(Sha256::digest(key).as_slice()));
        name.map(|name| Some(name.clone())).ok_or_else(|| {
            Error::new(Kind::Unauthenticated, "the caller is not known: send authorization: Bearer <key>")
        })
    }
}
