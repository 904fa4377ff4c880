//! Requests in JSON, and requests that cannot be decoded. JSON is accepted in the forms that
//! protobuf's JSON mapping and existing clients have, and brought into the decoder's form. A fault
//! gets an error that names its field and repeats no value, and a line in the access log. An
//! interceptor, used by `server`; uses `access_log` and `errors`.

use std::sync::Arc;

use buffa::Enumeration as _;
use bytes::Bytes;
use connectors::{Error, FieldViolation, Kind};
use connectrpc::{
    CodecFormat, ConnectError, ErrorCode, Interceptor,
    interceptor::{Next, UnaryRequest, UnaryResponse},
};
use protocol::{
    json_fields::{Field, Form, Message, message_of},
    ucs::v2::Connector,
};
use serde_json::{Map, Value};
use tracing::Span;

use super::errors;
use crate::access_log::{AccessLog, AccessLogEntry, Arrival};

/// Most characters of an unknown field's name in an error.
const MAX_NAME_CHARS: usize = 64;

/// Brings JSON requests into the decoder's form and refuses faulty ones. It also replaces the
/// decoder's errors, which have no details; all errors of the service have details.
pub(crate) struct JsonRequests {
    /// Has the calls that are refused unread.
    pub log: Arc<AccessLog>,
}

#[connectrpc::async_trait]
impl Interceptor for JsonRequests {
    async fn intercept_unary(&self, mut request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        if !request.ctx.path().is_some_and(|path| path.contains("MerchantAuthenticationService/")) {
            return next.run(request).await;
        }
        let arrival = Arrival::of(request.ctx.extensions());
        let refuse = |error| self.refuse(arrival, error);
        if request.payload.format() == CodecFormat::Json {
            let message = request.ctx.path().and_then(|path| message_of(path.rsplit('/').next()?));
            let Some(message) = message else { return next.run(request).await };
            match decoders_form(message, request.payload.bytes()) {
                Ok(None) => {}
                Ok(Some(json)) => request = UnaryRequest::new(request.ctx, json, CodecFormat::Json),
                Err(error) => return Err(refuse(error)),
            }
        }
        match next.run(request).await {
            Err(error) if error.details.is_empty() && error.code == ErrorCode::InvalidArgument => {
                let message = "the request message cannot be decoded; its fields and their types are in \
                               proto/ucs/v2/merchant_authentication.proto";
                Err(refuse(Error::new(Kind::InvalidRequest, message)))
            }
            result => result,
        }
    }
}

impl JsonRequests {
    fn refuse(&self, arrival: Arc<Arrival>, error: Error) -> ConnectError {
        let mut entry = AccessLogEntry::start(&self.log, arrival, None, None, Span::none());
        entry.audit_refusal();
        let failed = errors::to_connect(&error, None);
        entry.end(&Err(error));
        failed
    }
}

/// The request as the decoder reads it, or `None` where it has that form already.
///
/// # Errors
/// The text is no JSON object, or a field is unknown, given twice or of another type. The decoder
/// ignores unknown fields, and a misspelled `testMode` would make a live call.
fn decoders_form(message: &Message, json: &[u8]) -> Result<Option<Bytes>, Error> {
    let given: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
        let message = format!("the request is no JSON object: line {}, column {}", error.line(), error.column());
        Error::new(Kind::InvalidRequest, message)
    })?;
    let mut reading = Reading::default();
    let fields = reading.message(message, given, "");
    let Some(first) = reading.faults.first() else {
        return Ok(reading.changed.then(|| Value::Object(fields).to_string().into()));
    };
    let message = format!("{}: {}", first.field, first.description);
    Err(Error { fields: reading.faults, ..Error::new(Kind::InvalidRequest, message) })
}

/// The reading of one request.
#[derive(Default)]
struct Reading {
    faults: Vec<FieldViolation>,
    /// Whether a value has another form than the decoder's.
    changed: bool,
}

