//! The list: one line a connector.

mod adyen;
mod bankofamerica;
mod barclaycard;
mod billwerk;
mod braintree;
mod cybersource;
mod datatrans;
mod fiserv;
mod fiservcommercehub;
mod klarna;
mod mollie;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod payone;
mod paypal;
mod paystack;
mod placetopay;
mod powertranz;
mod revolut;
mod stripe;
mod wellsfargo;
mod xendit;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<bankofamerica::BankOfAmerica>(),
    entry::<barclaycard::Barclaycard>(),
    entry::<billwerk::Billwerk>(),
    entry::<braintree::Braintree>(),
    entry::<cybersource::Cybersource>(),
    entry::<datatrans::Datatrans>(),
    entry::<fiserv::Fiserv>(),
    entry::<fiservcommercehub::FiservCommerceHub>(),
    entry::<klarna::Klarna>(),
    entry::<mollie::Mollie>(),
    entry::<multisafepay::Multisafepay>(),
    entry::<nexinets::Nexinets>(),
    entry::<nexixpay::Nexixpay>(),
    entry::<payload::Payload>(),
    entry::<payone::Payone>(),
    entry::<paypal::Paypal>(),
    entry::<paystack::Paystack>(),
    entry::<placetopay::Placetopay>(),
    entry::<powertranz::Powertranz>(),
    entry::<revolut::Revolut>(),
    entry::<stripe::Stripe>(),
    entry::<wellsfargo::WellsFargo>(),
    entry::<xendit::Xendit>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
