//! The list: one line a connector.

mod adyen;
mod airwallex;
mod bankofamerica;
mod barclaycard;
mod billwerk;
mod braintree;
mod cybersource;
mod datatrans;
mod deutschebank;
mod fiserv;
mod fiservcommercehub;
mod getnet;
mod iatapay;
mod itaubank;
mod jpmorgan;
mod klarna;
mod mollie;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod payone;
mod paypal;
mod paystack;
mod pinelabs_online;
mod placetopay;
mod powertranz;
mod revolut;
mod stripe;
mod truelayer;
mod trustpay;
mod volt;
mod wellsfargo;
mod xendit;

use crate::{Entry, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Entry] = &[
    entry::<adyen::Adyen>(),
    entry::<airwallex::Airwallex>(),
    entry::<bankofamerica::BankOfAmerica>(),
    entry::<barclaycard::Barclaycard>(),
    entry::<billwerk::Billwerk>(),
    entry::<braintree::Braintree>(),
    entry::<cybersource::Cybersource>(),
    entry::<datatrans::Datatrans>(),
    entry::<deutschebank::Deutschebank>(),
    entry::<fiserv::Fiserv>(),
    entry::<fiservcommercehub::FiservCommerceHub>(),
    entry::<getnet::Getnet>(),
    entry::<iatapay::Iatapay>(),
    entry::<itaubank::Itaubank>(),
    entry::<jpmorgan::Jpmorgan>(),
    entry::<klarna::Klarna>(),
    entry::<mollie::Mollie>(),
    entry::<multisafepay::Multisafepay>(),
    entry::<nexinets::Nexinets>(),
    entry::<nexixpay::Nexixpay>(),
    entry::<payload::Payload>(),
    entry::<payone::Payone>(),
    entry::<paypal::Paypal>(),
    entry::<paystack::Paystack>(),
    entry::<pinelabs_online::PinelabsOnline>(),
    entry::<placetopay::Placetopay>(),
    entry::<powertranz::Powertranz>(),
    entry::<revolut::Revolut>(),
    entry::<stripe::Stripe>(),
    entry::<truelayer::Truelayer>(),
    entry::<trustpay::Trustpay>(),
    entry::<volt::Volt>(),
    entry::<wellsfargo::WellsFargo>(),
    entry::<xendit::Xendit>(),
];

/// The connector of that name (lower case, as in the enum).
pub fn find(id: &str) -> Option<&'static Entry> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