impl Reading {
    /// The members of a message in the decoder's form. `within` is the path of the message, with a
    /// full stop at its end.
    fn message(&mut self, message: &Message, given: Map<String, Value>, within: &str) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut unknown_before = false;
        for (name, value) in given {
            let Some(field) = message.fields.iter().find(|field| field.name == name || field.camel_case == name) else {
                let name: String =
                    name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARS).collect();
                self.fault(format!("{within}{name}"), unknown_field(message, !unknown_before));
                unknown_before = true;
                continue;
            };
            let path = format!("{within}{}", field.name);
            if fields.contains_key(field.name) {
                self.fault(path, "is given twice, in both spellings".into());
                continue;
            }
            self.changed |= name != field.name;
            if let Some(value) = self.field(field, value, &path) {
                fields.insert(field.name.into(), value);
            }
        }
        fields
    }

    fn field(&mut self, field: &Field, value: Value, path: &str) -> Option<Value> {
        match (field.list, value) {
            (_, Value::Null) => Some(Value::Null),
            (false, value) => self.value(&field.form, value, path),
            (true, Value::Array(items)) => {
                let item = |item| self.value(&field.form, item, path);
                Some(items.into_iter().filter_map(item).collect())
            }
            (true, _) => {
                self.fault(path.into(), "must be a list".into());
                None
            }
        }
    }

    /// A value in the decoder's form; `None` where it is faulty or not read.
    fn value(&mut self, form: &Form, value: Value, path: &str) -> Option<Value> {
        let read = match (form, value) {
            (Form::Message(message), Value::Object(given)) => {
                return Some(self.message(message, given, &format!("{path}.")).into());
            }
            (Form::Message(_), _) => Err("an object"),
            (Form::Unread, _) => {
                self.changed = true;
                return None;
            }
            (Form::Text, value) => text(&value).map(|form| form.unwrap_or(value)),
            (Form::Secret, value) => match secret(&value) {
                Ok(form @ (None | Some(Value::String(_)))) if !is_bare_object(&value) => Ok(self.other(form, value)),
                _ => Err("text"),
            },
            (Form::JsonText, value) => secret(&value).map(|form| self.other(form, value)),
            (Form::Enum(has), value) => name_of(*has, &value).map(|form| self.other(form, value)),
            (Form::Flag, value) => truth(&value).map(|form| self.other(form, value)),
            (Form::Integer, value) => integer(&value).map(|()| value),
            (Form::Texts, value) => match value.as_object() {
                Some(texts) if texts.values().all(Value::is_string) => Ok(value),
                _ => Err("an object of texts"),
            },
        };
        read.map_err(|expected| self.fault(path.into(), format!("must be {expected}"))).ok()
    }

    fn other(&mut self, form: Option<Value>, value: Value) -> Value {
        self.changed |= form.is_some();
        form.unwrap_or(value)
    }

    fn fault(&mut self, field: String, description: String) {
        self.faults.push(FieldViolation { field, description });
    }
}

/// The first unknown field's description has the names that are accepted.
fn unknown_field(message: &Message, first: bool) -> String {
    if first {
        let names: Vec<_> = message.fields.iter().map(|field| field.name).collect();
        format!("unknown field; accepted are {}", names.join(", "))
    } else {
        "unknown field".into()
    }
}

fn text(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(_) => Ok(None),
        _ => Err("text"),
    }
}

/// A name of an enum in any case, or its number.
fn name_of(has: fn(&str) -> bool, value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(given) => {
            let name = given.to_ascii_uppercase();
            match has(&name) {
                true => Ok((name != *given).then(|| name.into())),
                // The earlier name of 116.
                false if name == "SANLAM" => Ok(Some(Connector::ABSA_SANLAM.proto_name().into())),
                false if has(Connector::CONNECTOR_UNSPECIFIED.proto_name()) => {
                    Err("the name of a connector; `daypass connectors` lists them")
                }
                false => Err("a name of the enum"),
            }
        }
        Value::Number(_) => Ok(None),
        _ => Err("a name of the enum, as text"),
    }
}

