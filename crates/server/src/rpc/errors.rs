//! Errors of the engine as errors of the protocol. The mapping from kinds to codes and statuses is
//! here and nowhere else. Used by `rpc` and by the command `token`.

use std::time::Duration;

use buffa::Message;
use buffa_types::google::protobuf::Duration as ProtoDuration;
use connectors::{Error, FieldViolation, Kind};
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};
use protocol::{
    google::rpc::{self, bad_request},
    ucs::v2::OperationStatus,
};
use serde::Serialize;

/// Most field violations in one error. With the two limits below, an error stays under 8 KiB of
/// gRPC trailers, the default limit of clients. The trailers hold the message twice and the details
/// as base64.
const MAX_VIOLATIONS: usize = 8;
/// Most bytes of all violations in one error.
const MAX_VIOLATION_BYTES: usize = 2048;
/// Most bytes of an error's message.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Longest delay that callers are asked for. Some connectors send a time by their own clock where
/// RFC 9110 section 10.2.3 has a delay.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The protocol's counterpart of a kind.
pub(crate) enum KindMapping {
    /// The connector refused: the call succeeds, with this status in the response.
    Status(OperationStatus),
    /// The call fails with this code.
    Code(ErrorCode),
}

/// The counterpart of each kind.
pub(crate) const fn mapping(kind: Kind) -> KindMapping {
    use KindMapping::{Code, Status};
    match kind {
        Kind::InvalidRequest | Kind::UnknownConnector | Kind::MissingInput => Code(ErrorCode::InvalidArgument),
        Kind::UnsupportedGrant => Code(ErrorCode::Unimplemented),
        Kind::InvalidCredentials | Kind::Unauthenticated => Code(ErrorCode::Unauthenticated),
        Kind::ServerTokenNotAskedFor | Kind::LivesTooLong | Kind::SecretUsedUp => Code(ErrorCode::FailedPrecondition),
        Kind::PolicyDenied => Code(ErrorCode::PermissionDenied),
        Kind::ReferenceReused => Code(ErrorCode::AlreadyExists),
        Kind::CredentialsRejected | Kind::PermissionDenied => Status(OperationStatus::AUTHENTICATION_FAILED),
        Kind::RequestRejected => Status(OperationStatus::INVALID_REQUEST),
        Kind::RateLimited => Status(OperationStatus::RATE_LIMITED),
        Kind::Refused => Status(OperationStatus::FAILURE),
        Kind::Timeout => Code(ErrorCode::DeadlineExceeded),
        Kind::Unavailable | Kind::ConnectorNotTrusted => Code(ErrorCode::Unavailable),
        Kind::BadReply | Kind::Internal => Code(ErrorCode::Internal),
        Kind::Cancelled => Code(ErrorCode::Canceled),
        Kind::Overloaded => Code(ErrorCode::ResourceExhausted),
    }
}

/// The next step for the caller, for each kind.
pub(crate) const fn guidance(kind: Kind) -> &'static str {
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
        Kind::LivesTooLong => "Ask the operator of this service to raise the limit that the message names.",
        Kind::SecretUsedUp => "Get a new code or refresh token.",
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
        Kind::ConnectorNotTrusted => {
            "Tell the operator: something stands between this service and the connector (egress.authorities_file, name service)."
        }
        Kind::Cancelled => "Nothing: the caller left.",
        Kind::Overloaded => "Call again after the time given.",
        Kind::Internal => "Report this: it is a defect of this service.",
    }
}

/// The error of a failed call, with details of `google.rpc` (AIP-193).
pub(crate) fn to_connect(error: &Error, connector: Option<&str>) -> ConnectError {
    let code = match mapping(error.kind) {
        KindMapping::Code(code) => code,
        KindMapping::Status(_) => ErrorCode::FailedPrecondition,
    };
    let fault = error.kind.fault().label();
    let mut metadata = vec![("fault", fault.to_owned()), ("guidance", guidance(error.kind).to_owned())];
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
    let mut failed = ConnectError::new(code, truncated(&error.message, MAX_MESSAGE_BYTES))
        .with_detail(detail("google.rpc.ErrorInfo", &info));
    if !error.fields.is_empty() {
        let field_violations = violations(&error.fields);
        let fields = rpc::BadRequest { field_violations, ..Default::default() };
        failed = failed.with_detail(detail("google.rpc.BadRequest", &fields));
    }
    if let Some(delay) = retry_after(error) {
        let retry_delay = ProtoDuration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or_default(),
            ..Default::default()
        };
        let retry = rpc::RetryInfo { retry_delay: retry_delay.into(), ..Default::default() };
        failed = failed.with_detail(detail("google.rpc.RetryInfo", &retry));
    }
    failed
}

