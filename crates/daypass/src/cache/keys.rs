//! The keys under which a request's token is stored. They are hashes under a key that is itself a
//! keyed hash over every field of the credentials, so that a field that a connector gains is in them
//! at once. Secret inputs count as credentials.
//!
//! One secret has one key where a new token ends the one before it, and where the exchange uses the
//! secret up: the value counts and not the place where it was given, and nothing else of the request
//! is in the key.

use connectors::{Error, InputKind, Kind, MintingEndsEarlier, Mode, Result};
use serde_json::Value;

use crate::{
    cache::keyring::{HashInput, Keyring},
    request::{credentials::wipe, validated::TokenRequest},
    store::{Fingerprint, StoreKey},
};

/// The keys of one request.
pub(crate) struct CacheKeys {
    /// The fingerprints of the credentials, one for each key of the ring.
    pub fingerprints: Vec<Fingerprint>,
    /// The key of other names by the current key of the ring.
    naming: [u8; 32],
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
        let credentials = hash_fields(request, &credentials_of(request));
        let naming: Vec<[u8; 32]> = ring.digests(&credentials).collect();
        let store_keys = |input: HashInput| naming.iter().map(|naming| named(naming, &input)).collect();
        let purpose = if request.of_session { "session" } else { "reference" };
        let reference = HashInput::of(purpose)
            .part(request.bases.digest(Mode::Test))
            .part(request.bases.digest(Mode::Live))
            .part(&request.reference);
        // Callers that use one profile hold none of its secrets: what one of them got is not for another.
        let of_caller = |input: HashInput| match request.credentials.lent_to() {
            Some(caller) => input.part("lent to").part(caller),
            None => input,
        };
        let reference = of_caller(reference);
        // A CLIENT grant's token belongs to one reference, also where a backend asks for the values
        // that came with it.
        let shared = is_shared(request).then(|| match exchanges_secret(request) {
            true => one_secret(request),
            false => of_caller(asked_for(request, HashInput::of("shared"))),
        });
        Self {
            reference: store_keys(reference),
            shared: shared.map(store_keys).unwrap_or_default(),
            request: asked_for(request, HashInput::of("request")).unkeyed_digest(),
            fingerprints: naming.iter().map(fingerprint).collect(),
            naming: naming.first().copied().unwrap_or_default(),
        }
    }

    /// The digest of everything that a rejected call was authenticated with, for remembered rejections.
    /// Which inputs a connector authenticates by (a store's id, a region, a prefix of the host) is its
    /// own affair, so all of them are in it.
    pub(super) fn rejection(&self, request: &TokenRequest) -> [u8; 32] {
        asked_for(request, HashInput::of("rejection")).keyed_digest(&self.naming)
    }

    /// The store keys of the token itself: those of a shared one, else those of its reference.
    pub(crate) fn token(&self) -> &[StoreKey] {
        if self.shared.is_empty() { &self.reference } else { &self.shared }
    }

    /// The store key of a new token.
    pub(crate) fn store_key(&self) -> StoreKey {
        self.first_of(self.token())
    }

    /// The store keys of the token's issuance, one for each key of the ring. A new record has the
    /// first one.
    pub(super) fn issuance(&self, request: &TokenRequest, ring: &Keyring) -> Vec<StoreKey> {
        match request.grant.spends.and_then(|name| given(request, name)) {
            Some(secret) => {
                let spent = HashInput::of("spent").part(request.meta.id).part(request.mode.label());
                let spent = spent.part(request.bases.digest(request.mode)).part(secret);
                ring.digests(&spent).map(apart).collect()
            }
            None => self.token().iter().map(|key| derived("issuance", key, &[])).map(apart).collect(),
        }
    }

    /// The store keys of a shared token that was replaced, by its tag.
    pub(super) fn replaced(&self, tag: Tag) -> Vec<StoreKey> {
        let key = |key: &StoreKey| StoreKey { digest: derived("replaced", key, &tag), ..*key };
        self.shared.iter().map(key).collect()
    }

    pub(super) fn first_of(&self, keys: &[StoreKey]) -> StoreKey {
        // A ring has a key, so there is a first one.
        let unused = StoreKey { fingerprint: Fingerprint([0; 8]), digest: self.request };
        keys.first().copied().unwrap_or(unused)
    }

    /// Checks that a record with this digest was made for the same request.
    pub(crate) fn same_request(&self, request: &[u8; 32]) -> Result<()> {
        if *request == self.request { Ok(()) } else { Err(reference_reused()) }
    }
}

/// Whether a new token ends the one before it.
pub(super) fn ends_earlier(request: &TokenRequest) -> bool {
    matches!(request.grant.minting_ends_earlier, MintingEndsEarlier::Yes(_))
}

