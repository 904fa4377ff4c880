//! The sources of the configuration: file and environment as trees of settings, their merge, and
//! errors without values. Used by `config`.

use std::path::Path;

use daypass::canonical_id;
use figment::{
    Figment, Provider,
    error::{Actual, Kind},
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};
use serde::de::DeserializeOwned;

use super::{error::ConfigError, files};

/// A tree of settings.
pub(super) type Settings = Dict;

/// Environment variables with the prefix `DAYPASS_` that are no settings: arguments of commands.
const NOT_SETTINGS: &[&str] = &["config", "credentials", "feature_data"];

/// The settings of a file. Its relative paths count from its folder.
pub(super) fn file(file: &Path) -> Result<Settings, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    let mut settings = toml(&text, &file.display().to_string())?;
    files::resolve(&mut settings, file.parent().unwrap_or(Path::new("")));
    Ok(settings)
}

/// The settings of a text. An error has the place and no part of the line, which may hold a secret.
pub(super) fn toml(text: &str, name: &str) -> Result<Settings, ConfigError> {
    Toml::from_str(text).map(with_canonical_names).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        ConfigError::Syntax { name: name.to_owned(), line, column }
    })
}

/// The settings of the environment.
pub(super) fn environment() -> Result<Settings, ConfigError> {
    let variables = Env::prefixed("DAYPASS_")
        .ignore(NOT_SETTINGS)
        .filter(|key| !is_service_link(key.as_str(), &Env::var_or(&format!("DAYPASS_{key}"), "")))
        .split("__");
    let settings = variables.data().map_err(|error| explain(&error))?;
    let mut settings = settings.into_values().next().unwrap_or_default();
    for (key, text) in variables.iter() {
        keep_text(&mut settings, key.as_str(), &text);
    }
    Ok(with_canonical_names(settings))
}

/// Takes the default of an input as it is written, where the input is a text: the environment has
/// no types, and `007` is not the number 7.
fn keep_text(settings: &mut Settings, key: &str, text: &str) {
    let path: Vec<&str> = key.split('.').collect();
    if let ["profiles", name, field] = path.as_slice() {
        keep_credential(settings, name, field, text);
    }
    let ["connectors", connector, "defaults", input] = path.as_slice() else { return };
    let inputs = connectors::find(&canonical_id(connector))
        .into_iter()
        .flat_map(|connector| connector.meta.grants)
        .flat_map(|grant| grant.inputs)
        .filter(|known| known.name == *input);
    let mut kinds = inputs.map(|input| &input.kind).peekable();
    let is_text = kinds.peek().is_some() && kinds.all(|kind| kind.accepts(&text.into()));
    let mut table = Some(settings);
    for name in ["connectors", *connector, "defaults"] {
        table = table.and_then(|table| match table.get_mut(name) {
            Some(Value::Dict(_, inner)) => Some(inner),
            _ => None,
        });
    }
    if let Some(value) = table.filter(|_| is_text).and_then(|table| table.get_mut(*input)) {
        *value = Value::from(text);
    }
}

/// Takes a credential as it is written, unless it is an object.
fn keep_credential(settings: &mut Settings, profile: &str, field: &str, text: &str) {
    let Some(Value::Dict(_, profiles)) = settings.get_mut("profiles") else { return };
    let Some(Value::Dict(_, profile)) = profiles.get_mut(profile) else { return };
    if !matches!(profile.get(field), None | Some(Value::Dict(..))) {
        profile.insert(field.to_owned(), Value::from(text));
    }
}

/// The settings as the type that holds them.
pub(super) fn extract<T: DeserializeOwned>(settings: &Settings) -> Result<T, ConfigError> {
    Figment::from(Serialized::defaults(settings)).extract().map_err(|error| explain(&error))
}

/// All settings that are unknown or of a wrong type: each with its path, and the fault in words. They are
/// taken out, so that the others can be read.
pub(super) fn take_faults<T: DeserializeOwned>(settings: &mut Settings) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    while let Err(error) = Figment::from(Serialized::defaults(&*settings)).extract::<T>() {
        let path = error.path.clone();
        let fault = match explain(&error) {
            ConfigError::Setting(words) => words,
            other => other.to_string(),
        };
        let words = fault.strip_prefix(&format!("{}: ", error.path.join("."))).unwrap_or(&fault);
        faults.push((path.join("."), words.to_owned()));
        if !remove(settings, &path) {
            break;
        }
    }
    faults
}

/// Takes the setting of this path out, or the table that it is in where it is not there.
fn remove(settings: &mut Settings, path: &[String]) -> bool {
    let Some((name, inner)) = path.split_first() else { return false };
    let removed = match settings.get_mut(name) {
        Some(Value::Dict(_, table)) if !inner.is_empty() => remove(table, inner),
        Some(Value::Array(_, items)) => {
            let index = inner.first().and_then(|index| index.parse().ok()).filter(|index: &usize| *index < items.len());
            index.map(|index| drop(items.remove(index))).is_some()
        }
        _ => false,
    };
    removed || settings.remove(name).is_some()
}

/// Gives each connector its canonical name, so that settings of one connector merge although the
/// file and the environment spell its name differently.
fn with_canonical_names(mut settings: Settings) -> Settings {
    if let Some(Value::Dict(_, connectors)) = settings.get_mut("connectors") {
        for (name, settings) in std::mem::take(connectors) {
            merge(connectors, [(canonical_id(&name), settings)].into());
        }
    }
    settings
}

