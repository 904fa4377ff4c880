//! The list of fakes: one line each.

use crate::processor::Processor;

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

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &braintree::BRAINTREE,
    &cashfree::CASHFREE,
    &coinbase::COINBASE,
    &globalpay::GLOBALPAY,
    &nuvei::NUVEI,
    &paypal::PAYPAL,
    &paytm::PAYTM,
    &phonepe::PHONEPE,
    &rapyd::RAPYD,
    &shift4::SHIFT4,
    &stripe::STRIPE,
    &trustpayments::TRUSTPAYMENTS,
    &tsys::TSYS,
];
