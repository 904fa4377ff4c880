//! Requests in JSON, and requests that cannot be decoded. JSON is accepted in the forms that
//! protobuf's JSON mapping and existing clients have, and brought into the decoder's form. A fault
//! gets an error that names its field and repeats no value, and a line in the access log. An
//! interceptor, used by `server`; uses `access_log` and `errors`.

use buffa::Enumeration as _;
use bytes::Bytes;
use connectors::{Error, FieldViolation, Kind};
use connectrpc::{
    CodecFormat, ConnectError, ErrorCode, Interceptor,
    interceptor::{Next, UnaryRequest, UnaryResponse},
};
use serde_json::{Map, Value};
use tracing::Span;

use super::{errors, metadata::REQUEST_ID};

use crate::{
    access_log::{AccessLogEntry, HasLine},
    protocol::ucs::v2::Connector,
};

/// A field of the request in JSON.
struct Field {
    name: &'static str,
    /// The other spelling of the name, which protobuf's JSON mapping demands.
    camel_case: &'static str,
    /// The value in the decoder's form, or `None` where it has that form already.
    ///
    /// # Errors
    /// What the value must be.
    read: fn(&Value) -> Result<Option<Value>, &'static str>,
}

const FIELDS: [Field; 5] = [
    Field { name: "merchant_access_token_id", camel_case: "merchantAccessTokenId", read: text },
    Field { name: "connector", camel_case: "connector", read: connector },
    Field { name: "metadata", camel_case: "metadata", read: secret },
    Field { name: "connector_feature_data", camel_case: "connectorFeatureData", read: secret },
    Field { name: "test_mode", camel_case: "testMode", read: truth },
];

/// Most characters of an unknown field's name in an error.
const MAX_NAME_CHARS: usize = 64;

/// Brings JSON requests into the decoder's form and refuses faulty ones. It also replaces the
/// decoder's errors, which have no details; all errors of the service have details.
pub(crate) struct JsonRequests;

#[connectrpc::async_trait]
impl Interceptor for JsonRequests {
    async fn intercept_unary(&self, mut request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        if !request.ctx.path().is_some_and(|path| path.contains("MerchantAuthenticationService/")) {
            return next.run(request).await;
        }
        let id = request.ctx.header(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let line = request.ctx.extensions().get::<HasLine>().cloned();
        if request.payload.format() == CodecFormat::Json {
            match decoders_form(request.payload.bytes()) {
                Ok(None) => {}
                Ok(Some(json)) => request = UnaryRequest::new(request.ctx, json, CodecFormat::Json),
                Err(error) => return Err(refuse(&id, line, error)),
            }
        }
        match next.run(request).await {
            Err(error) if error.details.is_empty() && error.code == ErrorCode::InvalidArgument => {
                let message = "the request message cannot be decoded; its fields and their types are in \
                               proto/ucs/v2/merchant_authentication.proto";
                Err(refuse(&id, line, Error::new(Kind::InvalidRequest, message)))
            }
            result => result,
        }
    }
}

fn refuse(request_id: &str, line: Option<HasLine>, error: Error) -> ConnectError {
    if let Some(line) = line {
        line.set();
    }
    let mut entry = AccessLogEntry::start(Some(request_id), None, None, Span::none());
    let failed = errors::to_connect(&error, None);
    entry.end(&Err(error));
    failed
}

/// The request as the decoder reads it, or `None` where it has that form already.
///
/// # Errors
/// The text is no JSON object, or a field is unknown, given twice or of another type. The decoder
/// ignores unknown fields, and a misspelled `testMode` would make a live call.
fn decoders_form(json: &[u8]) -> Result<Option<Bytes>, Error> {
    let given: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
        let message = format!("the request is no JSON object: line {}, column {}", error.line(), error.column());
        Error::new(Kind::InvalidRequest, message)
    })?;
    let mut fields = Map::new();
    let mut faults = Vec::new();
    let mut changed = false;
    for (name, value) in given {
        let Some(field) = FIELDS.iter().find(|field| field.name == name || field.camel_case == name) else {
            let name = name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARS).collect();
            faults.push(fault(name, unknown_field(faults.is_empty())));
            continue;
        };
        match (field.read)(&value) {
            Ok(_) if fields.contains_key(field.name) => {
                faults.push(fault(field.name.into(), "is given twice, in both spellings".into()));
            }
            Ok(other_form) => {
                changed |= name != field.name || other_form.is_some();
                fields.insert(field.name.into(), other_form.unwrap_or(value));
            }
            Err(expected) => faults.push(fault(field.name.into(), format!("must be {expected}"))),
        }
    }
    let Some(first) = faults.first() else {
        return Ok(changed.then(|| Value::Object(fields).to_string().into()));
    };
    let message = format!("{}: {}", first.field, first.description);
    Err(Error { fields: faults, ..Error::new(Kind::InvalidRequest, message) })
}

