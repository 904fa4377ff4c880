//! The checks of form parameters that Stripe's calls share.

use serde_json::{Value, json};

use super::errors::invalid;
use crate::http::{Answer, Pairs, root};

/// Refuses parameters that are not in the list `known`, and a missing required parameter.
pub(super) fn check(form: &Pairs, known: &str, required: &[&str]) -> Result<(), Answer> {
    let known = |name: &str| known.split_whitespace().chain(["expand", "metadata"]).any(|it| it == name);
    if let Some((name, _)) = form.0.iter().find(|(name, _)| !known(root(name))) {
        return Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), name));
    }
    if let Some((name, _)) = form.0.iter().find(|(name, value)| value.is_empty() && !name.starts_with("metadata")) {
        return Err(invalid(
            Some("parameter_invalid_empty"),
            &format!("You passed an empty string for '{name}'."),
            name,
        ));
    }
    let metadata: Vec<_> = form.0.iter().filter(|(name, _)| root(name) == "metadata").collect();
    // A name is the key and ten characters more: `metadata[` and `]`.
    if metadata.len() > 50
        || metadata.iter().any(|(name, value)| name.chars().count() > 50 || value.chars().count() > 500)
    {
        return Err(invalid(None, "Metadata: at most 50 keys of 40 characters, values of 500 characters.", "metadata"));
    }
    match required.iter().find(|name| !form.has(name)) {
        Some(name) => Err(invalid(Some("parameter_missing"), &format!("Missing required param: {name}."), name)),
        None => exists(form, "customer", "cus_"),
    }
}

/// Refuses an id of another kind, and one that contains `missing`; every other id exists.
pub(super) fn exists(form: &Pairs, name: &str, prefix: &str) -> Result<(), Answer> {
    match form.value(name) {
        Some(id) if !id.starts_with(prefix) || id.contains("missing") => {
            Err(invalid(Some("resource_missing"), &format!("No such {name}: '{id}'"), name))
        }
        _ => Ok(()),
    }
}

pub(super) fn one_of(form: &Pairs, name: &str, values: &[&str]) -> Result<(), Answer> {
    match form.value(name) {
        Some(value) if !values.contains(&value) => {
            Err(invalid(None, &format!("Invalid {name}: must be one of {}", values.join(", ")), name))
        }
        _ => Ok(()),
    }
}

pub(super) fn integer(form: &Pairs, name: &str) -> Result<Option<i64>, Answer> {
    let parse = |value: &str| {
        value
            .parse()
            .map_err(|_| invalid(Some("parameter_invalid_integer"), &format!("Invalid integer: {value}"), name))
    };
    form.value(name).map(parse).transpose()
}

/// The parameter `metadata` as an object.
pub(super) fn metadata(form: &Pairs) -> Value {
    let key = |name: &str| name.strip_prefix("metadata[").and_then(|it| it.strip_suffix(']')).map(str::to_owned);
    form.0.iter().filter_map(|(name, value)| Some((key(name)?, json!(value)))).collect::<serde_json::Map<_, _>>().into()
}
