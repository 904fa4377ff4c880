//! The credentials in the forms that existing clients of this API send: further fields, and values
//! by position. Data only; the engine's request check and the server use it.
//!
//! Sources: the credential messages of the client package `hyperswitch-prism` 0.6.0 (fields), and
//! juspay/connector-service, `domain_types/src/router_data.rs` of 2026 (positions).

/// The meaning of a field that the connector's own credentials do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FurtherField {
    /// A host. Callers do not choose where credentials go, so it must be one of the connector's own.
    Host,
    /// The token call has no use for it.
    Ignored,
    /// The input of this name, where the grant has one and the request does not give it.
    Input,
}

use FurtherField::{Host, Ignored, Input};

/// `(connector, its further fields)`. Every connector also has `base_url`.
const FURTHER_FIELDS: &[(&str, &[(&str, FurtherField)])] = &[
    ("adyen", &[("dispute_base_url", Ignored), ("endpoint_prefix", Input)]),
    ("billwerk", &[("secondary_base_url", Host)]),
    (
        "braintree",
        &[
            ("merchant_account_id", Input),
            ("merchant_config_currency", Ignored),
            ("apple_pay_supported_networks", Ignored),
            ("apple_pay_merchant_capabilities", Ignored),
            ("apple_pay_label", Ignored),
            ("gpay_merchant_name", Ignored),
            ("gpay_merchant_id", Ignored),
            ("gpay_allowed_auth_methods", Ignored),
            ("gpay_allowed_card_networks", Ignored),
            ("paypal_client_id", Ignored),
            ("gpay_gateway_merchant_id", Ignored),
        ],
    ),
    ("cybersource", &[("disable_avs", Ignored), ("disable_cvn", Ignored)]),
    ("fiserv", &[("terminal_id", Input)]),
    ("globalpay", &[("account_name", Ignored)]),
    ("itaubank", &[("secondary_base_url", Host)]),
    ("jpmorgan", &[("secondary_base_url", Host)]),
    ("mollie", &[("secondary_base_url", Host)]),
    ("paysafe", &[("account_id", Ignored)]),
    ("plaid", &[("client_name", Input)]),
    ("truelayer", &[("secondary_base_url", Host)]),
    ("trustpay", &[("base_url_bank_redirects", Host)]),
    ("volt", &[("secondary_base_url", Host)]),
    ("worldpay", &[("merchant_name", Ignored)]),
];

/// The meaning of a field for the connector of that id; `None` where existing clients have no such
/// field.
pub fn further_field(connector: &str, field: &str) -> Option<FurtherField> {
    if field == "base_url" {
        return Some(Host);
    }
    let (_, fields) = FURTHER_FIELDS.iter().find(|(id, _)| *id == connector)?;
    fields.iter().find(|(name, _)| *name == field).map(|(_, meaning)| *meaning)
}

/// The further fields of the connector of that id, each of which has a meaning.
pub fn further_fields(connector: &str) -> impl Iterator<Item = &'static str> {
    let own = FURTHER_FIELDS.iter().find(|(id, _)| *id == connector).map(|(_, fields)| *fields);
    own.into_iter().flatten().map(|(name, _)| *name).chain(["base_url"])
}

/// The names of the positions, in the order of [`positions`].
pub const POSITIONS: [&str; 4] = ["api_key", "key1", "api_secret", "key2"];

/// The field of each position. An empty name: the token call has no use for the position.
type Fields = &'static [&'static str];

/// Connectors with one position, the API key.
const HEADER_KEY: &[(&str, Fields)] = &[
    ("adyenplatform", &["api_key"]),
    ("coinbase", &["api_key"]),
    ("gocardless", &["api_key"]),
    ("helcim", &["api_key"]),
    ("mollie", &["api_key"]),
    ("multisafepay", &["api_key"]),
    ("nexixpay", &["api_key"]),
    ("paystack", &["api_key"]),
    ("razorpay", &["api_key"]),
    ("revolut", &["secret_api_key"]),
    ("shift4", &["api_key"]),
    ("stax", &["api_key"]),
    ("stripe", &["api_key"]),
    ("xendit", &["api_key"]),
];

/// Connectors with `api_key` and `key1`.
const BODY_KEY: &[(&str, Fields)] = &[
    ("aci", &["api_key", "entity_id"]),
    ("adyen", &["api_key", "merchant_account"]),
    ("airwallex", &["api_key", "client_id"]),
    ("authorizedotnet", &["name", "transaction_key"]),
    ("billwerk", &["api_key", "public_api_key"]),
    ("bluesnap", &["password", "username"]),
    ("cashfree", &["secret_key", "app_id"]),
    ("datatrans", &["password", "merchant_id"]),
    ("globalpay", &["app_key", "app_id"]),
    ("itaubank", &["client_id", "client_secret"]),
    ("jpmorgan", &["client_id", "client_secret"]),
    ("klarna", &["password", "username"]),
    ("mollie", &["api_key", "profile_token"]),
    ("nexinets", &["api_key", "merchant_id"]),
    ("paypal", &["client_secret", "client_id"]),
    ("paysafe", &["username", "password"]),
    ("payu", &["api_key", "api_secret"]),
    ("placetopay", &["login", "tran_key"]),
    ("powertranz", &["power_tranz_password", "power_tranz_id"]),
    ("rapyd", &["access_key", "secret_key"]),
    ("razorpay", &["api_key", "api_secret"]),
    ("square", &["access_token", "application_id"]),
    ("truelayer", &["client_id", "client_secret"]),
];