/// Merges settings at every depth. Those of `over` win.
pub(super) fn merge(under: &mut Settings, over: Settings) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Dict(_, under)), Value::Dict(_, over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Whether Kubernetes sets the variable: for a service named `daypass`, and for other services
/// whose names begin so (`DAYPASS_REDIS_SERVICE_HOST`, `DAYPASS_REDIS_PORT_6379_TCP_ADDR`). The
/// variable `DAYPASS_ADMIN_PORT=9090` is not one of them, and an error.
fn is_service_link(key: &str, value: &str) -> bool {
    if key.contains("__") {
        return false;
    }
    let key = format!("_{}_", key.to_ascii_lowercase());
    let protocol = |rest: &str| ["tcp_", "udp_", "sctp_"].iter().any(|protocol| rest.starts_with(protocol));
    key.ends_with("_service_host_")
        || key.contains("_service_port_")
        || key.ends_with("_port_") && value.contains("://")
        || key.match_indices("_port_").any(|(at, port)| {
            let rest = key.get(at + port.len()..).and_then(|rest| rest.split_once('_'));
            rest.is_some_and(|(number, rest)| number.parse::<u16>().is_ok() && protocol(rest))
        })
}

/// The error without the value, which may be a secret.
fn explain(error: &figment::Error) -> ConfigError {
    let setting = error.path.join(".");
    let fault = match &error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("expected {}{}", expected_of(error.path.last(), &expected.to_string()), shown(actual))
        }
        Kind::InvalidLength(_, expected) => format!("wrong length, expected {expected}"),
        Kind::MissingField(field) => format!("{field} is missing"),
        Kind::UnknownField(field, known) => format!("unknown setting {field}; known are {}", known.join(", ")),
        Kind::UnknownVariant(_, known) => format!("expected one of {}", known.join(", ")),
        Kind::DuplicateField(field) => format!("{field} is given twice"),
        _ if error.path.last().is_some_and(|name| name.ends_with("listen")) => {
            format!("expected {}", expected_of(None, "socket address"))
        }
        _ => "cannot be read".into(),
    };
    ConfigError::Setting(if setting.is_empty() { fault } else { format!("{setting}: {fault}") })
}

/// What a setting needs, in words: serde's name of the type, and the unit that the setting's name has.
fn expected_of(name: Option<&String>, expected: &str) -> String {
    let name = name.map_or("", String::as_str);
    let is_number =
        expected.starts_with(['u', 'i', 'f']) && expected.get(1..).is_some_and(|bits| bits.parse::<u8>().is_ok());
    match expected {
        _ if is_number || expected == "usize" => match name.rsplit_once('_') {
            Some((_, "ms")) => "a number of milliseconds".into(),
            Some((_, "seconds")) => "a number of seconds".into(),
            Some((_, "bytes")) => "a number of bytes".into(),
            _ => "a number".into(),
        },
        "a boolean" => "true or false".into(),
        "a string" | "path string" => "a text".into(),
        "socket address" => "an address with a port, such as 127.0.0.1:8080".into(),
        other => other.to_owned(),
    }
}

/// A value in place of a number, if it is one with a unit: nothing else is shown, as it may be a
/// secret.
fn shown(actual: &Actual) -> String {
    let Actual::Str(text) = actual else { return String::new() };
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.').trim_start();
    let is_quantity =
        unit.len() < text.len() && unit.len() <= 12 && unit.chars().all(|letter| letter.is_ascii_lowercase());
    if is_quantity && text.len() <= 20 { format!(", not `{text}`") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn defaults_of_text_inputs_are_texts_also_where_they_look_like_numbers() {
        let read = |key: &str, parsed: Value, text: &str| {
            let path: Vec<&str> = key.split('.').collect();
            let nested =
                path.iter().rev().fold(parsed, |inner, name| Value::from(Dict::from([((*name).into(), inner)])));
            let Value::Dict(_, mut settings) = nested else { unreachable!() };
            keep_text(&mut settings, key, text);
            let settings = Config::from_settings(&with_canonical_names(settings)).unwrap().settings();
            let defaults = &settings.connectors[path[1]].defaults;
            (defaults[path[3]].clone(), settings.faults().len())
        };
        let customer = read("connectors.stripe.defaults.customer", Value::from(7), "007");
        assert_eq!(customer, ("007".into(), 0));
        let flag = read("connectors.stripe.defaults.automatic_payment_methods", Value::from(true), "true");
        assert_eq!(flag, (true.into(), 0));
        let amount = read("connectors.adyen.defaults.amount", Value::from(5), "5");
        assert_eq!(amount.0, 5);
    }

    #[test]
    fn service_links_of_kubernetes_are_no_settings() {
        for (key, value, link) in [
            ("SERVICE_HOST", "10.0.0.1", true),
            ("SERVICE_PORT", "80", true),
            ("PORT", "tcp://10.0.0.1:80", true),
            ("PORT_80_TCP", "tcp://10.0.0.1:80", true),
            ("REDIS_SERVICE_HOST", "10.0.0.1", true),
            ("ADMIN_SERVICE_PORT_METRICS", "9090", true),
            ("ADMIN_PORT", "tcp://10.0.0.1:9090", true),
            ("PORT_X_PORT_6379_SCTP_ADDR", "10.0.0.1", true),
            ("ADMIN_PORT", "9090", false),
            ("ADMIN_LISTEN", "127.0.0.1:9090", false),
            ("PORT_X_TCP", "x", false),
            ("CONNECTORS__X_SERVICE_HOST", "x", false),
        ] {
            assert_eq!(is_service_link(key, value), link, "{key}");
        }
        let settings = Config::parse("no_setting = 1").unwrap_err().to_string();
        for setting in settings.split([' ', ',']) {
            assert!(!is_service_link(setting, "tcp://10.0.0.1:80"), "{setting}");
        }
    }
}
