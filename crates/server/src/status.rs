//! Errors of the engine as answers of the protocol: the one place where a kind becomes a code.

use std::time::Duration;

use buffa_types::google::protobuf::Duration as ProtoDuration;
use connectors::{Error, Kind};
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};

use crate::protocol::{
    google::rpc::{self, bad_request},
    ucs::v2::OperationStatus,
};

/// How a kind is answered.
pub enum Answered {
    /// The connector answered with a refusal: the call succeeded, its status says no.
    AsStatus(OperationStatus),
    /// The call failed.
    AsError(ErrorCode),
}

/// The code of each kind.
pub const fn answered(kind: Kind) -> Answered {
    use Answered::{AsError, AsStatus};
    match kind {
        Kind::InvalidRequest | Kind::UnknownConnector | Kind::MissingInput => AsError(ErrorCode::InvalidArgument),
        Kind::UnsupportedGrant => AsError(ErrorCode::Unimplemented),
        Kind::InvalidCredentials | Kind::Unauthenticated => AsError(ErrorCode::Unauthenticated),
        Kind::ServerTokenNotAskedFor => AsError(ErrorCode::FailedPrecondition),
        Kind::PolicyDenied => AsError(ErrorCode::PermissionDenied),
        Kind::ReferenceReused => AsError(ErrorCode::AlreadyExists),
        Kind::CredentialsRejected | Kind::PermissionDenied => AsStatus(OperationStatus::AUTHENTICATION_FAILED),
        Kind::RequestRejected => AsStatus(OperationStatus::INVALID_REQUEST),
        Kind::RateLimited => AsStatus(OperationStatus::RATE_LIMITED),
        Kind::Refused => AsStatus(OperationStatus::FAILURE),
        Kind::Timeout => AsError(ErrorCode::DeadlineExceeded),
        Kind::Unavailable => AsError(ErrorCode::Unavailable),
        Kind::BadReply | Kind::Internal => AsError(ErrorCode::Internal),
        Kind::Cancelled => AsError(ErrorCode::Canceled),
        Kind::Overloaded => AsError(ErrorCode::ResourceExhausted),
    }
}

/// What to do next, for each kind.
pub const fn guidance(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::MissingInput | Kind::UnknownConnector => {
            "Correct the named fields and call again."
        }
        Kind::UnsupportedGrant => "Choose another connector or grant; `daypass connectors` lists them.",
        Kind::InvalidCredentials => "Send the connector's credentials as x-connector-auth: {\"<Connector>\": {…}}.",
        Kind::Unauthenticated => "Present the caller's key or certificate.",
        Kind::ServerTokenNotAskedFor => "Ask for audience \"server\", from a backend only.",
        Kind::PolicyDenied => "Ask the operator of this service.",
        Kind::ReferenceReused => "Use a new merchant_access_token_id for another request.",
        Kind::CredentialsRejected => {
            "Check the connector's credentials, and that they belong to this mode (test or live)."
        }
        Kind::PermissionDenied => "Give the credentials the missing permission in the connector's dashboard.",
        Kind::RequestRejected => "Correct the inputs as the connector's message says.",
        Kind::RateLimited => "Call again later, and less often.",
        Kind::Refused => "See the connector's message.",
        Kind::Timeout => "Call again, with more time if there was little.",
        Kind::Unavailable => "Call again later.",
        Kind::BadReply => "Report this: the connector's API may have changed.",
        Kind::Cancelled => "Nothing: the caller left.",
        Kind::Overloaded => "Call again after the time given.",
        Kind::Internal => "Report this: it is a defect of this service.",
    }
}

/// The exit code of `daypass token`: 2 the caller's fault, 3 the vendor said no, 4 the vendor or the network is broken, 5 ours.
pub fn exit_code(kind: Kind) -> u8 {
    match kind.fault() {
        "caller" => 2,
        "vendor" => 3,
        "network" => 4,
        _ => 5,
    }
}

/// The failed call, with its details.
pub fn to_connect(error: &Error, connector: Option<&str>) -> ConnectError {
    let code = match answered(error.kind) {
        Answered::AsError(code) => code,
        Answered::AsStatus(_) => ErrorCode::FailedPrecondition,
    };
    let mut metadata = vec![("fault", error.kind.fault().to_owned()), ("guidance", guidance(error.kind).to_owned())];
    metadata.extend(connector.map(|connector| ("connector", connector.to_owned())));
    if let Some(refusal) = &error.refusal {
        metadata.push(("connector_status", refusal.status.to_string()));
        metadata.extend(refusal.code.clone().map(|code| ("connector_code", code)));
        metadata.extend(refusal.message.clone().map(|message| ("connector_message", message)));
    }
    let info = rpc::ErrorInfo {
        reason: error.kind.label().into(),
        domain: "daypass".into(),
        metadata: metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Default::default()
    };
    let mut answer = ConnectError::new(code, error.message.clone().into_owned())
        .with_detail(ErrorDetail::from_message("google.rpc.ErrorInfo", &info));
    if !error.fields.is_empty() {
        let field_violations = error
            .fields
            .iter()
            .map(|violation| bad_request::FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
                ..Default::default()
            })
            .collect();
        let fields = rpc::BadRequest { field_violations, ..Default::default() };
        answer = answer.with_detail(ErrorDetail::from_message("google.rpc.BadRequest", &fields));
    }
    if let Some(delay) = retry_after(error) {
        let retry_delay = ProtoDuration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or_default(),
            ..Default::default()
        };
        let retry = rpc::RetryInfo { retry_delay: retry_delay.into(), ..Default::default() };
        answer = answer.with_detail(ErrorDetail::from_message("google.rpc.RetryInfo", &retry));
    }
    answer
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error.kind {
        Kind::Unavailable | Kind::Overloaded => Some(error.retry_after.unwrap_or(Duration::from_secs(1))),
        _ => error.retry_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_and_only_the_vendors_no_is_an_answer() {
        for kind in Kind::ALL {
            assert!(guidance(kind).ends_with('.'));
            assert_eq!(matches!(answered(kind), Answered::AsStatus(_)), kind.fault() == "vendor", "{kind:?}");
        }
    }
}
