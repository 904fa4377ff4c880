//! The list: one line a connector.

mod adyen;
mod braintree;
mod cashfree;
mod coinbase;
mod globalpay;
mod nuvei;
mod paypal;
mod paytm;
mod phonepe;
mod rapyd;
mod shift4;
mod stripe;
mod trustpayments;
mod tsys;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<braintree::Braintree>(),
    entry::<cashfree::Cashfree>(),
    entry::<coinbase::Coinbase>(),
    entry::<globalpay::Globalpay>(),
    entry::<nuvei::Nuvei>(),
    entry::<paypal::Paypal>(),
    entry::<paytm::Paytm>(),
    entry::<phonepe::Phonepe>(),
    entry::<rapyd::Rapyd>(),
    entry::<shift4::Shift4>(),
    entry::<stripe::Stripe>(),
    entry::<trustpayments::Trustpayments>(),
    entry::<tsys::Tsys>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
