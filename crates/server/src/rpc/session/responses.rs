//! The answers of the session calls. Used by `rpc`.

use connectors::Error;
use daypass::{CallReport, IssuedToken};
use protocol::ucs::v2::{
    __buffa::oneof::session_token, ClientAuthenticationTokenData, ErrorInfo,
    MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse as ClientResponse,
    MerchantAuthenticationServiceCreateSdkSessionTokenResponse as EarlierClientResponse,
    MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenResponse as ServerResponse,
    MerchantAuthenticationServiceCreateSessionTokenResponse as EarlierServerResponse, OperationStatus, SessionToken,
};

use super::{arms, members::Members};
use crate::rpc::response;

/// A response whose common fields can be set: those of a token, and those of a refusal.
pub(in crate::rpc) trait SessionResponse: Default {
    /// Sets what every answer with a token has.
    #[must_use]
    fn with_token(self, reference: &str, issued: &IssuedToken) -> Self;
    /// The answer without a token.
    fn without_token(reference: &str, status: OperationStatus, refusal: (ErrorInfo, u32), grant: &str) -> Self;
}

macro_rules! session_response {
    ($response:ty, $reference:ident) => {
        impl SessionResponse for $response {
            fn with_token(self, reference: &str, issued: &IssuedToken) -> Self {
                Self {
                    status_code: u32::from(issued.status),
                    audience: response::audience(issued.audience).into(),
                    grant: issued.grant.into(),
                    expires_at: issued.expires_at,
                    lifetime_seconds: issued.lifetime_seconds(),
                    client_parameters: client_parameters(issued),
                    scopes: issued.token.scopes.clone(),
                    status: OperationStatus::SUCCESS.into(),
                    $reference: reference.into(),
                    ..self
                }
            }

            fn without_token(
                reference: &str,
                status: OperationStatus,
                (error, status_code): (ErrorInfo, u32),
                grant: &str,
            ) -> Self {
                Self {
                    error: error.into(),
                    status_code,
                    grant: grant.into(),
                    status: status.into(),
                    $reference: reference.into(),
                    ..Default::default()
                }
            }
        }
    };
}

session_response!(ClientResponse, merchant_client_session_id);
session_response!(EarlierClientResponse, merchant_sdk_session_id);
session_response!(ServerResponse, merchant_server_session_id);
session_response!(EarlierServerResponse, merchant_session_id);

/// The answer of `CreateClientAuthenticationToken`.
///
/// # Errors
/// The connector has no arm.
pub(in crate::rpc) fn client(
    connector: &str,
    issued: &IssuedToken,
    members: &Members,
    paypal_client_id: Option<String>,
) -> Result<ClientResponse, Error> {
    let sdk_type = Some(arms::sdk_type(connector, issued, members, paypal_client_id)?);
    let session_data = ClientAuthenticationTokenData { sdk_type, ..Default::default() };
    Ok(ClientResponse { session_data: session_data.into(), ..Default::default() })
}

/// The answer of `CreateSdkSessionToken`.
///
/// # Errors
/// As of the members.
pub(in crate::rpc) fn earlier_client(
    connector: &str,
    issued: &IssuedToken,
    members: &Members,
    paypal_client_id: Option<String>,
) -> Result<EarlierClientResponse, Error> {
    let paypal = arms::paypal(connector, issued, members, paypal_client_id)?;
    let session_token = Some(session_token::SessionToken::from(paypal));
    let session_token = SessionToken { session_token, ..Default::default() };
    Ok(EarlierClientResponse { session_token: session_token.into(), ..Default::default() })
}

/// The answer of `CreateServerSessionAuthenticationToken`.
pub(in crate::rpc) fn server(issued: &IssuedToken) -> ServerResponse {
    ServerResponse { session_token: arms::value(issued), ..Default::default() }
}

/// The answer of `CreateSessionToken`.
pub(in crate::rpc) fn earlier_server(issued: &IssuedToken) -> EarlierServerResponse {
    EarlierServerResponse { session_token: arms::value(issued), ..Default::default() }
}

/// The answer for a connector's refusal.
pub(in crate::rpc) fn refused<R: SessionResponse>(
    reference: &str,
    status: OperationStatus,
    error: &Error,
    report: &CallReport,
) -> R {
    R::without_token(reference, status, response::refused(error), report.grant.unwrap_or_default())
}

fn client_parameters<M: FromIterator<(String, String)>>(issued: &IssuedToken) -> M {
    let values = issued.token.client_parameters.iter();
    values.map(|(name, value)| (name.clone().into_owned(), value.clone())).collect()
}
