//! The list of fakes: one line each.

use crate::processor::Processor;

mod adyen;
mod billwerk;
mod braintree;
mod klarna;
mod mollie;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod paypal;
mod paystack;
mod revolut;
mod stripe;
mod xendit;

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &billwerk::BILLWERK,
    &braintree::BRAINTREE,
    &klarna::KLARNA,
    &mollie::MOLLIE,
    &multisafepay::MULTISAFEPAY,
    &nexinets::NEXINETS,
    &nexixpay::NEXIXPAY,
    &payload::PAYLOAD,
    &paypal::PAYPAL,
    &paystack::PAYSTACK,
    &revolut::REVOLUT,
    &stripe::STRIPE,
    &xendit::XENDIT,
];
