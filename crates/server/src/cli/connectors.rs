//! `daypass connectors`: the list of connectors as text, as JSON, or as pages of documentation.

use std::path::PathBuf;

use connectors::{CredentialField, DefaultWhen, Grant, Meta, Scopes, find};
use serde_json::Value;

use super::{failure::Failure, print::print_line};
use crate::{connector_docs, connector_list};

/// List every connector: its grants, or why there are none
#[derive(clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Write the documentation pages into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    pages: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(folder) = &args.pages {
        for (name, text) in connector_docs::pages() {
            std::fs::write(folder.join(&name), text).map_err(|source| Failure::Page { file: name.into(), source })?;
        }
        return Ok(());
    }
    let all = connector_list::all();
    if args.json {
        let all: Vec<Value> = all.map(connector_list::describe).collect();
        print_line!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        return Ok(());
    }
    for connector in all {
        let id = connector_list::id(connector);
        match find(&id) {
            Some(entry) => print_grants(entry.meta),
            None => print_line!("{id:<20} none: {}", connector_list::reason(&id)),
        }
    }
    Ok(())
}

fn print_grants(meta: &Meta) {
    for (nth, grant) in meta.grants.iter().enumerate() {
        let id = if nth == 0 { meta.id } else { "" };
        let default = if grant.default == DefaultWhen::Never { ' ' } else { '*' };
        let lifetime = connector_list::lifetime(grant.lifetime);
        let lifetime = lifetime.as_str().map_or_else(|| format!("{lifetime} s"), ToOwned::to_owned);
        let line = format!("{id:<20}{default}{:<28} {:<7} {lifetime:<12}", grant.name, grant.audience.label());
        print_line!("{}", format!("{line}  {}", inputs(grant)).trim_end());
    }
    let fields: Vec<String> = meta.credentials.iter().map(describe_field).collect();
    print_line!("{:<20} credentials: {}", "", fields.join(", "));
}

/// The required inputs, the optional inputs and the scopes of a grant.
fn inputs(grant: &Grant) -> String {
    let alternatives = grant.one_of.concat();
    let optional = grant.inputs.iter().filter(|input| !input.required && !alternatives.contains(&input.name));
    let optional: Vec<&str> = optional.map(|input| input.name).collect();
    let scopes = match grant.scopes {
        Scopes::None => String::new(),
        Scopes::Any => "any".into(),
        Scopes::OneOf(known) => known.join(", "),
    };
    let parts =
        [("needs", connector_docs::needs(grant).replace('`', "")), ("takes", optional.join(", ")), ("scopes", scopes)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| format!("{what} {names}"));
    parts.collect::<Vec<_>>().join("; ")
}

/// A field of credentials, marked where it is an object or optional.
fn describe_field(field: &CredentialField) -> String {
    let optional = if field.required { "" } else { " (optional)" };
    let nested = if field.nested { " {…}" } else { "" };
    format!("{}{nested}{optional}", field.name)
}
