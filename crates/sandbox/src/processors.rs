//! The list of fakes: one line each.

use crate::processor::Processor;

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

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &bankofamerica::BANKOFAMERICA,
    &barclaycard::BARCLAYCARD,
    &braintree::BRAINTREE,
    &cybersource::CYBERSOURCE,
    &datatrans::DATATRANS,
    &fiserv::FISERV,
    &fiservcommercehub::FISERVCOMMERCEHUB,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &placetopay::PLACETOPAY,
    &powertranz::POWERTRANZ,
    &stripe::STRIPE,
    &wellsfargo::WELLSFARGO,
];
