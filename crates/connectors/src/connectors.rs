//! The list: one line a connector.

mod stripe;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
pub static CONNECTORS: &[Entry] = &[entry::<stripe::Stripe>()];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
