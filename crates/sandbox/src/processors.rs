//! The list of fakes: one line each.

use crate::processor::Processor;

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

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &airwallex::AIRWALLEX,
    &bankofamerica::BANKOFAMERICA,
    &barclaycard::BARCLAYCARD,
    &billwerk::BILLWERK,
    &braintree::BRAINTREE,
    &cybersource::CYBERSOURCE,
    &datatrans::DATATRANS,
    &deutschebank::DEUTSCHEBANK,
    &fiserv::FISERV,
    &fiservcommercehub::FISERVCOMMERCEHUB,
    &getnet::GETNET,
    &iatapay::IATAPAY,
    &itaubank::ITAUBANK,
    &jpmorgan::JPMORGAN,
    &klarna::KLARNA,
    &mollie::MOLLIE,
    &multisafepay::MULTISAFEPAY,
    &nexinets::NEXINETS,
    &nexixpay::NEXIXPAY,
    &payload::PAYLOAD,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &paystack::PAYSTACK,
    &pinelabs_online::PINELABS_ONLINE,
    &placetopay::PLACETOPAY,
    &powertranz::POWERTRANZ,
    &revolut::REVOLUT,
    &stripe::STRIPE,
    &truelayer::TRUELAYER,
    &trustpay::TRUSTPAY,
    &volt::VOLT,
    &wellsfargo::WELLSFARGO,
    &xendit::XENDIT,
];
