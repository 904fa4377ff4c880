use connectors::Audience;

use crate::{
    Order,
    keyring::{Digestible, Keyring},
    store::{Fingerprint, Place},
};

/// Under which names an order's token is kept. All of them are keyed hashes over *every* field of the credentials, as they came: a
/// field that a connector gains is in them without anybody's doing.
pub(crate) struct Names {
    /// What logs show instead of the credentials.
    pub fingerprint: Fingerprint,
    /// These credentials on these hosts: what a refusal of the vendor is remembered by.
    pub credentials: [u8; 32],
    /// The caller's reference, by every key of the ring.
    pub reference: Vec<Place>,
    /// Where a SERVER token is shared, by every key of the ring; empty for CLIENT tokens.
    pub shared: Vec<Place>,
    /// Everything that was asked for but the reference: whether two calls with one reference are the same call.
    pub request: [u8; 32],
}

impl Names {
    /// The names of an order.
    pub fn of(order: &Order, keys: &Keyring) -> Self {
        let fields = order.credentials.fields();
        let credentials = |purpose: &str| {
            let text = Digestible::of(purpose).part(order.meta.id);
            // As JSON, so that fields that are objects are in it whole.
            let pairs: Vec<String> =
                fields.iter().flat_map(|(name, value)| [name.clone(), value.to_string()]).collect();
            text.parts(pairs.iter())
        };
        let wanted = |text: Digestible| {
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
        let [a, b, c, d, e, f, g, h, ..] = keys.name(&credentials("fingerprint"));
        let fingerprint = Fingerprint([a, b, c, d, e, f, g, h]);
        let places = |text: Digestible| keys.names(&text).map(|slot| Place { fingerprint, slot }).collect::<Vec<_>>();
        let shared = match order.audience {
            Audience::Client => Vec::new(),
            Audience::Server => places(wanted(credentials("shared"))),
        };
        Self {
            fingerprint,
            credentials: keys.name(
                &credentials("credentials").part(order.mode.label()).parts(order.bases.of_mode(order.mode).iter()),
            ),
            reference: places(credentials("reference").part(&order.reference)),
            shared,
            request: keys.name(&wanted(Digestible::of("request"))),
        }
    }

    /// Where the token itself is kept: by reference, or shared.
    pub fn token(&self) -> &[Place] {
        if self.shared.is_empty() { &self.reference } else { &self.shared }
    }
}
