//! Requests that cannot be decoded, or whose JSON has unknown fields. Such a request gets an error
//! that repeats no value of the request, and a line in the access log. An interceptor, used by
//! `server`; uses `access_log` and `errors`.

use std::collections::BTreeMap;

use connectors::{Error, FieldViolation, Kind};
use connectrpc::{
    CodecFormat, ConnectError, ErrorCode, Interceptor,
    interceptor::{Next, UnaryRequest, UnaryResponse},
};
use serde::de::IgnoredAny;

use super::{errors, metadata::REQUEST_ID};
use crate::access_log::AccessLogEntry;

/// The request's fields in JSON.
const FIELDS: [&str; 5] = ["merchant_access_token_id", "connector", "metadata", "connector_feature_data", "test_mode"];

/// Most characters of an unknown field's name in an error.
const MAX_NAME_CHARS: usize = 64;

/// Refuses requests with unknown fields. It also replaces the decoder's errors, which have no
/// details; all errors of the service have details.
pub(crate) struct UnknownFields;

#[connectrpc::async_trait]
impl Interceptor for UnknownFields {
    async fn intercept_unary(&self, request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        if !request.ctx.path().is_some_and(|path| path.contains("MerchantAuthenticationService/")) {
            return next.run(request).await;
        }
        let id = request.ctx.header(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        if request.payload.format() == CodecFormat::Json
            && let Err(error) = check_fields(request.payload.bytes())
        {
            return Err(refuse(&id, error));
        }
        match next.run(request).await {
            Err(error) if error.details.is_empty() && error.code == ErrorCode::InvalidArgument => {
                let message = "the request message cannot be decoded; its fields and their types are in \
                               proto/ucs/v2/merchant_authentication.proto";
                Err(refuse(&id, Error::new(Kind::InvalidRequest, message)))
            }
            result => result,
        }
    }
}

fn refuse(request_id: &str, error: Error) -> ConnectError {
    let mut entry = AccessLogEntry::start(Some(request_id), None, None);
    let failed = errors::to_connect(&error, None);
    entry.end(&Err(error));
    failed
}

/// The decoder ignores unknown fields. A misspelled `testMode` would make a live call.
fn check_fields(json: &[u8]) -> Result<(), Error> {
    // The decoder refuses everything that is no JSON object.
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(json) else { return Ok(()) };
    let mut unknown: Vec<FieldViolation> = fields
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| FieldViolation {
            field: name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARS).collect(),
            description: "unknown field".into(),
        })
        .collect();
    let Some(first) = unknown.first_mut() else { return Ok(()) };
    first.description = format!("unknown field; accepted are {}", FIELDS.join(", "));
    let message = format!("{}: {}", first.field, first.description);
    Err(Error { fields: unknown, ..Error::new(Kind::InvalidRequest, message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{CreateAccessTokenRequest, ucs::v2::Connector};

    #[test]
    fn the_fields_are_those_of_the_message() {
        let text = || buffa_types::google::protobuf::StringValue { value: "{}".into(), ..Default::default() };
        let request = CreateAccessTokenRequest {
            merchant_access_token_id: "r".into(),
            connector: Connector::STRIPE.into(),
            metadata: text().into(),
            connector_feature_data: text().into(),
            test_mode: Some(true),
            ..Default::default()
        };
        let json = serde_json::to_value(request).unwrap();
        let mut fields = FIELDS;
        fields.sort_unstable();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
        assert!(check_fields(json.to_string().as_bytes()).is_ok());
    }
}
