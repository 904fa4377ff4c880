//! What the engine found, as the response message.

use buffa_types::google::protobuf::StringValue;
use connectors::{Audience, Error, Kind, Secret};
use daypass::{CallReport, IssuedToken};

use crate::{
    protocol::ucs::v2::{
        ConnectorErrorDetails, ErrorInfo,
        MerchantAuthenticationServiceCreateAccessTokenResponse as TokenResponseMessage, OperationStatus, TokenAudience,
        UnifiedErrorDetails,
    },
    status,
};

/// What `expires_in_seconds` says.
#[derive(Clone, Copy)]
pub enum ExpiresIn {
    /// The moment of expiry, as the documentation of `ucs.v2` has it.
    Moment,
    /// The seconds left, as clients of the `types` package read it.
    Duration,
}

/// The answer that carries a token.
pub fn success(reference: &str, pass: &IssuedToken, expires_in: ExpiresIn) -> TokenResponseMessage {
    let token = &pass.token;
    TokenResponseMessage {
        access_token: text(&token.value).into(),
        token_type: token.token_type.clone(),
        expires_in_seconds: match expires_in {
            ExpiresIn::Moment => pass.expires_at,
            ExpiresIn::Duration => pass.lifetime_seconds(),
        },
        status: OperationStatus::SUCCESS.into(),
        status_code: u32::from(pass.status),
        merchant_access_token_id: reference.into(),
        audience: audience(pass.audience).into(),
        grant: pass.grant.into(),
        scopes: token.scopes.clone(),
        client_parameters: token
            .client_parameters
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), value.clone()))
            .collect(),
        lifetime_seconds: pass.lifetime_seconds(),
        expires_at: pass.expires_at,
        server_parameters: token
            .server_parameters
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), text(value)))
            .collect(),
        ..Default::default()
    }
}

/// The answer of a connector that said no.
pub fn refusal(reference: &str, status: OperationStatus, error: &Error, report: &CallReport) -> TokenResponseMessage {
    let refusal = error.refusal.as_deref().cloned().unwrap_or_default();
    let guidance = match (error.kind, status::retry_after(error)) {
        (Kind::RateLimited, Some(delay)) => format!("Call again in {} seconds.", delay.as_secs()),
        _ => status::guidance(error.kind).into(),
    };
    let unified = UnifiedErrorDetails {
        code: Some(error.kind.label().into()),
        message: Some(error.message.clone().into_owned()),
        description: Some("The connector answered and refused; no token was made.".into()),
        user_guidance_message: Some(guidance),
        ..Default::default()
    };
    let connector = ConnectorErrorDetails {
        // A vendor that gives no code of its own has at least given a status.
        code: refusal.code.or_else(|| Some(refusal.status.to_string())),
        message: refusal.message,
        reason: refusal.reason,
        ..Default::default()
    };
    TokenResponseMessage {
        status: status.into(),
        error: ErrorInfo { unified_details: unified.into(), connector_details: connector.into(), ..Default::default() }
            .into(),
        status_code: u32::from(refusal.status),
        merchant_access_token_id: reference.into(),
        grant: report.grant.unwrap_or_default().into(),
        ..Default::default()
    }
}

fn text(secret: &Secret) -> StringValue {
    StringValue { value: secret.expose().into(), ..Default::default() }
}

fn audience(audience: Audience) -> TokenAudience {
    match audience {
        Audience::Client => TokenAudience::CLIENT,
        Audience::Server => TokenAudience::SERVER,
    }
}