/// A detail that callers over JSON can read too: its `debug` has the message as JSON (Connect
/// protocol, "Error end-stream"), beside the bytes of `value`.
fn detail(type_name: &str, message: &(impl Message + Serialize)) -> ErrorDetail {
    ErrorDetail { debug: serde_json::to_value(message).ok(), ..ErrorDetail::from_message(type_name, message) }
}

/// The first violations within the limits, and the number of the others.
fn violations(fields: &[FieldViolation]) -> Vec<bad_request::FieldViolation> {
    let violation = |field: &str, description: String| bad_request::FieldViolation {
        field: field.into(),
        description,
        ..Default::default()
    };
    let mut bytes_left = MAX_VIOLATION_BYTES;
    let mut listed: Vec<_> = fields
        .iter()
        .take(MAX_VIOLATIONS)
        .map_while(|fault| {
            let description =
                truncated(&fault.description, bytes_left.checked_sub(fault.field.len()).filter(|bytes| *bytes > 0)?);
            bytes_left -= fault.field.len() + description.len();
            Some(violation(&fault.field, description))
        })
        .collect();
    if let Some(more @ 1..) = fields.len().checked_sub(listed.len()) {
        listed.push(violation("", format!("and {more} more")));
    }
    listed
}

/// The text, cut at a character to at most this many bytes.
fn truncated(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.into();
    }
    let mut end = max_bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The delay after which the caller may call again (RFC 9110 section 10.2.3), a day at most.
pub(crate) fn retry_after(error: &Error) -> Option<Duration> {
    let delay = match error.kind {
        Kind::Unavailable | Kind::Overloaded => Some(error.retry_after.unwrap_or(Duration::from_secs(1))),
        _ => error.retry_after,
    };
    delay.map(|delay| delay.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use connectors::{CONNECTORS, Fault, Inputs};

    use super::*;

    #[test]
    fn an_error_with_every_possible_violation_fits_into_grpc_trailers() {
        for grant in CONNECTORS.iter().flat_map(|entry| entry.meta.grants) {
            let unknown = (0..60).map(|nth| (format!("{nth:02}{}", "漢".repeat(64)), true.into()));
            let wrong = grant.inputs.iter().map(|input| (input.name.to_owned(), serde_json::Value::Null));
            let given = unknown.chain(wrong).collect();
            let error = Inputs::check(grant, given, vec![" ".into()], Some(-1), &serde_json::Map::new()).unwrap_err();
            let failed = to_connect(&error, Some("connector"));
            let details: usize = failed.details.iter().filter_map(|detail| Some(detail.value.as_ref()?.len())).sum();
            let message = failed.message.as_deref().unwrap_or_default();
            let percents: usize = message.bytes().map(|byte| if byte.is_ascii_graphic() { 1 } else { 3 }).sum();
            assert!(percents + (message.len() + 200) * 4 / 3 + details < 8 * 1024 - 512, "{}: {details}", grant.name);
            assert!(error.fields.len() > 60, "{}", grant.name);
        }
        let faults: Vec<_> = (0..20).map(|_| FieldViolation { field: "f".into(), description: "d".into() }).collect();
        let listed = violations(&faults);
        assert_eq!((listed.len(), listed[8].description.as_str()), (9, "and 12 more"));
        assert_eq!(violations(&faults[..8]).len(), 8);
    }

    #[test]
    fn the_retry_delay_is_at_most_a_day() {
        for (kind, asked, delay) in [
            (Kind::RateLimited, None, None),
            (Kind::RateLimited, Some(60), Some(60)),
            (Kind::RateLimited, Some(u64::MAX), Some(86_400)),
            (Kind::Unavailable, Some(1_767_225_600), Some(86_400)),
            (Kind::Overloaded, None, Some(1)),
        ] {
            let error = Error { retry_after: asked.map(Duration::from_secs), ..Error::new(kind, "") };
            assert_eq!(retry_after(&error), delay.map(Duration::from_secs), "{kind:?} {asked:?}");
        }
    }

    #[test]
    fn the_proto_file_lists_the_codes_of_refusals() {
        let refusals = Kind::ALL.into_iter().filter(|kind| matches!(mapping(*kind), KindMapping::Status(_)));
        let proto =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/ucs/v2/merchant_authentication.proto"));
        let list = format!("// One of {}.", refusals.map(Kind::label).collect::<Vec<_>>().join(", "));
        assert!(proto.contains(&list), "{list}");
    }

    #[test]
    fn each_kind_has_guidance_and_only_refusals_map_to_a_status() {
        for kind in Kind::ALL {
            assert!(guidance(kind).ends_with('.'));
            let is_status = matches!(mapping(kind), KindMapping::Status(_));
            assert_eq!(is_status, kind.fault() == Fault::Connector, "{kind:?}");
        }
    }
}
