//! The list of fakes: one line each.

use crate::processor::Processor;

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

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &bankofamerica::BANKOFAMERICA,
    &barclaycard::BARCLAYCARD,
    &billwerk::BILLWERK,
    &braintree::BRAINTREE,
    &cybersource::CYBERSOURCE,
    &datatrans::DATATRANS,
    &fiserv::FISERV,
    &fiservcommercehub::FISERVCOMMERCEHUB,
    &klarna::KLARNA,
    &mollie::MOLLIE,
    &multisafepay::MULTISAFEPAY,
    &nexinets::NEXINETS,
    &nexixpay::NEXIXPAY,
    &payload::PAYLOAD,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &paystack::PAYSTACK,
    &placetopay::PLACETOPAY,
    &powertranz::POWERTRANZ,
    &revolut::REVOLUT,
    &stripe::STRIPE,
    &wellsfargo::WELLSFARGO,
    &xendit::XENDIT,
];
