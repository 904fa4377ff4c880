//! The operator's lists of values that an input may have. The request check uses them.

use std::collections::BTreeMap;

use connectors::{Error, FieldViolation, Inputs, Kind, Result};
use serde_json::Value;

/// Checks the inputs against the operator's lists, by path (`policy.roles`). A text must be in the
/// list, and each text of a list. An input that is not given is not checked.
///
/// # Errors
/// [`Kind::PolicyDenied`] with the field and the list.
pub(super) fn check_allowed(inputs: &Inputs, allowed: &BTreeMap<String, Vec<String>>) -> Result<()> {
    for (path, list) in allowed {
        let (name, inner) = path.split_once('.').unwrap_or((path, ""));
        let pointer = if inner.is_empty() { String::new() } else { format!("/{}", inner.replace('.', "/")) };
        let Some(value) = inputs.value(name).and_then(|value| value.pointer(&pointer)) else { continue };
        if !is_allowed(value, list) {
            let field = format!("connector_feature_data.{path}");
            let description = format!("this service allows {}", list.join(", "));
            let error = Error::new(Kind::PolicyDenied, format!("{field}: {description}"));
            return Err(Error { fields: vec![FieldViolation { field, description }], ..error });
        }
    }
    Ok(())
}

fn is_allowed(value: &Value, list: &[String]) -> bool {
    match value {
        Value::String(text) => list.contains(text),
        Value::Array(items) => items.iter().all(|item| is_allowed(item, list)),
        other => list.contains(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn only_listed_values_pass() {
        let meta = connectors::find("adyenplatform").unwrap().meta;
        let allowed = BTreeMap::from([
            ("policy.roles".to_owned(), vec!["Payouts Overview Component: View".to_owned(), "b".to_owned()]),
            ("product".to_owned(), vec!["platform".to_owned()]),
        ]);
        for (product, roles, passes) in [
            ("platform", json!(["Payouts Overview Component: View"]), true),
            ("platform", json!(["b", "Payouts Overview Component: View"]), true),
            ("platform", json!(["b", "Transfer Instrument Component: Manage"]), false),
            ("platform", json!([{"b": 1}]), false),
            ("platform", json!("other"), false),
            ("bank", json!(["b"]), false),
        ] {
            let values = json!({
                "allowOrigin": "https://shop.example", "product": product,
                "policy": {"resources": [], "roles": roles},
            });
            let Value::Object(values) = values else { panic!("an object") };
            let inputs = Inputs::check(&meta.grants[0], values, Vec::new(), None, &Map::new()).unwrap();
            let result = check_allowed(&inputs, &allowed);
            assert_eq!(result.is_ok(), passes, "{product} {roles}");
            assert!(result.err().is_none_or(|error| error.kind == Kind::PolicyDenied && error.fields.len() == 1));
        }
    }
}
