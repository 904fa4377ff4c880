//! Requests that cannot be decoded, or not wholly: answered without repeating what they contain, and logged like every other call.

use std::collections::BTreeMap;

use connectors::{Error, FieldViolation, Kind};
use connectrpc::{
    CodecFormat, ConnectError, ErrorCode, Interceptor,
    interceptor::{Next, UnaryRequest, UnaryResponse},
};
use serde::de::IgnoredAny;

use crate::{call_log::CallLog, rpc::REQUEST_ID, status};

/// The request's fields in JSON.
const FIELDS: [&str; 5] = ["merchant_access_token_id", "connector", "metadata", "connector_feature_data", "test_mode"];

/// Watches for failures that happened before the service was reached. Those of the service carry details, these do not.
pub struct Undecodable;

#[connectrpc::async_trait]
impl Interceptor for Undecodable {
    async fn intercept_unary(&self, request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        if !request.ctx.path().is_some_and(|path| path.contains("MerchantAuthenticationService/")) {
            return next.run(request).await;
        }
        let id = request.ctx.header(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        if request.payload.format() == CodecFormat::Json
            && let Err(error) = all_known(request.payload.bytes())
        {
            return Err(refused(&id, error));
        }
        match next.run(request).await {
            Err(error) if error.details.is_empty() && error.code == ErrorCode::InvalidArgument => {
                let message = "the request message cannot be decoded; its fields and their types are in \
                               proto/ucs/v2/merchant_authentication.proto";
                Err(refused(&id, Error::new(Kind::InvalidRequest, message)))
            }
            answer => answer,
        }
    }
}

fn refused(request_id: &str, error: Error) -> ConnectError {
    let mut log = CallLog::start(Some(request_id), None);
    let connect = status::to_connect(&error, None);
    log.end(&Err(error));
    connect
}

/// The decoder skips fields that it does not know. A `testMode` that is skipped would be a live call.
fn all_known(json: &[u8]) -> Result<(), Error> {
    // What is no JSON object is the decoder's to refuse.
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(json) else { return Ok(()) };
    let mut unknown: Vec<FieldViolation> = fields
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| FieldViolation {
            field: name.chars().filter(|character| !character.is_control()).take(64).collect(),
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
    use crate::protocol::ucs::v2::{
        Connector, MerchantAuthenticationServiceCreateAccessTokenRequest as TokenRequestMessage,
    };

    #[test]
    fn the_fields_are_those_of_the_message() {
        let text = || buffa_types::google::protobuf::StringValue { value: "{}".into(), ..Default::default() };
        let request = TokenRequestMessage {
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
        assert!(all_known(json.to_string().as_bytes()).is_ok());
    }
}
