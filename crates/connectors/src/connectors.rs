//! The list of the connectors that give tokens: one line for the module, one line for the entry.

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

use crate::registry::{Registration, entry};

/// Every connector that gives tokens, in alphabetical order.
#[rustfmt::skip] // One line each.
pub static CONNECTORS: &[Registration] = &[
    entry::<aci::Aci>(),
    entry::<adyen::Adyen>(),
    entry::<adyenplatform::Adyenplatform>(),
    entry::<airwallex::Airwallex>(),
    entry::<authorizedotnet::Authorizedotnet>(),
    entry::<bankofamerica::BankOfAmerica>(),
    entry::<barclaycard::Barclaycard>(),
    entry::<billwerk::Billwerk>(),
    entry::<bluesnap::Bluesnap>(),
    entry::<braintree::Braintree>(),
    entry::<cashfree::Cashfree>(),
    entry::<chargebee::Chargebee>(),
    entry::<checkout::Checkout>(),
    entry::<coinbase::Coinbase>(),
    entry::<cybersource::Cybersource>(),
    entry::<datatrans::Datatrans>(),
    entry::<deutschebank::Deutschebank>(),
    entry::<elavon::Elavon>(),
    entry::<fiserv::Fiserv>(),
    entry::<fiservcommercehub::FiservCommerceHub>(),
    entry::<getnet::Getnet>(),
    entry::<globalpay::Globalpay>(),
    entry::<gocardless::Gocardless>(),
    entry::<grabpay::Grabpay>(),
    entry::<helcim::Helcim>(),
    entry::<hyperpg::Hyperpg>(),
    entry::<iatapay::Iatapay>(),
    entry::<itaubank::Itaubank>(),
    entry::<jpmorgan::Jpmorgan>(),
    entry::<klarna::Klarna>(),
    entry::<mollie::Mollie>(),
    entry::<moneris::Moneris>(),
    entry::<multisafepay::Multisafepay>(),
    entry::<nexinets::Nexinets>(),
    entry::<nexixpay::Nexixpay>(),
    entry::<nuvei::Nuvei>(),
    entry::<payhere::Payhere>(),
    entry::<payload::Payload>(),
    entry::<payone::Payone>(),
    entry::<paypal::Paypal>(),
    entry::<paysafe::Paysafe>(),
    entry::<paystack::Paystack>(),
    entry::<paytm::Paytm>(),
    entry::<payu::Payu>(),
    entry::<phonepe::Phonepe>(),
    entry::<pinelabs_online::PinelabsOnline>(),
    entry::<placetopay::Placetopay>(),
    entry::<plaid::Plaid>(),
    entry::<powertranz::Powertranz>(),
    entry::<qwikcilver::Qwikcilver>(),
    entry::<rapyd::Rapyd>(),
    entry::<razorpay::Razorpay>(),
    entry::<revolut::Revolut>(),
    entry::<shift4::Shift4>(),
    entry::<square::Square>(),
    entry::<stax::Stax>(),
    entry::<stripe::Stripe>(),
    entry::<tesouro::Tesouro>(),
    entry::<truelayer::Truelayer>(),
    entry::<trustpay::Trustpay>(),
    entry::<trustpayments::Trustpayments>(),
    entry::<tsys::Tsys>(),
    entry::<volt::Volt>(),
    entry::<wellsfargo::WellsFargo>(),
    entry::<wise::Wise>(),
    entry::<worldline::Worldline>(),
    entry::<worldpay::Worldpay>(),
    entry::<xendit::Xendit>(),
];

/// The connector of that id ([`crate::Meta::id`]).
pub fn find(id: &str) -> Option<&'static Registration> {
    CONNECTORS.iter().find(|entry| entry.meta.id == id)
}