fn fault(field: String, description: String) -> FieldViolation {
    FieldViolation { field, description }
}

/// The first unknown field's description has the names that are accepted.
fn unknown_field(first: bool) -> String {
    if first {
        format!("unknown field; accepted are {}", FIELDS.map(|field| field.name).join(", "))
    } else {
        "unknown field".into()
    }
}

fn text(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(_) | Value::Null => Ok(None),
        _ => Err("text"),
    }
}

/// A name of the enum in any case, or its number.
fn connector(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(given) => {
            let name = given.to_ascii_uppercase();
            match Connector::from_proto_name(&name) {
                Some(_) => Ok((name != *given).then(|| name.into())),
                // The earlier name of 116.
                None if name == "SANLAM" => Ok(Some(Connector::ABSA_SANLAM.proto_name().into())),
                None => Err("the name of a connector; `daypass connectors` lists them"),
            }
        }
        Value::Number(_) | Value::Null => Ok(None),
        _ => Err("the name of a connector, as text"),
    }
}

/// A JSON text: given as text, as the object itself, or as `{"value": "…"}`, the form in which
/// existing clients write secrets.
fn secret(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(_) | Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(match (fields.len(), fields.get("value")) {
            (1, Some(text @ Value::String(_))) => text.clone(),
            _ => value.to_string().into(),
        })),
        _ => Err("a JSON object, or the text of one"),
    }
}

fn truth(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::Bool(_) | Value::Null => Ok(None),
        Value::String(text) if text == "true" || text == "false" => Ok(Some((text == "true").into())),
        _ => Err("true or false"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::CreateAccessTokenRequest;

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
        let mut fields = FIELDS.map(|field| field.name);
        fields.sort_unstable();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
        assert_eq!(decoders_form(json.to_string().as_bytes()).unwrap(), None);
    }

    #[test]
    fn forms_of_existing_clients_are_the_same_request() {
        let canonical = json!({"merchant_access_token_id": "r", "connector": "STRIPE", "metadata": "{\"a\":1}",
            "connector_feature_data": "{\"grant\":\"ephemeral_key\"}", "test_mode": true});
        for other in [
            json!({"merchantAccessTokenId": "r", "connector": "stripe", "metadata": {"a": 1},
                "connectorFeatureData": {"grant": "ephemeral_key"}, "testMode": "true"}),
            json!({"merchant_access_token_id": "r", "connector": "Stripe", "metadata": {"value": "{\"a\":1}"},
                "connector_feature_data": {"value": "{\"grant\":\"ephemeral_key\"}"}, "test_mode": true}),
        ] {
            let form = decoders_form(other.to_string().as_bytes()).unwrap().unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&form).unwrap(), canonical, "{other}");
        }
        let defaults = json!({"merchant_access_token_id": "r", "connector": 72, "metadata": null, "test_mode": null});
        assert_eq!(decoders_form(defaults.to_string().as_bytes()).unwrap(), None);
    }

    #[test]
    fn each_fault_names_its_field_and_no_value() {
        for (faulty, field) in [
            (json!({"merchant_access_token_id": 5_551_234}), "merchant_access_token_id"),
            (json!({"connector": "canary5551234"}), "connector"),
            (json!({"connector": ["STRIPE"]}), "connector"),
            (json!({"test_mode": "canary5551234"}), "test_mode"),
            (json!({"test_mode": 1}), "test_mode"),
            (json!({"metadata": [5_551_234]}), "metadata"),
            (json!({"connector_feature_data": 5_551_234}), "connector_feature_data"),
            (json!({"test_mode": true, "testMode": false}), "test_mode"),
            (json!({"testmode": "canary5551234"}), "testmode"),
        ] {
            let error = decoders_form(faulty.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.fields[0].field, field, "{faulty}");
            assert!(!error.message.contains("5551234"), "{error:?}");
        }
        let error = decoders_form(b"{\"connector\": \"STRIPE\",\n}").unwrap_err();
        assert_eq!(error.message, "the request is no JSON object: line 2, column 1");
        assert!(decoders_form(b"[]").is_err());
    }
}
