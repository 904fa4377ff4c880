//! Errors of the engine as answers of the protocol: the one place where a kind becomes a code.

use std::time::Duration;

use buffa_types::google::protobuf::Duration as ProtoDuration;
use connectors::{Error, FieldViolation, Kind};
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};

use crate::protocol::{
    google::rpc::{self, bad_request},
    ucs::v2::OperationStatus,
};

/// Most of the request's faults that one answer tells, and most bytes of its texts. Clients refuse more than 8 KiB of gRPC
/// trailers, and there it all is: the message twice, the details as base64.
const MAX_VIOLATIONS: usize = 8;
const MAX_VIOLATION_BYTES: usize = 2048;
const MAX_MESSAGE_BYTES: usize = 1024;

/// A connector that says more than this means its own clock, or nothing.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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
    let mut answer = ConnectError::new(code, clamped(&error.message, MAX_MESSAGE_BYTES))
        .with_detail(ErrorDetail::from_message("google.rpc.ErrorInfo", &info));
    if !error.fields.is_empty() {
        let field_violations = violations(&error.fields);
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

/// The first of them, and how many more there are.
fn violations(fields: &[FieldViolation]) -> Vec<bad_request::FieldViolation> {
    let violation = |field: &str, description: String| bad_request::FieldViolation {
        field: field.into(),
        description,
        ..Default::default()
    };
    let mut room = MAX_VIOLATION_BYTES;
    let mut told: Vec<_> = fields
        .iter()
        .take(MAX_VIOLATIONS)
        .map_while(|fault| {
            let description =
                clamped(&fault.description, room.checked_sub(fault.field.len()).filter(|room| *room > 0)?);
            room -= fault.field.len() + description.len();
            Some(violation(&fault.field, description))
        })
        .collect();
    if let Some(more @ 1..) = fields.len().checked_sub(told.len()) {
        told.push(violation("", format!("and {more} more")));
    }
    told
}

/// The text, or as much of its beginning as fits.
fn clamped(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.into();
    }
    let mut end = max_bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// When to come back, as answers say it: within a day, whatever the connector asked for.
pub fn retry_after(error: &Error) -> Option<Duration> {
    let delay = match error.kind {
        Kind::Unavailable | Kind::Overloaded => Some(error.retry_after.unwrap_or(Duration::from_secs(1))),
        _ => error.retry_after,
    };
    delay.map(|delay| delay.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use connectors::{CONNECTORS, Inputs};

    use super::*;

    #[test]
    fn an_answer_with_every_fault_there_can_be_fits_into_trailers() {
        for grant in CONNECTORS.iter().flat_map(|entry| entry.meta.grants) {
            let unknown = (0..60).map(|nth| (format!("{nth:02}{}", "漢".repeat(64)), true.into()));
            let wrong = grant.inputs.iter().map(|input| (input.name.to_owned(), serde_json::Value::Null));
            let given = unknown.chain(wrong).collect();
            let error = Inputs::check(grant, given, vec![" ".into()], Some(-1), &serde_json::Map::new()).unwrap_err();
            let answer = to_connect(&error, Some("connector"));
            let details: usize = answer.details.iter().filter_map(|detail| Some(detail.value.as_ref()?.len())).sum();
            let message = answer.message.as_deref().unwrap_or_default();
            let percents: usize = message.bytes().map(|byte| if byte.is_ascii_graphic() { 1 } else { 3 }).sum();
            assert!(percents + (message.len() + 200) * 4 / 3 + details < 8 * 1024 - 512, "{}: {details}", grant.name);
            assert!(error.fields.len() > 60, "{}", grant.name);
        }
        let faults: Vec<_> = (0..20).map(|_| FieldViolation { field: "f".into(), description: "d".into() }).collect();
        let told = violations(&faults);
        assert_eq!((told.len(), told[8].description.as_str()), (9, "and 12 more"));
        assert_eq!(violations(&faults[..8]).len(), 8);
    }

    #[test]
    fn nobody_is_told_to_wait_for_more_than_a_day() {
        for (kind, asked, told) in [
            (Kind::RateLimited, None, None),
            (Kind::RateLimited, Some(60), Some(60)),
            (Kind::RateLimited, Some(u64::MAX), Some(86_400)),
            (Kind::Unavailable, Some(1_767_225_600), Some(86_400)),
            (Kind::Overloaded, None, Some(1)),
        ] {
            let error = Error { retry_after: asked.map(Duration::from_secs), ..Error::new(kind, "") };
            assert_eq!(retry_after(&error), told.map(Duration::from_secs), "{kind:?} {asked:?}");
        }
    }

    #[test]
    fn the_contract_lists_the_codes_of_refusals() {
        let refusals = Kind::ALL.into_iter().filter(|kind| matches!(answered(*kind), Answered::AsStatus(_)));
        let list = format!("// One of {}.", refusals.map(Kind::label).collect::<Vec<_>>().join(", "));
        assert!(include_str!("../../../proto/ucs/v2/merchant_authentication.proto").contains(&list), "{list}");
    }

    #[test]
    fn every_kind_has_words_and_only_the_vendors_no_is_an_answer() {
        for kind in Kind::ALL {
            assert!(guidance(kind).ends_with('.'));
            assert_eq!(matches!(answered(kind), Answered::AsStatus(_)), kind.fault() == "vendor", "{kind:?}");
        }
    }
}
