//! All faults of a configuration at once, each with its place, and the settings in effect without
//! their secrets. Used by the command `config check`.

use std::{env, fs, path::Path};

use daypass::canonical_id;
use figment::value::{Dict, Value};
use toml_edit::{ImDocument, Item};

use super::{
    Config, ConfigError, files, profiles,
    sources::{self, Settings},
};
use crate::pem;

/// What stands in the place of a secret.
const REDACTED: &str = "\"[REDACTED]\"";

/// A configuration with everything that is wrong with it.
pub(crate) struct Checked {
    /// The configuration, without the settings that are wrong.
    pub config: Config,
    /// The faults, each with the file and line, or the environment variable, of its setting.
    pub faults: Vec<String>,
    settings: Settings,
    places: Places,
}

impl Checked {
    /// Reads file and environment.
    ///
    /// # Errors
    /// There is no such file, or it is no TOML: nothing else can be said about it.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut settings = file.map(sources::file).transpose()?.unwrap_or_default();
        sources::merge(&mut settings, sources::environment()?);
        let places = Places::of(file);
        let mut unread = Vec::new();
        // Each fault ends the reading, and its setting is taken out.
        while let Err(fault) = files::read_secrets(&mut settings).and_then(|()| profiles::read(&mut settings)) {
            unread.push(fault.to_string());
        }
        let wrong = sources::take_faults::<Config>(&mut settings);
        let config = Config::from_settings(&settings)?;
        let mut checked = Self { config, faults: Vec::new(), settings, places };
        for fault in &unread {
            checked.add(fault);
        }
        for (setting, fault) in &wrong {
            checked.add(&format!("{setting}: {fault}"));
        }
        // Without a part of these, the ports seem to be open, and callers to be absent.
        let is_guard =
            |setting: &str| ["tls", "callers", "token_issuers"].iter().any(|guard| setting.starts_with(guard));
        let guards_are_wrong = wrong.iter().any(|(setting, _)| is_guard(setting));
        for fault in checked.config.faults() {
            let may_be_wrong = fault.starts_with("listen:")
                || fault.contains("no caller in [[callers]]")
                || fault.contains("need tls.client_authorities_file");
            let is_of = |owner: &str| fault.strip_prefix(owner).is_some_and(|rest| rest.starts_with(['.', ':']));
            let is_of_unread = unread.iter().any(|unread| is_of(owner(unread)));
            if !(is_of_unread || guards_are_wrong && may_be_wrong) {
                checked.add(&fault);
            }
        }
        Ok(checked)
    }

    /// Adds a fault, which begins with the name of its setting, unless it is there.
    pub(crate) fn add(&mut self, fault: &str) {
        let setting = fault.split(':').next().unwrap_or_default();
        let fault = match self.places.place(setting) {
            Some(place) => format!("{place}: {fault}"),
            None => fault.to_owned(),
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The settings in effect, as TOML, with the place of each that is given. Secrets, and texts that may
    /// hold one, are left out. `listed` are the names of settings and their defaults.
    pub(crate) fn effective(&self, listed: impl Iterator<Item = (&'static str, &'static str)>) -> String {
        let mut lines = String::new();
        let mut add = |name: &str, value: &str| {
            let place = self.places.place(name).unwrap_or_else(|| "default".into());
            lines.push_str(&format!("{name} = {value}  # {place}\n"));
        };
        for (name, default) in listed {
            match find(&self.settings, name) {
                Some(Value::Dict(_, table)) => tables(name, table, &mut add),
                Some(value) => add(name, &shown(name, value)),
                // The table of the certificate is there in whole, or not at all.
                None if default.is_empty() || name.starts_with("tls.") => {}
                None => add(name, default),
            }
        }
        if let Some(Value::Dict(_, connectors)) = self.settings.get("connectors") {
            tables("connectors", connectors, &mut add);
        }
        lines
    }
}

/// The secret, or the profile, whose file cannot be read: what its fault begins with.
fn owner(fault: &str) -> &str {
    let setting = fault.split(':').next().unwrap_or_default();
    match setting.rsplit_once('.') {
        Some((profile, _)) if profile.starts_with("profiles.") => profile,
        _ => setting.strip_suffix("_file").unwrap_or(setting),
    }
}

/// Each setting below a table.
fn tables(name: &str, table: &Dict, add: &mut impl FnMut(&str, &str)) {
    for (key, value) in table {
        let name = format!("{name}.{key}");
        match value {
            Value::Dict(_, inner) => tables(&name, inner, add),
            value => add(&name, &shown(&name, value)),
        }
    }
}

fn find<'a>(settings: &'a Settings, name: &str) -> Option<&'a Value> {
    let mut path = name.split('.');
    let first = settings.get(path.next()?)?;
    path.try_fold(first, |value, name| match value {
        Value::Dict(_, table) => table.get(name),
        _ => None,
    })
}