/// The error for a reference that was used for another request.
pub(super) fn reference_reused() -> Error {
    Error::new(
        Kind::ReferenceReused,
        "this merchant_access_token_id was used for another request, and its token still lives",
    )
}

/// Names a token within its place.
pub(super) type Tag = [u8; 8];

/// Whether references get one token.
pub(super) fn is_shared(request: &TokenRequest) -> bool {
    request.grant.is_shared() && !request.grant.single_use
}

/// Whether the token's place is that of a secret.
pub(super) fn exchanges_secret(request: &TokenRequest) -> bool {
    ends_earlier(request) || request.grant.spends.is_some()
}

/// The store key, by the current key of the ring, of the token that a secret exchanges for: one
/// that came with another token, to be given as this field of the credentials or input.
pub(super) fn successor(request: &TokenRequest, name: &str, secret: &str, ring: &Keyring) -> StoreKey {
    let fields = request.credentials.fields().iter().filter(|(field, _)| *field != name);
    let mut secret = Value::from(secret);
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value)).chain([(name, &secret)]).collect();
    fields.sort_by_key(|(name, _)| *name);
    let naming = ring.digest(&hash_fields(request, &fields));
    wipe(&mut secret);
    named(&naming, &one_secret(request))
}

/// The input of the hash that names the credentials, and is the key of what else is theirs.
fn hash_fields(request: &TokenRequest, fields: &[(&str, &Value)]) -> HashInput {
    let input = HashInput::of("credentials").part(request.meta.id).count(fields.len());
    fields.iter().fold(input, |input, (name, value)| input.part(name).json(value))
}

/// The name of these credentials for people.
fn fingerprint(naming: &[u8; 32]) -> Fingerprint {
    let [a, b, c, d, e, f, g, h, ..] = *naming;
    Fingerprint([a, b, c, d, e, f, g, h])
}

fn named(naming: &[u8; 32], input: &HashInput) -> StoreKey {
    StoreKey { fingerprint: fingerprint(naming), digest: input.keyed_digest(naming) }
}

fn one_secret(request: &TokenRequest) -> HashInput {
    HashInput::of("one secret").part(request.mode.label()).part(request.bases.digest(request.mode))
}

/// A key that belongs to another one.
fn derived(purpose: &str, key: &StoreKey, more: &[u8]) -> [u8; 32] {
    HashInput::of(purpose).part(key.digest).part(more).unkeyed_digest()
}

/// A key that is not forgotten together with the credentials.
fn apart(digest: [u8; 32]) -> StoreKey {
    let [a, b, c, d, e, f, g, h, ..] = digest;
    StoreKey { fingerprint: Fingerprint([a, b, c, d, e, f, g, h]), digest }
}

/// The secret of this name: the input, else the credential.
fn given<'a>(request: &'a TokenRequest, name: &str) -> Option<&'a str> {
    let credential = || request.credentials.fields().get(name).and_then(Value::as_str);
    request.inputs.text(name).or_else(credential)
}

fn is_secret_input(request: &TokenRequest, name: &str) -> bool {
    request.grant.inputs.iter().any(|input| input.name == name && input.kind == InputKind::Secret)
}

/// The credentials and the secret inputs, sorted by name. Where the value of a secret counts, an
/// input takes the place of the credential of its name.
fn credentials_of(request: &TokenRequest) -> Vec<(&str, &Value)> {
    let inputs = || request.inputs.iter().filter(|(name, _)| is_secret_input(request, name));
    let replaced = |name: &str| exchanges_secret(request) && inputs().any(|(input, _)| input == name);
    let fields = request.credentials.fields().iter().map(|(name, value)| (name.as_str(), value));
    let mut fields: Vec<_> = fields.filter(|(name, _)| !replaced(name)).chain(inputs()).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Adds everything that was asked for, without the reference and the credentials.
fn asked_for(request: &TokenRequest, input: HashInput) -> HashInput {
    // The place of a secret that is exchanged does not matter.
    let left_out = |name: &str| exchanges_secret(request) && is_secret_input(request, name);
    let inputs = || request.inputs.iter().filter(|(name, _)| !left_out(name));
    let input = input
        .part(request.mode.label())
        .part(request.grant.name)
        .part(request.audience.label())
        .part(request.bases.digest(request.mode))
        .parts(request.inputs.scopes.iter())
        .count(inputs().count());
    inputs()
        .fold(input, |input, (name, value)| input.part(name).json(value))
        .part(request.inputs.ttl_seconds.map(u32::to_le_bytes).unwrap_or_default())
        .parts(request.inputs.metadata.keys())
        .parts(request.inputs.metadata.values())
}
