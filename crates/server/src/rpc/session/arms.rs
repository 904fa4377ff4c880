//! The token in the form of its connector's client SDK. Used by `responses`.

use buffa_types::google::protobuf::StringValue;
use connectors::{Error, Kind as Fault};
use connectrpc::RequestContext;
use daypass::IssuedToken;
use protocol::ucs::v2::{
    self,
    __buffa::oneof::{
        authenticator_connector_specific_client_authentication_response::Connector as Link,
        client_authentication_token_data::SdkType, connector_specific_client_authentication_response::Connector as Arm,
    },
    AuthenticatorConnectorSpecificClientAuthenticationResponse, ConnectorSpecificClientAuthenticationResponse,
    PaypalClientAuthenticationResponse, PaypalFlow, PaypalTransactionInfo, PlaidClientAuthenticationResponse,
    SdkNextAction,
};

use super::members::Members;
use crate::rpc::metadata;

/// The arm of a connector.
///
/// # Errors
/// The connector has none. `grants` refuses such requests before the call.
pub(super) fn sdk_type(
    connector: &str,
    issued: &IssuedToken,
    members: &Members,
    paypal_client_id: Option<String>,
) -> Result<SdkType, Error> {
    match connector {
        "paypal" | "braintree" => Ok(paypal(connector, issued, members, paypal_client_id)?.into()),
        "plaid" => {
            let plaid = PlaidClientAuthenticationResponse {
                link_token: token(issued),
                expires_in_seconds: issued.lifetime_seconds(),
                hosted_link_url: parameter(issued, "hosted_link_url"),
                ..Default::default()
            };
            Ok(AuthenticatorConnectorSpecificClientAuthenticationResponse {
                connector: Some(Link::from(plaid)),
                ..Default::default()
            }
            .into())
        }
        _ => match arm(connector, issued) {
            Some(arm) => {
                let arm = Some(arm);
                Ok(ConnectorSpecificClientAuthenticationResponse { connector: arm, ..Default::default() }.into())
            }
            None => Err(Error::new(Fault::Internal, "the connector has no arm in this answer")),
        },
    }
}

/// The arm of PayPal's script.
///
/// # Errors
/// As of the members.
pub(super) fn paypal(
    connector: &str,
    issued: &IssuedToken,
    members: &Members,
    paypal_client_id: Option<String>,
) -> Result<PaypalClientAuthenticationResponse, Error> {
    let is_paypal = connector == "paypal";
    let transaction_info = members.currency()?.map(|currency| -> Result<_, Error> {
        Ok(PaypalTransactionInfo {
            flow: PaypalFlow::PAYPAL_FLOW_CHECKOUT.into(),
            currency_code: currency.into(),
            total_price: members.minor_amount()?,
            ..Default::default()
        })
    });
    let action = if is_paypal {
        SdkNextAction::SDK_NEXT_ACTION_POST_SESSION_TOKENS
    } else {
        SdkNextAction::SDK_NEXT_ACTION_CONFIRM
    };
    Ok(PaypalClientAuthenticationResponse {
        connector: connector.into(),
        session_token: if is_paypal { value(issued) } else { paypal_client_id.unwrap_or_default() },
        sdk_next_action: action.into(),
        client_token: Some(value(issued)),
        transaction_info: transaction_info.transpose()?.into(),
        ..Default::default()
    })
}

/// Braintree's credentials of existing clients have the id of the PayPal app, which PayPal's script
/// is loaded with.
pub(in crate::rpc) fn paypal_client_id(context: &RequestContext, connector: Option<&str>) -> Option<String> {
    let connector = connector.filter(|name| *name == "braintree")?;
    let credentials = metadata::credentials(context, Some(connector)).ok()??;
    credentials.fields().get("paypal_client_id")?.as_str().map(str::to_owned)
}

