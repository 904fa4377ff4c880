//! The list: one line a connector.

mod adyen;
mod braintree;
mod checkout;
mod moneris;
mod paypal;
mod payu;
mod plaid;
mod razorpay;
mod square;
mod stax;
mod stripe;
mod wise;
mod worldline;
mod worldpay;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<braintree::Braintree>(),
    entry::<checkout::Checkout>(),
    entry::<moneris::Moneris>(),
    entry::<paypal::Paypal>(),
    entry::<payu::Payu>(),
    entry::<plaid::Plaid>(),
    entry::<razorpay::Razorpay>(),
    entry::<square::Square>(),
    entry::<stax::Stax>(),
    entry::<stripe::Stripe>(),
    entry::<wise::Wise>(),
    entry::<worldline::Worldline>(),
    entry::<worldpay::Worldpay>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
