//! The list of fakes: one line each.

use crate::processor::Processor;

mod adyen;
mod braintree;
mod paypal;
mod stripe;

/// Every fake, by name.
pub static PROCESSORS: &[&Processor] = &[&adyen::ADYEN, &braintree::BRAINTREE, &paypal::PAYPAL, &stripe::STRIPE];