fn arm(connector: &str, issued: &IssuedToken) -> Option<Arm> {
    let text = || value(issued);
    let public = |name: &str| parameter(issued, name).unwrap_or_default();
    Some(match connector {
        "stripe" => {
            v2::StripeClientAuthenticationResponse { client_secret: token(issued), ..Default::default() }.into()
        }
        "adyen" => v2::AdyenClientAuthenticationResponse {
            session_id: public("session_id"),
            session_data: token(issued),
            ..Default::default()
        }
        .into(),
        "checkout" => v2::CheckoutClientAuthenticationResponse {
            payment_session_id: public("payment_session_id"),
            payment_session_token: token(issued),
            payment_session_secret: wrapped(parameter(issued, "payment_session_secret")),
            ..Default::default()
        }
        .into(),
        "cybersource" => v2::CybersourceClientAuthenticationResponse {
            capture_context: token(issued),
            client_library: public("client_library"),
            client_library_integrity: public("client_library_integrity"),
            ..Default::default()
        }
        .into(),
        "bankofamerica" => {
            v2::BankOfAmericaClientAuthenticationResponse { capture_context: token(issued), ..Default::default() }
                .into()
        }
        "wellsfargo" => {
            v2::WellsfargoClientAuthenticationResponse { capture_context: token(issued), ..Default::default() }.into()
        }
        "nuvei" => v2::NuveiClientAuthenticationResponse { session_token: token(issued), ..Default::default() }.into(),
        "mollie" => v2::MollieClientAuthenticationResponse {
            payment_id: public("payment_id"),
            checkout_url: token(issued),
            ..Default::default()
        }
        .into(),
        "globalpay" => v2::GlobalpayClientAuthenticationResponse {
            access_token: token(issued),
            token_type: Some(issued.token.token_type.clone()),
            expires_in: issued.lifetime_seconds(),
            ..Default::default()
        }
        .into(),
        "bluesnap" => v2::BluesnapClientAuthenticationResponse { pf_token: token(issued), ..Default::default() }.into(),
        "rapyd" => v2::RapydClientAuthenticationResponse {
            checkout_id: text(),
            redirect_url: public("redirect_url"),
            ..Default::default()
        }
        .into(),
        "shift4" => {
            v2::Shift4ClientAuthenticationResponse { client_secret: token(issued), ..Default::default() }.into()
        }
        "fiserv" => {
            let session_id = wrapped(backends(issued, "session_id"));
            v2::FiservClientAuthenticationResponse { session_id, ..Default::default() }.into()
        }
        "elavon" => {
            v2::ElavonClientAuthenticationResponse { session_token: token(issued), ..Default::default() }.into()
        }
        "billwerk" => v2::BillwerkClientAuthenticationResponse { session_id: text(), ..Default::default() }.into(),
        "datatrans" => {
            v2::DatatransClientAuthenticationResponse { transaction_id: token(issued), ..Default::default() }.into()
        }
        "payload" => {
            v2::PayloadClientAuthenticationResponse { client_token: token(issued), ..Default::default() }.into()
        }
        "multisafepay" => {
            v2::MultisafepayClientAuthenticationResponse { api_token: token(issued), ..Default::default() }.into()
        }
        "nexinets" => v2::NexinetsClientAuthenticationResponse { order_id: text(), ..Default::default() }.into(),
        "nexixpay" => v2::NexixpayClientAuthenticationResponse {
            security_token: wrapped(backends(issued, "security_token")),
            hosted_page: text(),
            ..Default::default()
        }
        .into(),
        "revolut" => v2::RevolutClientAuthenticationResponse {
            order_id: backends(issued, "order_id").unwrap_or_default(),
            token: token(issued),
            ..Default::default()
        }
        .into(),
        _ => return None,
    })
}

pub(super) fn value(issued: &IssuedToken) -> String {
    issued.token.value.expose().into()
}

fn token<F: From<Option<StringValue>>>(issued: &IssuedToken) -> F {
    wrapped(Some(value(issued)))
}

/// A text in the form of a secret's field.
fn wrapped<F: From<Option<StringValue>>>(text: Option<String>) -> F {
    text.map(|value| StringValue { value, ..Default::default() }).into()
}

/// A value that goes to the client with the token.
fn parameter(issued: &IssuedToken, name: &str) -> Option<String> {
    issued.token.client_parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// A value of the backend: the engine gives it to audience SERVER only.
fn backends(issued: &IssuedToken, name: &str) -> Option<String> {
    let values = &issued.token.server_parameters;
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
}
