//! The keys under which a request's token is stored. They are keyed hashes over every field of the
//! credentials, so that a field that a connector gains is in them at once. Secret inputs count as
//! credentials.

use connectors::{Error, InputKind, Kind, Mode, Result};
use zeroize::Zeroizing;

use crate::{
    cache::keyring::{HashInput, Keyring},
    request::validated::TokenRequest,
    store::{Fingerprint, StoreKey},
};

/// The keys of one request.
pub(crate) struct CacheKeys {
    /// The fingerprints of the credentials, one for each key of the ring.
    pub fingerprints: Vec<Fingerprint>,
    /// The digest of the credentials on these hosts, for remembered rejections.
    pub credentials: [u8; 32],
    /// The store keys of the reference's note, one for each key of the ring.
    pub reference: Vec<StoreKey>,
    /// The store keys of a shared SERVER token, one for each key of the ring. Empty where each
    /// reference has its own token.
    pub shared: Vec<StoreKey>,
    /// The digest of everything that was asked for, without the reference. Two calls with one
    /// reference are the same call where it is equal. It does not depend on the ring, whose keys
    /// change.
    pub request: [u8; 32],
}

impl CacheKeys {
    /// The keys of a request.
    pub(crate) fn of(request: &TokenRequest, ring: &Keyring) -> Self {
        let credentials = credentials_of(request);
        let credentials = |purpose: &str| {
            let input = HashInput::of(purpose).part(request.meta.id);
            let input = input.parts(credentials.iter().map(|(name, _)| name));
            input.parts(credentials.iter().map(|(_, value)| value.as_bytes()))
        };
        let urls = |input: HashInput, mode: Mode| input.parts(request.bases.of_mode(mode).iter());
        let fingerprints: Vec<Fingerprint> = ring
            .digests(&credentials("fingerprint"))
            .map(|[a, b, c, d, e, f, g, h, ..]| Fingerprint([a, b, c, d, e, f, g, h]))
            .collect();
        let store_keys = |input: HashInput| -> Vec<StoreKey> {
            let digests = ring.digests(&input).zip(&fingerprints);
            digests.map(|(digest, fingerprint)| StoreKey { fingerprint: *fingerprint, digest }).collect()
        };
        let reference = urls(urls(credentials("reference"), Mode::Test), Mode::Live).part(&request.reference);
        let rejection = urls(credentials("credentials").part(request.mode.label()), request.mode);
        // A CLIENT grant's token belongs to one reference, also where a backend asks for the values
        // that came with it.
        let shared = request.grant.is_shared().then(|| asked_for(request, credentials("shared")));
        Self {
            credentials: ring.digest(&rejection),
            reference: store_keys(reference),
            shared: shared.map(store_keys).unwrap_or_default(),
            request: asked_for(request, HashInput::of("request")).unkeyed_digest(),
            fingerprints,
        }
    }

    /// The store keys of the token itself: those of a shared one, else those of its reference.
    pub(crate) fn token(&self) -> &[StoreKey] {
        if self.shared.is_empty() { &self.reference } else { &self.shared }
    }

    /// The store key of a new token.
    pub(crate) fn store_key(&self) -> StoreKey {
        // A ring has a key, so there is a first one.
        let unused = StoreKey { fingerprint: Fingerprint([0; 8]), digest: self.request };
        self.token().first().copied().unwrap_or(unused)
    }

    /// Checks that a record with this digest was made for the same request.
    pub(crate) fn same_request(&self, request: &[u8; 32]) -> Result<()> {
        if *request == self.request { Ok(()) } else { Err(reference_reused()) }
    }
}

/// The error for a reference that was used for another request.
pub(super) fn reference_reused() -> Error {
    Error::new(
        Kind::ReferenceReused,
        "this merchant_access_token_id was used for another request, and its token still lives",
    )
}

/// The credentials and the secret inputs, sorted by name.
fn credentials_of(request: &TokenRequest) -> Vec<(&str, Zeroizing<String>)> {
    let is_secret =
        |name: &str| request.grant.inputs.iter().any(|input| input.name == name && input.kind == InputKind::Secret);
    let inputs = request.inputs.iter().filter(|(name, _)| is_secret(name));
    let fields = request.credentials.fields().iter().map(|(name, value)| (name.as_str(), value)).chain(inputs);
    let mut fields: Vec<_> = fields.map(|(name, value)| (name, Zeroizing::new(value.to_string()))).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Adds everything that was asked for, without the reference and the credentials.
fn asked_for(request: &TokenRequest, input: HashInput) -> HashInput {
    let inputs: Vec<String> =
        request.inputs.iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]).collect();
    input
        .part(request.mode.label())
        .part(request.grant.name)
        .part(request.audience.label())
        .parts(request.bases.of_mode(request.mode).iter())
        .parts(request.inputs.scopes.iter())
        .parts(inputs.iter())
        .part(request.inputs.ttl_seconds.map(u32::to_le_bytes).unwrap_or_default())
        .parts(request.inputs.metadata.keys())
        .parts(request.inputs.metadata.values())
}
