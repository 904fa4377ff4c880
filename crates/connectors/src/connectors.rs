//! The list: one line a connector.

mod adyen;
mod billwerk;
mod braintree;
mod klarna;
mod mollie;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod paypal;
mod paystack;
mod revolut;
mod stripe;
mod xendit;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<billwerk::Billwerk>(),
    entry::<braintree::Braintree>(),
    entry::<klarna::Klarna>(),
    entry::<mollie::Mollie>(),
    entry::<multisafepay::Multisafepay>(),
    entry::<nexinets::Nexinets>(),
    entry::<nexixpay::Nexixpay>(),
    entry::<payload::Payload>(),
    entry::<paypal::Paypal>(),
    entry::<paystack::Paystack>(),
    entry::<revolut::Revolut>(),
    entry::<stripe::Stripe>(),
    entry::<xendit::Xendit>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
