//! The list of fakes, one line each.
//!
//! A fake uses its vendor's state, requests and answers; the sandbox's state uses this list.

use crate::vendor::FakeVendor;

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
mod cashfree;
mod chargebee;
mod checkout;
mod coinbase;
mod cybersource;
mod datatrans;
mod deutschebank;
mod elavon;
mod fiserv;
mod fiservcommercehub;
mod getnet;
mod globalpay;
mod gocardless;
mod grabpay;
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
mod nuvei;
mod payhere;
mod payload;
mod payone;
mod paypal;
mod paysafe;
mod paystack;
mod paytm;
mod payu;
mod phonepe;
mod pinelabs_online;
mod placetopay;
mod plaid;
mod powertranz;
mod qwikcilver;
mod rapyd;
mod razorpay;
mod revolut;
mod shift4;
mod square;
mod stax;
mod stripe;
mod tesouro;
mod truelayer;
mod trustpay;
mod trustpayments;
mod tsys;
mod volt;
mod wellsfargo;
mod wise;
mod worldline;
mod worldpay;
mod xendit;

/// Every fake, by name.
#[rustfmt::skip] // One line each.
pub static VENDORS: &[&FakeVendor] = &[
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
    &cashfree::CASHFREE,
    &chargebee::CHARGEBEE,
    &checkout::CHECKOUT,
    &coinbase::COINBASE,
    &cybersource::CYBERSOURCE,
    &datatrans::DATATRANS,
    &deutschebank::DEUTSCHEBANK,
    &elavon::ELAVON,
    &fiserv::FISERV,
    &fiservcommercehub::FISERVCOMMERCEHUB,
    &getnet::GETNET,
    &globalpay::GLOBALPAY,
    &gocardless::GOCARDLESS,
    &grabpay::GRABPAY,
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
    &nuvei::NUVEI,
    &payhere::PAYHERE,
    &payload::PAYLOAD,
    &payone::PAYONE,
    &paypal::PAYPAL,
    &paysafe::PAYSAFE,
    &paystack::PAYSTACK,
    &paytm::PAYTM,
    &payu::PAYU,
    &phonepe::PHONEPE,
    &pinelabs_online::PINELABS_ONLINE,
    &placetopay::PLACETOPAY,
    &plaid::PLAID,
    &powertranz::POWERTRANZ,
    &qwikcilver::QWIKCILVER,
    &rapyd::RAPYD,
    &razorpay::RAZORPAY,
    &revolut::REVOLUT,
    &shift4::SHIFT4,
    &square::SQUARE,
    &stax::STAX,
    &stripe::STRIPE,
    &tesouro::TESOURO,
    &truelayer::TRUELAYER,
    &trustpay::TRUSTPAY,
    &trustpayments::TRUSTPAYMENTS,
    &tsys::TSYS,
    &volt::VOLT,
    &wellsfargo::WELLSFARGO,
    &wise::WISE,
    &worldline::WORLDLINE,
    &worldpay::WORLDPAY,
    &xendit::XENDIT,
];

/// The fake of a connector, by its lower-case name.
pub fn fake_vendor(name: &str) -> Option<&'static FakeVendor> {
    VENDORS.iter().copied().find(|vendor| vendor.name == name)
}
