//! The response message, made from an issued token or from a connector's refusal. Uses `errors` for
//! the guidance. Used by `rpc` and by the command `token`.

use buffa_types::google::protobuf::StringValue;
use connectors::{Audience, Error, Kind, Secret};
use daypass::{CallReport, IssuedToken};
use protocol::{
    CreateAccessTokenResponse,
    ucs::v2::{ConnectorErrorDetails, ErrorInfo, OperationStatus, TokenAudience, UnifiedErrorDetails},
};

use super::errors;

/// The meaning of `expires_in_seconds`, which differs between the two packages.
#[derive(Clone, Copy)]
pub(crate) enum ExpiresIn {
    /// The time of expiry in Unix seconds, as `ucs.v2` documents it.
    UnixTime,
    /// The seconds until expiry, as clients of the `types` package read it.
    Duration,
}

/// The response with a token.
pub(crate) fn success(reference: &str, issued: IssuedToken, expires_in: ExpiresIn) -> CreateAccessTokenResponse {
    let lifetime_seconds = issued.lifetime_seconds();
    let token = issued.token;
    CreateAccessTokenResponse {
        access_token: text(&token.value).into(),
        token_type: token.token_type,
        expires_in_seconds: match expires_in {
            ExpiresIn::UnixTime => issued.expires_at,
            ExpiresIn::Duration => lifetime_seconds,
        },
        status: OperationStatus::SUCCESS.into(),
        status_code: u32::from(issued.status),
        merchant_access_token_id: reference.into(),
        audience: audience(issued.audience).into(),
        grant: issued.grant.into(),
        scopes: token.scopes,
        client_parameters: token
            .client_parameters
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value))
            .collect(),
        lifetime_seconds,
        expires_at: issued.expires_at,
        server_parameters: token
            .server_parameters
            .into_iter()
            .map(|(name, value)| (name.into_owned(), text(&value)))
            .collect(),
        ..Default::default()
    }
}

/// The response for a connector's refusal: the call succeeds, its status says why there is no
/// token.
pub(crate) fn refusal(
    reference: &str,
    status: OperationStatus,
    error: &Error,
    report: &CallReport,
) -> CreateAccessTokenResponse {
    let (error, status_code) = refused(error);
    CreateAccessTokenResponse {
        status: status.into(),
        error: error.into(),
        status_code,
        merchant_access_token_id: reference.into(),
        grant: report.grant.unwrap_or_default().into(),
        ..Default::default()
    }
}

/// The details of a connector's refusal, and its HTTP status.
pub(super) fn refused(error: &Error) -> (ErrorInfo, u32) {
    let refusal = error.refusal.as_deref().cloned().unwrap_or_default();
    let guidance = match (error.kind, errors::retry_after(error)) {
        (Kind::RateLimited, Some(delay)) => format!("Call again in {} seconds.", delay.as_secs()),
        _ => errors::guidance(error.kind).into(),
    };
    let unified = UnifiedErrorDetails {
        code: Some(error.kind.label().into()),
        message: Some(error.message.clone().into_owned()),
        description: Some("The connector answered and refused; no token was made.".into()),
        user_guidance_message: Some(guidance),
        ..Default::default()
    };
    let connector = ConnectorErrorDetails {
        // Some connectors send no code of their own; the HTTP status stands in for it.
        code: refusal.code.or_else(|| Some(refusal.status.to_string())),
        message: refusal.message,
        reason: refusal.reason,
        ..Default::default()
    };
    let status_code = u32::from(refusal.status);
    let details =
        ErrorInfo { unified_details: unified.into(), connector_details: connector.into(), ..Default::default() };
    (details, status_code)
}

fn text(secret: &Secret) -> StringValue {
    StringValue { value: secret.expose().into(), ..Default::default() }
}

/// The audience in the protocol.
pub(super) fn audience(audience: Audience) -> TokenAudience {
    match audience {
        Audience::Client => TokenAudience::CLIENT,
        Audience::Server => TokenAudience::SERVER,
    }
}
