use connectors::{InputKind, Mode};
use zeroize::Zeroizing;

use crate::{
    TokenRequest,
    keyring::{HashInput, Keyring},
    store::{Fingerprint, Place},
};

/// Under which names an order's token is kept. All of them are keyed hashes over *every* field of the credentials, as they came: a
/// field that a connector gains is in them without anybody's doing. So are inputs that are secret: they are credentials, too.
pub(crate) struct Names {
    /// What logs show instead of the credentials, by every key of the ring.
    pub fingerprints: Vec<Fingerprint>,
    /// These credentials on these hosts: what a refusal of the vendor is remembered by.
    pub credentials: [u8; 32],
    /// The caller's reference, by every key of the ring.
    pub reference: Vec<Place>,
    /// Where a SERVER token is shared, by every key of the ring; empty where each reference has its own.
    pub shared: Vec<Place>,
    /// Everything that was asked for but the reference: whether two calls with one reference are the same call. The same by
    /// every ring, as it is kept where rings may change.
    pub request: [u8; 32],
}

impl Names {
    /// The names of an order.
    pub fn of(order: &TokenRequest, keys: &Keyring) -> Self {
        let secret = |name: &str| order.grant.inputs.iter().any(|it| it.name == name && it.kind == InputKind::Secret);
        let inputs = order.inputs.iter().filter(|(name, _)| secret(name));
        let fields = order.credentials.fields().iter().map(|(name, value)| (name.as_str(), value)).chain(inputs);
        let mut fields: Vec<(&str, Zeroizing<String>)> =
            fields.map(|(name, value)| (name, Zeroizing::new(value.to_string()))).collect();
        fields.sort_by_key(|(name, _)| *name);
        let credentials = |purpose: &str| {
            let text = HashInput::of(purpose).part(order.meta.id);
            text.parts(fields.iter().map(|(name, _)| name)).parts(fields.iter().map(|(_, value)| value.as_bytes()))
        };
        let hosts = |text: HashInput| {
            text.parts(order.bases.of_mode(Mode::Test).iter()).parts(order.bases.of_mode(Mode::Live).iter())
        };
        let wanted = |text: HashInput| {
            let inputs: Vec<String> =
                order.inputs.iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]).collect();
            text.part(order.mode.label())
                .part(order.grant.name)
                .part(order.audience.label())
                .parts(order.bases.of_mode(order.mode).iter())
                .parts(order.inputs.scopes.iter())
                .parts(inputs.iter())
                .part(order.inputs.ttl_seconds.map(u32::to_le_bytes).unwrap_or_default())
                .parts(order.inputs.metadata.keys())
                .parts(order.inputs.metadata.values())
        };
        let fingerprints: Vec<Fingerprint> = keys
            .names(&credentials("fingerprint"))
            .map(|[a, b, c, d, e, f, g, h, ..]| Fingerprint([a, b, c, d, e, f, g, h]))
            .collect();
        let places = |text: HashInput| -> Vec<Place> {
            let slots = keys.names(&text).zip(&fingerprints);
            slots.map(|(slot, fingerprint)| Place { fingerprint: *fingerprint, slot }).collect()
        };
        // A CLIENT grant's token is its reference's alone, also where a backend asks for the values that came with it.
        let shared = if order.grant.is_shared() { places(wanted(credentials("shared"))) } else { Vec::new() };
        Self {
            credentials: keys.name(
                &credentials("credentials").part(order.mode.label()).parts(order.bases.of_mode(order.mode).iter()),
            ),
            reference: places(hosts(credentials("reference")).part(&order.reference)),
            shared,
            request: wanted(HashInput::of("request")).digest(),
            fingerprints,
        }
    }

    /// Where the token itself is kept: by reference, or shared.
    pub fn token(&self) -> &[Place] {
        if self.shared.is_empty() { &self.reference } else { &self.shared }
    }

    /// The one of them where a new token is put.
    pub fn place(&self) -> Place {
        // A ring has a key, so there is one.
        let nowhere = Place { fingerprint: Fingerprint([0; 8]), slot: self.request };
        self.token().first().copied().unwrap_or(nowhere)
    }
}
