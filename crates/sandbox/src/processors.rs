//! The list of fakes: one line each.

use crate::processor::Processor;

mod adyen;
mod airwallex;
mod braintree;
mod deutschebank;
mod getnet;
mod iatapay;
mod itaubank;
mod jpmorgan;
mod paypal;
mod pinelabs_online;
mod stripe;
mod truelayer;
mod trustpay;
mod volt;

/// Every fake, by name.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &airwallex::AIRWALLEX,
    &braintree::BRAINTREE,
    &deutschebank::DEUTSCHEBANK,
    &getnet::GETNET,
    &iatapay::IATAPAY,
    &itaubank::ITAUBANK,
    &jpmorgan::JPMORGAN,
    &paypal::PAYPAL,
    &pinelabs_online::PINELABS_ONLINE,
    &stripe::STRIPE,
    &truelayer::TRUELAYER,
    &trustpay::TRUSTPAY,
    &volt::VOLT,
];
