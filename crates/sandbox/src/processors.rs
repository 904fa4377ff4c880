//! The list of fakes: one line each.

use crate::processor::Processor;

mod aci;
mod adyen;
mod adyenplatform;
mod authorizedotnet;
mod bluesnap;
mod braintree;
mod chargebee;
mod elavon;
mod gocardless;
mod helcim;
mod hyperpg;
mod paypal;
mod paysafe;
mod stripe;

/// Every fake, by name.
pub static PROCESSORS: &[&Processor] = &[
    &aci::ACI,
    &adyen::ADYEN,
    &adyenplatform::ADYENPLATFORM,
    &authorizedotnet::AUTHORIZEDOTNET,
    &bluesnap::BLUESNAP,
    &braintree::BRAINTREE,
    &chargebee::CHARGEBEE,
    &elavon::ELAVON,
    &gocardless::GOCARDLESS,
    &helcim::HELCIM,
    &hyperpg::HYPERPG,
    &paypal::PAYPAL,
    &paysafe::PAYSAFE,
    &stripe::STRIPE,
];
