//! The list of fakes: one line each.

use crate::processor::Processor;

mod adyen;
mod braintree;
mod checkout;
mod moneris;
mod paypal;
mod payu;
mod plaid;
mod razorpay;
mod square;
mod stax;
mod stripe;
mod wise;
mod worldline;
mod worldpay;

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &adyen::ADYEN,
    &braintree::BRAINTREE,
    &checkout::CHECKOUT,
    &moneris::MONERIS,
    &paypal::PAYPAL,
    &payu::PAYU,
    &plaid::PLAID,
    &razorpay::RAZORPAY,
    &square::SQUARE,
    &stax::STAX,
    &stripe::STRIPE,
    &wise::WISE,
    &worldline::WORLDLINE,
    &worldpay::WORLDPAY,
];
