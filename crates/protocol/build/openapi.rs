//! The description of the JSON path in OpenAPI 3.1, made from the descriptors: paths from the
//! services, schemas from the messages, texts from the comments. Used by the build script.

#![expect(clippy::indexing_slicing, reason = "an object of serde_json gains the member")]

use std::collections::BTreeMap;

use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};
use serde_json::{Map, Value, json};

use crate::{JSON_TEXTS, SERVICE};

/// Examples by field: those of the documented call.
fn example(field: &str) -> Option<Value> {
    match field {
        "merchant_access_token_id" => Some("token_001".into()),
        "connector" => Some("STRIPE".into()),
        "test_mode" => Some(true.into()),
        _ => None,
    }
}

/// The request metadata as header parameters.
fn headers() -> Value {
    let header = |name: &str, description: &str, example: &str| {
        let mut header =
            json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}});
        if !example.is_empty() {
            header["example"] = example.into();
        }
        header
    };
    json!([
        header("x-connector", "The connector's name in lower case; may be left out where the body names it.", "stripe"),
        header(
            "x-connector-auth",
            "The connector's credentials: {\"<Connector>\": {…}}. `daypass connectors` lists their fields.",
            "{\"Stripe\":{\"api_key\":\"sk_test_example\"}}"
        ),
        header("x-request-id", "Made where absent; echoed.", ""),
        header("x-merchant-id", "The merchant of the call, for the log.", ""),
        header("cache-control", "`no-cache`: do not reuse a SERVER token.", ""),
    ])
}

/// The document.
pub(crate) fn document(pool: &DescriptorPool) -> Value {
    let mut paths = Map::new();
    let mut schemas = BTreeMap::new();
    for service in pool.services().filter(|service| service.name() == SERVICE) {
        for method in service.methods() {
            collect(&method.input(), Direction::Request, &mut schemas);
            collect(&method.output(), Direction::Response, &mut schemas);
            paths.insert(format!("/{}/{}", service.full_name(), method.name()), json!({"post": operation(&method)}));
        }
    }
    schemas.insert("Error".into(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Daypass",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Short-lived, client-safe access tokens of payment connectors, over JSON (the Connect protocol). \
                            Deadline: the header `connect-timeout-ms`. Callers that are configured with keys send \
                            `authorization: Bearer <key>`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://localhost:8080"}],
        "security": [{}, {"caller": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"caller": {"type": "http", "scheme": "bearer", "description": "The caller's key."}},
        },
    })
}

fn operation(method: &MethodDescriptor) -> Value {
    let package = method.parent_service().package_name().replace('.', "_");
    json!({
        "operationId": format!("{package}_{}", method.name()),
        "summary": comment(&method.parent_file(), method.path()),
        "parameters": headers(),
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": reference(method.input().full_name())}},
        },
        "responses": {
            "200": {
                "description": "A token, or the connector's refusal: `status` says which.",
                "content": {"application/json": {"schema": reference(method.output().full_name())}},
            },
            "default": {
                "description": "No token: the request, this service or the connector is at fault.",
                "content": {"application/json": {"schema": reference("Error")}},
            },
        },
    })
}

/// A message's way decides which forms of a field are described.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Request,
    Response,
}

/// Puts the schema of a message, and of those inside it, into the list.
fn collect(message: &MessageDescriptor, direction: Direction, schemas: &mut BTreeMap<String, Value>) {
    if schemas.contains_key(message.full_name()) {
        return;
    }
    let mut properties = Map::new();
    schemas.insert(message.full_name().into(), Value::Null);
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind()
            && !field.is_map()
            && !inner.full_name().starts_with("google.protobuf.")
        {
            collect(&inner, direction, schemas);
        }
        properties.insert(field.json_name().into(), property(&field, direction));
    }
    let mut schema = json!({
        "type": "object",
        "description": comment(&message.parent_file(), message.path()),
        "properties": properties,
    });
    if direction == Direction::Request {
        schema["additionalProperties"] = false.into();
    }
    schemas.insert(message.full_name().into(), schema);
}

fn property(field: &FieldDescriptor, direction: Direction) -> Value {
    let mut schema = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            json!({"type": "object", "additionalProperties": scalar(&entry.map_entry_value_field().kind())})
        }
        Kind::String | Kind::Message(_) if direction == Direction::Request && JSON_TEXTS.contains(&field.name()) => {
            json!({"type": ["string", "object"]})
        }
        kind => scalar(&kind),
    };
    if field.is_list() {
        schema = json!({"type": "array", "items": schema});
    }
    let text = comment(&field.parent_message().parent_file(), field.path());
    // A reference with a sibling is legal in 3.1; texts stand beside it.
    if !text.is_empty() {
        schema["description"] = text.into();
    }
    if direction == Direction::Request
        && let Some(example) = example(field.name())
    {
        schema["examples"] = json!([example]);
    }
    schema
}

/// The JSON form of a value (protobuf's JSON mapping).
fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"})
        }
        Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
        Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "uint32", "minimum": 0}),
        Kind::Float | Kind::Double => json!({"type": "number"}),
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Enum(names) => json!({"type": "string", "enum": names_of(names)}),
        // The wrapper types are their values in JSON.
        Kind::Message(message) if message.full_name() == "google.protobuf.StringValue" => json!({"type": "string"}),
        Kind::Message(message) => reference(message.full_name()),
    }
}

fn names_of(names: &EnumDescriptor) -> Vec<String> {
    names.values().map(|value| value.name().to_owned()).collect()
}

/// An error of the Connect protocol, with the details of AIP-193 readable in `debug`.
fn error() -> Value {
    json!({
        "type": "object",
        "description": "An error of the Connect protocol. Details: google.rpc.ErrorInfo (reason, guidance), \
                        google.rpc.BadRequest (fields), google.rpc.RetryInfo.",
        "required": ["code"],
        "properties": {
            "code": {"type": "string", "description": "The gRPC code in lower case.", "examples": ["invalid_argument"]},
            "message": {"type": "string"},
            "details": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "value"],
                    "properties": {
                        "type": {"type": "string", "examples": ["google.rpc.ErrorInfo"]},
                        "value": {"type": "string", "contentEncoding": "base64"},
                        "debug": {"type": "object", "description": "The message as JSON."},
                    },
                },
            },
        },
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The comment before an element, without its tables.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.and_then(|location| location.leading_comments.clone()).unwrap_or_default();
    let text = text.split("\n\n").next().unwrap_or_default();
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}