/// Connectors with `api_key`, `key1` and `api_secret`.
const SIGNATURE_KEY: &[(&str, Fields)] = &[
    ("adyen", &["api_key", "merchant_account", "review_key"]),
    ("bankofamerica", &["api_key", "merchant_account", "api_secret"]),
    ("barclaycard", &["api_key", "merchant_account", "api_secret"]),
    ("braintree", &["public_key", "", "private_key"]),
    ("cashfree", &["", "app_id", "secret_key"]),
    ("checkout", &["api_key", "processing_channel_id", "api_secret"]),
    ("cybersource", &["api_key", "merchant_account", "api_secret"]),
    ("deutschebank", &["client_id", "merchant_id", "client_key"]),
    ("elavon", &["ssl_merchant_id", "ssl_user_id", "ssl_pin"]),
    ("fiserv", &["api_key", "merchant_account", "api_secret"]),
    ("getnet", &["api_key", "seller_id", "api_secret"]),
    ("hyperpg", &["username", "password", "merchant_id"]),
    ("iatapay", &["client_id", "merchant_id", "client_secret"]),
    ("moneris", &["client_id", "client_secret", "merchant_id"]),
    ("nuvei", &["merchant_id", "merchant_site_id", "merchant_secret"]),
    ("payone", &["api_key", "merchant_id", "api_secret"]),
    ("paypal", &["client_secret", "client_id", "payer_id"]),
    ("paytm", &["merchant_id", "merchant_key", "website"]),
    ("phonepe", &["merchant_id", "salt_key", "salt_index"]),
    ("tesouro", &["api_key", "key1", "api_secret"]),
    ("trustpay", &["api_key", "project_id", "secret_key"]),
    ("trustpayments", &["username", "password", "site_reference"]),
    ("tsys", &["device_id", "transaction_key", "developer_id"]),
    ("wellsfargo", &["api_key", "merchant_account", "api_secret"]),
    ("worldline", &["api_key", "merchant_account_id", "api_secret"]),
    ("worldpay", &["password", "username", "entity_id"]),
];

/// Connectors with all four positions.
const MULTI_AUTH_KEY: &[(&str, Fields)] = &[
    ("fiservcommercehub", &["api_key", "merchant_id", "secret", "terminal_id"]),
    ("payhere", &["app_id", "merchant_id", "app_secret", "merchant_secret"]),
    ("paytm", &["merchant_id", "merchant_key", "website", "client_id"]),
    ("volt", &["username", "client_id", "password", "client_secret"]),
];

/// The fields of the connector's credentials by position, for as many positions as the form has.
/// `None` where the connector is not known in that form.
pub fn positions(connector: &str, form: PositionalForm) -> Option<Fields> {
    let table = match form {
        PositionalForm::HeaderKey => HEADER_KEY,
        PositionalForm::BodyKey => BODY_KEY,
        PositionalForm::SignatureKey => SIGNATURE_KEY,
        PositionalForm::MultiAuthKey => MULTI_AUTH_KEY,
    };
    table.iter().find(|(id, _)| *id == connector).map(|(_, fields)| *fields)
}

/// A form of credentials by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionalForm {
    /// `api_key`
    HeaderKey,
    /// `api_key`, `key1`
    BodyKey,
    /// `api_key`, `key1`, `api_secret`
    SignatureKey,
    /// `api_key`, `key1`, `api_secret`, `key2`
    MultiAuthKey,
}

impl PositionalForm {
    /// The form of that name, in either spelling that clients use: `HeaderKey`, `header-key`.
    pub fn named(name: &str) -> Option<Self> {
        match name.replace(['-', '_'], "").to_ascii_lowercase().as_str() {
            "headerkey" => Some(Self::HeaderKey),
            "bodykey" => Some(Self::BodyKey),
            "signaturekey" => Some(Self::SignatureKey),
            "multiauthkey" => Some(Self::MultiAuthKey),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_connectors_and_fields_that_exist() {
        for (id, fields) in FURTHER_FIELDS {
            let meta = crate::find(id).unwrap_or_else(|| panic!("{id}")).meta;
            for (name, meaning) in *fields {
                assert!(meta.credentials.iter().all(|own| own.name != *name), "{id} has {name} itself");
                let is_input = || meta.grants.iter().any(|grant| grant.inputs.iter().any(|input| input.name == *name));
                assert!(*meaning != Input || is_input(), "{id}: {name} is an input of no grant");
            }
        }
        for (table, count) in [(HEADER_KEY, 1), (BODY_KEY, 2), (SIGNATURE_KEY, 3), (MULTI_AUTH_KEY, 4)] {
            for (id, fields) in table {
                let meta = crate::find(id).unwrap_or_else(|| panic!("{id}")).meta;
                assert_eq!(fields.len(), count, "{id}");
                for field in fields.iter().filter(|field| !field.is_empty()) {
                    assert!(meta.credentials.iter().any(|own| own.name == *field), "{id} has no {field}");
                }
                for own in meta.credentials.iter().filter(|own| own.required) {
                    assert!(fields.contains(&own.name), "{id} needs {} and has no position for it", own.name);
                }
            }
        }
    }
}
