//! The value of an argument `--input name=value`. The shell has texts only, so the type comes from
//! the grant's declaration of the input. Used by `call_args`.

use connectors::{Input, InputKind, Meta};
use serde_json::Value;

/// The declaration of an input: by the named grant or, where none is named, by any grant. The
/// grants of one connector that declare the same input agree on its type.
pub(super) fn declaration(meta: &Meta, grant: Option<&str>, input: &str) -> Option<&'static Input> {
    let grants = meta.grants.iter().filter(|known| grant.is_none_or(|name| name == known.name));
    grants.flat_map(|grant| grant.inputs).find(|known| known.name == input)
}

/// The value of an input. Where the text does not have the type, the value is the text, and the
/// engine's check of inputs refuses it.
///
/// An input that the grant does not declare has a guessed type: `ttl_seconds` and `scopes` are
/// common to all grants, and the engine refuses the others by their names.
pub(super) fn input_value(kind: Option<InputKind>, text: &str) -> Value {
    let is_typed: fn(&Value) -> bool = match kind {
        Some(
            InputKind::Text(..)
            | InputKind::Digits(..)
            | InputKind::Secret
            | InputKind::Url
            | InputKind::Origin
            | InputKind::Label
            | InputKind::Currency
            | InputKind::Country
            | InputKind::Decimal
            | InputKind::OneOf(..),
        ) => return text.into(),
        Some(InputKind::Integer(..) | InputKind::MinorUnits(..)) => Value::is_number,
        Some(InputKind::Flag) => Value::is_boolean,
        Some(InputKind::Texts(..) | InputKind::Origins(..) | InputKind::Objects) => Value::is_array,
        Some(InputKind::Object) => Value::is_object,
        None => |_| true,
    };
    serde_json::from_str(text).ok().filter(is_typed).unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, mem::discriminant};

    use connectors::{CONNECTORS, find};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_has_the_declared_type() {
        for (kind, text, value) in [
            (Some(InputKind::Text(255)), "9999999999", json!("9999999999")),
            (Some(InputKind::Text(255)), "true", json!("true")),
            (Some(InputKind::Text(255)), "null", json!("null")),
            (Some(InputKind::Text(255)), "[1]", json!("[1]")),
            (Some(InputKind::Text(255)), "\"quoted\"", json!("\"quoted\"")),
            (Some(InputKind::Secret), "1234", json!("1234")),
            (Some(InputKind::Digits(20)), "0012", json!("0012")),
            (Some(InputKind::Decimal), "10.50", json!("10.50")),
            (Some(InputKind::OneOf(&["1", "2"])), "1", json!("1")),
            (Some(InputKind::Integer(0, 9)), "7", json!(7)),
            (Some(InputKind::MinorUnits(0, 9)), "7", json!(7)),
            (Some(InputKind::Integer(0, 9)), "seven", json!("seven")),
            (Some(InputKind::Integer(0, 9)), "true", json!("true")),
            (Some(InputKind::Flag), "true", json!(true)),
            (Some(InputKind::Flag), "1", json!("1")),
            (Some(InputKind::Texts(5)), r#"["card"]"#, json!(["card"])),
            (Some(InputKind::Texts(5)), "card", json!("card")),
            (Some(InputKind::Origins(5)), r#"["https://a.example"]"#, json!(["https://a.example"])),
            (Some(InputKind::Object), r#"{"a": 1}"#, json!({"a": 1})),
            (Some(InputKind::Object), "1", json!("1")),
            (Some(InputKind::Objects), r#"[{"a": 1}]"#, json!([{"a": 1}])),
            (None, "1900", json!(1900)),
            (None, "plain text", json!("plain text")),
        ] {
            assert_eq!(input_value(kind, text), value, "{kind:?} {text}");
        }
    }

    #[test]
    fn grants_of_one_connector_agree_on_the_type_of_an_input() {
        for meta in CONNECTORS.iter().map(|entry| entry.meta) {
            let mut samples = BTreeMap::new();
            for input in meta.grants.iter().flat_map(|grant| grant.inputs) {
                let types = ["1", "true", "[]", "{}"].map(|text| discriminant(&input_value(Some(input.kind), text)));
                let first = samples.entry(input.name).or_insert(types);
                assert_eq!(*first, types, "{} {}", meta.id, input.name);
            }
        }
    }

    #[test]
    fn a_declaration_is_that_of_the_named_grant() {
        let stripe = find("stripe").unwrap().meta;
        assert!(declaration(stripe, None, "amount").is_some());
        assert!(declaration(stripe, Some("payment_intent"), "amount").is_some());
        assert!(declaration(stripe, Some("setup_intent"), "amount").is_none());
        assert!(declaration(stripe, None, "custommer").is_none());
    }
}
