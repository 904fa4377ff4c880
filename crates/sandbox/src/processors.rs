//! The list of fakes: one line each.

use crate::processor::Processor;

mod aci;
mod adyen;
mod adyenplatform;
mod airwallex;
mod authorizedotnet;
mod bankofamerica;
mod barclaycard;
mod billwerk;
mod bluesnap;
mod braintree;
mod chargebee;
mod cybersource;
mod datatrans;
mod deutschebank;
mod elavon;
mod fiserv;
mod fiservcommercehub;
mod getnet;
mod gocardless;
mod helcim;
mod hyperpg;
mod iatapay;
mod itaubank;
mod jpmorgan;
mod klarna;
mod mollie;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod payone;
mod paypal;
mod paysafe;
mod paystack;
mod pinelabs_online;
mod placetopay;
mod powertranz;
mod revolut;
mod stripe;
mod truelayer;
mod trustpay;
mod volt;
mod wellsfargo;
mod xendit;

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static PROCESSORS: &[&Processor] = &[
    &aci::ACI,
    &adyen::ADYEN,
    &adyenplatform::ADYENPLATFORM,
    &airwallex::AIRWALLEX,
    &authorizedotnet::AUTHORIZEDOTNET,
    &bankofamerica::BANKOFAMERICA,
    &barclaycard::BARCLAYCARD,
    &billwerk::BILLWERK,
    &bluesnap::BLUESNAP,
    &braintree::BRAINTREE,
    &chargebee::CHARGEBEE,
    &cybersource::CYBERSOURCE,
    &datatrans::DATATRANS,
    &deutschebank::DEUTSCHEBANK,
    &elavon::ELAVON,
    &fiserv::FISERV,
    &fiservcommercehub::FISERVCOMMERCEHUB,
    &getnet::GETNET,
    &gocardless::GOCARDLESS,
    &helcim::HELCIM,
    &hyperpg::HYPERPG,
    &iatapay::IATAPAY,
    &itaubank::ITAUBANK,
    &jpmorgan::JPMORGAN,
    &klarna::KLARNA,
    &mollie::MOLLIE,
    &multisafepay::MULTISAFEPAY,
    &nexinets::NEXINETS,
    &nexixpay::NEXIXPAY,
    &payload::PAYLOAD,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &paysafe::PAYSAFE,
    &paystack::PAYSTACK,
    &pinelabs_online::PINELABS_ONLINE,
    &placetopay::PLACETOPAY,
    &powertranz::POWERTRANZ,
    &revolut::REVOLUT,
    &stripe::STRIPE,
    &truelayer::TRUELAYER,
    &trustpay::TRUSTPAY,
    &volt::VOLT,
    &wellsfargo::WELLSFARGO,
    &xendit::XENDIT,
];
