//! The list: one line a connector.

mod adyen;
mod airwallex;
mod braintree;
mod deutschebank;
mod getnet;
mod iatapay;
mod itaubank;
mod jpmorgan;
mod paypal;
mod pinelabs_online;
mod stripe;
mod truelayer;
mod trustpay;
mod volt;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<airwallex::Airwallex>(),
    entry::<braintree::Braintree>(),
    entry::<deutschebank::Deutschebank>(),
    entry::<getnet::Getnet>(),
    entry::<iatapay::Iatapay>(),
    entry::<itaubank::Itaubank>(),
    entry::<jpmorgan::Jpmorgan>(),
    entry::<paypal::Paypal>(),
    entry::<pinelabs_online::PinelabsOnline>(),
    entry::<stripe::Stripe>(),
    entry::<truelayer::Truelayer>(),
    entry::<trustpay::Trustpay>(),
    entry::<volt::Volt>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
