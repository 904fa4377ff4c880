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
mod checkout;
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
mod moneris;
mod multisafepay;
mod nexinets;
mod nexixpay;
mod payload;
mod payone;
mod paypal;
mod paysafe;
mod paystack;
mod payu;
mod pinelabs_online;
mod placetopay;
mod plaid;
mod powertranz;
mod razorpay;
mod revolut;
mod square;
mod stax;
mod stripe;
mod truelayer;
mod trustpay;
mod volt;
mod wellsfargo;
mod wise;
mod worldline;
mod worldpay;
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
    &checkout::CHECKOUT,
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
    &moneris::MONERIS,
    &multisafepay::MULTISAFEPAY,
    &nexinets::NEXINETS,
    &nexixpay::NEXIXPAY,
    &payload::PAYLOAD,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &paysafe::PAYSAFE,
    &paystack::PAYSTACK,
    &payu::PAYU,
    &pinelabs_online::PINELABS_ONLINE,
    &placetopay::PLACETOPAY,
    &plaid::PLAID,
    &powertranz::POWERTRANZ,
    &razorpay::RAZORPAY,
    &revolut::REVOLUT,
    &square::SQUARE,
    &stax::STAX,
    &stripe::STRIPE,
    &truelayer::TRUELAYER,
    &trustpay::TRUSTPAY,
    &volt::VOLT,
    &wellsfargo::WELLSFARGO,
    &wise::WISE,
    &worldline::WORLDLINE,
    &worldpay::WORLDPAY,
    &xendit::XENDIT,
];
