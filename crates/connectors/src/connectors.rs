//! The list: one line a connector.

mod adyen;
mod bankofamerica;
mod barclaycard;
mod braintree;
mod cybersource;
mod datatrans;
mod fiserv;
mod fiservcommercehub;
mod payone;
mod paypal;
mod placetopay;
mod powertranz;
mod stripe;
mod wellsfargo;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<bankofamerica::BankOfAmerica>(),
    entry::<barclaycard::Barclaycard>(),
    entry::<braintree::Braintree>(),
    entry::<cybersource::Cybersource>(),
    entry::<datatrans::Datatrans>(),
    entry::<fiserv::Fiserv>(),
    entry::<fiservcommercehub::FiservCommerceHub>(),
    entry::<payone::Payone>(),
    entry::<paypal::Paypal>(),
    entry::<placetopay::Placetopay>(),
    entry::<powertranz::Powertranz>(),
    entry::<stripe::Stripe>(),
    entry::<wellsfargo::WellsFargo>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
