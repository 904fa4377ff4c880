//! The list: one line a connector.

mod aci;
mod adyen;
mod adyenplatform;
mod authorizedotnet;
mod bluesnap;
mod braintree;
mod chargebee;
mod elavon;
mod gocardless;
mod helcim;
mod hyperpg;
mod paypal;
mod paysafe;
mod stripe;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<aci::Aci>(),
    entry::<adyen::Adyen>(),
    entry::<adyenplatform::Adyenplatform>(),
    entry::<authorizedotnet::Authorizedotnet>(),
    entry::<bluesnap::Bluesnap>(),
    entry::<braintree::Braintree>(),
    entry::<chargebee::Chargebee>(),
    entry::<elavon::Elavon>(),
    entry::<gocardless::Gocardless>(),
    entry::<helcim::Helcim>(),
    entry::<hyperpg::Hyperpg>(),
    entry::<paypal::Paypal>(),
    entry::<paysafe::Paysafe>(),
    entry::<stripe::Stripe>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
