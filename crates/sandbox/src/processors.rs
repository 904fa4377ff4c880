//! The list of fakes: one line each.

use crate::processor::Processor;

mod adyen;
mod braintree;
mod paypal;
mod stripe;
#[cfg(test)]
mod tests;

/// Every fake, by name.
pub static PROCESSORS: &[&Processor] = &[&adyen::ADYEN, &braintree::BRAINTREE, &paypal::PAYPAL, &stripe::STRIPE];