/// A value as TOML, or what stands for a secret.
fn shown(name: &str, value: &Value) -> String {
    let path: Vec<&str> = name.split('.').collect();
    let is_secret = match path.as_slice() {
        [table, secret] => files::SECRETS.contains(&(*table, *secret)),
        // Names may have dots in them, so the value counts.
        ["profiles", .., member] => *member != "connector" || !is_connector(value),
        // An input that the operator gives may be a secret one.
        ["connectors", connector, "defaults", input, ..] => is_secret_input(connector, input),
        _ => false,
    };
    if is_secret {
        return REDACTED.into();
    }
    match value {
        Value::String(_, text) if may_hold_secret(text) => REDACTED.into(),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(|item| shown(name, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(_, members) => {
            let members = members.iter().map(|(key, value)| match key.as_str() {
                "key_sha256" => format!("{key} = {REDACTED}"),
                _ => format!("{key} = {}", shown(name, value)),
            });
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        // A JSON text, number or truth is also one of TOML.
        value => serde_json::to_string(value).unwrap_or_else(|_| REDACTED.into()),
    }
}

fn is_connector(value: &Value) -> bool {
    value.as_str().is_some_and(|name| connectors::find(&canonical_id(name)).is_some())
}

fn is_secret_input(connector: &str, input: &str) -> bool {
    let grants = connectors::find(connector).map(|known| known.meta.grants).unwrap_or_default();
    let mut inputs = grants.iter().flat_map(|grant| grant.inputs).filter(|known| known.name == input);
    inputs.any(|input| input.kind == connectors::InputKind::Secret)
}

/// A pasted key, or a URL with a user or a query in it.
fn may_hold_secret(text: &str) -> bool {
    pem::is_pasted(Path::new(text)) || text.contains("://") && text.contains(['@', '?'])
}

/// The places of settings.
struct Places {
    file: Option<(String, String)>,
    document: Option<ImDocument<String>>,
}

impl Places {
    fn of(file: Option<&Path>) -> Self {
        let file = file.and_then(|file| Some((file.display().to_string(), fs::read_to_string(file).ok()?)));
        let document = file.as_ref().and_then(|(_, text)| ImDocument::parse(text.clone()).ok());
        Self { file, document }
    }

    /// The environment variable or the file and line of a setting, or of the innermost table that it
    /// belongs to and that is there.
    fn place(&self, setting: &str) -> Option<String> {
        let mut path: Vec<&str> = setting.trim().split('.').collect();
        while !path.is_empty() {
            let variable = format!("DAYPASS_{}", path.join("__").to_uppercase());
            for variable in [format!("{variable}_FILE"), variable] {
                if env::var_os(&variable).is_some() {
                    return Some(variable);
                }
            }
            if let Some(line) = self.line(&path) {
                return Some(format!("{}:{line}", self.file.as_ref()?.0));
            }
            path.pop();
        }
        None
    }

    fn line(&self, path: &[&str]) -> Option<usize> {
        let document = self.document.as_ref()?;
        let (last, tables) = path.split_last()?;
        let mut item = document.as_item();
        for name in tables {
            item = inner(item, name)?;
        }
        let file_setting = format!("{last}_file");
        let key = [*last, &file_setting].into_iter().find_map(|name| {
            let table = item.as_table_like()?;
            let (key, value) = table.get_key_value(name)?;
            // A table of its own has the place of its header.
            key.span().or_else(|| value.span())
        });
        let start = key.or_else(|| inner(item, last)?.span())?.start;
        Some(self.file.as_ref()?.1.get(..start)?.matches('\n').count() + 1)
    }
}

/// The member of a table, or the item of a list.
fn inner<'a>(item: &'a Item, name: &str) -> Option<&'a Item> {
    match name.parse::<usize>() {
        Ok(index) => item.get(index),
        Err(_) => item.get(name),
    }
}
