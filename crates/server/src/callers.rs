//! Who may call: bearer keys, kept as hashes, or client certificates.

use std::collections::HashMap;

use connectors::{Error, Kind};
use connectrpc::RequestContext;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::rpc::single;

/// A caller that may use this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Its name in the logs.
    pub name: String,
    /// SHA-256 of its key, as hex. Make one with `printf %s "$KEY" | sha256sum`.
    pub key_sha256: String,
}

/// Marks a connection whose client certificate was verified.
#[derive(Clone, Copy)]
pub struct VerifiedPeer;

/// Everybody who may call.
pub struct Callers {
    by_hash: HashMap<[u8; 32], String>,
    certificates: bool,
}

impl Callers {
    /// Callers with keys, and whether a verified client certificate is as good as a key.
    ///
    /// # Errors
    /// Where a hash is not 64 hex digits, or that of no key at all.
    pub fn new(callers: &[Caller], certificates: bool) -> Result<Self, String> {
        let by_hash = callers
            .iter()
            .map(|caller| {
                let hash = hex(&caller.key_sha256)
                    .ok_or_else(|| format!("callers: key_sha256 of {} must be 64 hex digits", caller.name))?;
                // What `sha256sum` says where `$KEY` is not set.
                if hash == *Sha256::digest("") {
                    return Err(format!("callers: key_sha256 of {} is that of an empty key", caller.name));
                }
                Ok((hash, caller.name.clone()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { by_hash, certificates })
    }

    /// Whether callers have to prove who they are.
    pub fn are_known(&self) -> bool {
        self.certificates || !self.by_hash.is_empty()
    }

    /// The caller's name, or nothing where everybody may call.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`].
    pub fn admit(&self, context: &RequestContext) -> Result<Option<String>, Error> {
        if !self.are_known() {
            return Ok(None);
        }
        if self.certificates && context.extensions().get::<VerifiedPeer>().is_some() {
            return Ok(Some("(client certificate)".into()));
        }
        let key = single(context, "authorization").ok().flatten().and_then(|value| {
            let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim()).filter(|key| !key.is_empty())
        });
        // The key is looked up by its hash, so the time taken tells nothing about the keys that exist.
        key.and_then(|key| self.by_hash.get(Sha256::digest(key).as_slice())).map(|name| Some(name.clone())).ok_or_else(
            || Error::new(Kind::Unauthenticated, "the caller is not known: send authorization: Bearer <key>"),
        )
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() != 64 {
        return None;
    }
    bytes.try_into().ok()
}
