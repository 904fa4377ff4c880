//! The fields of the request messages as a table, made from the descriptors for
//! the module of the same name. Used by the build script.

use std::{collections::BTreeSet, fmt::Write};

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::{JSON_TEXTS, SERVICE};

/// Rust source: one `static` for each message, and `message_of` from the method's name.
pub(crate) fn source(pool: &DescriptorPool) -> String {
    let mut source = String::new();
    let mut written = BTreeSet::new();
    let mut methods = String::new();
    for service in pool.services().filter(|service| service.name() == SERVICE && service.package_name() == "types") {
        for method in service.methods() {
            message(&method.input(), &mut written, &mut source);
            let _ = writeln!(methods, "        {:?} => Some(&{}),", method.name(), identifier(&method.input()));
        }
    }
    format!(
        "{source}/// The request of a method, by the method's name.\npub fn message_of(method: &str) -> \
         Option<&'static Message> {{\n    match method {{\n{methods}        _ => None,\n    }}\n}}\n"
    )
}

fn message(message: &MessageDescriptor, written: &mut BTreeSet<String>, source: &mut String) {
    if !written.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        if let Some(inner) = inner(&field) {
            self::message(&inner, written, source);
        }
    }
    let fields: String = message.fields().map(|field| self::field(&field)).collect();
    let _ = writeln!(source, "static {}: Message = Message {{ fields: &[\n{fields}] }};", identifier(message));
}

/// The message of our own inside a field.
fn inner(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(inner) if !field.is_map() && !inner.full_name().starts_with("google.protobuf.") => Some(inner),
        _ => None,
    }
}

fn field(field: &FieldDescriptor) -> String {
    let form = match (field.kind(), inner(field)) {
        _ if JSON_TEXTS.contains(&field.name()) => "Form::JsonText".to_owned(),
        _ if field.is_map() => "Form::Texts".to_owned(),
        (_, Some(inner)) => format!("Form::Message(&{})", identifier(&inner)),
        (Kind::Message(_), None) => "Form::Secret".to_owned(),
        (Kind::Enum(names), _) => {
            let name = names.name();
            format!("Form::Enum(|name| ucs::v2::{name}::from_proto_name(name).is_some())")
        }
        (Kind::Bool, _) => "Form::Flag".to_owned(),
        (Kind::Bytes, _) => "Form::Unread".to_owned(),
        (Kind::String, _) => "Form::Text".to_owned(),
        _ => "Form::Integer".to_owned(),
    };
    let (name, list) = (field.name(), field.is_list());
    format!("    Field {{ name: {name:?}, camel_case: {:?}, list: {list}, form: {form} }},\n", camel_case(name))
}

/// The other spelling of a name, which protobuf's JSON mapping demands.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &initial.map(String::from).unwrap_or_default() + letters.as_str()
    })
}

fn identifier(message: &MessageDescriptor) -> String {
    message.full_name().replace('.', "_").to_ascii_uppercase()
}