/// A JSON text: given as text, as the object itself, or as `{"value": "…"}`, the form in which
/// existing clients write secrets.
fn secret(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::String(_) => Ok(None),
        Value::Object(fields) => Ok(Some(match (fields.len(), fields.get("value")) {
            (1, Some(text @ Value::String(_))) => text.clone(),
            _ => value.to_string().into(),
        })),
        _ => Err("a JSON object, or the text of one"),
    }
}

/// Whether a value is an object that does not wrap a text.
fn is_bare_object(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.len() != 1 || !fields.get("value").is_some_and(Value::is_string))
}

fn truth(value: &Value) -> Result<Option<Value>, &'static str> {
    match value {
        Value::Bool(_) => Ok(None),
        Value::String(text) if text == "true" || text == "false" => Ok(Some((text == "true").into())),
        _ => Err("true or false"),
    }
}

/// A whole number, which protobuf's JSON mapping writes as text too.
fn integer(value: &Value) -> Result<(), &'static str> {
    let whole = match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::String(text) => text.parse::<i64>().is_ok(),
        _ => false,
    };
    if whole { Ok(()) } else { Err("a whole number") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use protocol::CreateAccessTokenRequest;

    fn decoders_form(json: &[u8]) -> Result<Option<Bytes>, Error> {
        super::decoders_form(message_of("CreateAccessToken").unwrap(), json)
    }

    #[test]
    fn the_fields_are_those_of_the_message() {
        let text = || buffa_types::google::protobuf::StringValue { value: "{}".into(), ..Default::default() };
        let request = CreateAccessTokenRequest {
            merchant_access_token_id: "r".into(),
            connector: Connector::STRIPE.into(),
            metadata: text().into(),
            connector_feature_data: text().into(),
            test_mode: Some(true),
            merchant_request_id: Some("q".into()),
            ..Default::default()
        };
        let json = serde_json::to_value(request).unwrap();
        let message = message_of("CreateAccessToken").unwrap();
        let mut names: Vec<_> = message.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), names);
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
    fn members_inside_of_members_are_read_in_all_forms() {
        let message = message_of("CreateClientAuthenticationToken").unwrap();
        let read = |json: Value| super::decoders_form(message, json.to_string().as_bytes());
        let canonical = json!({"merchant_client_session_id": "r", "payment": {
            "amount": {"minor_amount": "1000", "currency": "EUR"}, "customer": {"email": "a@b.example"}},
            "permissions": {"values": ["a"]}});
        let other = json!({"merchantClientSessionId": "r", "payment": {
            "amount": {"minorAmount": "1000", "currency": "eur"},
            "customer": {"email": {"value": "a@b.example"}, "phone_number": "+49"}}, "permissions": {"values": ["a"]}});
        assert_eq!(read(canonical.clone()).unwrap(), None);
        assert_eq!(serde_json::from_slice::<Value>(&read(other).unwrap().unwrap()).unwrap(), canonical);
        for (faulty, field) in [
            (json!({"payment": {"amuont": {}}}), "payment.amuont"),
            (json!({"payment": {"amount": {"currency": "EUX"}}}), "payment.amount.currency"),
            (json!({"payment": {"amount": {"minor_amount": 10.5}}}), "payment.amount.minor_amount"),
            (json!({"payment": {"customer": {"email": {"text": "a"}}}}), "payment.customer.email"),
            (json!({"payment": []}), "payment"),
            (json!({"permissions": {"values": "a"}}), "permissions.values"),
            (json!({"authenticator": {"country_codes": ["US", "XX"]}}), "authenticator.country_codes"),
        ] {
            assert_eq!(read(faulty.clone()).unwrap_err().fields[0].field, field, "{faulty}");
        }
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
