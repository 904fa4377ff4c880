//! The list of fakes: one line each.

use crate::processor::Processor;

mod aci;
mod adyen;
mod braintree;
mod paypal;
mod stripe;

/// Every fake, by name.
pub static PROCESSORS: &[&Processor] = &[
    &aci::ACI,
    &adyen::ADYEN,
    &braintree::BRAINTREE,
    &paypal::PAYPAL,
    &stripe::STRIPE,
];
