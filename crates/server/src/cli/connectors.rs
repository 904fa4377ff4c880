//! `daypass connectors`: the list of connectors as a table, one connector in full, both as JSON, or the
//! pages of documentation. Text is plain and fits 80 columns.

use std::path::PathBuf;

use connectors::{Audience, CredentialField, DefaultWhen, Grant, InputKind, Meta, Scopes, find};
use protocol::ucs::v2::Connector;
use serde_json::{Map, Value};

use super::{
    failure::Failure,
    names::ConnectorParser,
    print::{print_line, print_wrapped},
};
use crate::{connector_docs, connector_list};

/// List every connector and its grants, or explain one
#[derive(clap::Args)]
#[command(after_help = "Examples:
  daypass connectors                    the list
  daypass connectors stripe             grants, inputs and credentials of one
  daypass connectors stripe --json      the same as data")]
pub(super) struct Args {
    /// The connector to explain; absent: all of them
    #[arg(value_parser = ConnectorParser, hide_possible_values = true)]
    connector: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Write the documentation pages into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["json", "connector"])]
    pages: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(folder) = &args.pages {
        for (name, text) in connector_docs::pages() {
            std::fs::write(folder.join(&name), text).map_err(|source| Failure::Page { file: name.into(), source })?;
        }
        return Ok(());
    }
    let wanted = |connector: &Connector| args.connector.as_ref().is_none_or(|id| *id == connector_list::id(*connector));
    let rows = connector_list::all().filter(wanted);
    if args.json {
        let rows: Vec<Value> = rows.map(connector_list::describe).collect();
        let shown = match (&args.connector, rows.as_slice()) {
            (Some(_), [row]) => serde_json::to_string_pretty(row),
            _ => serde_json::to_string_pretty(&rows),
        };
        print_line!("{}", shown?);
        return Ok(());
    }
    match &args.connector {
        Some(id) => match find(id) {
            Some(entry) => explain(entry.meta),
            None => print_wrapped(&format!("{id} gives no tokens: "), 2, connector_list::reason(id)),
        },
        None => {
            for connector in rows {
                print_row(&connector_list::id(connector));
            }
            print_line!("\n* is a default grant. `daypass connectors <name>` explains one connector.");
        }
    }
    Ok(())
}

/// The rows of one connector in the table.
fn print_row(id: &str) {
    let Some(entry) = find(id) else {
        return print_wrapped(&format!("{id:<19} "), 20, &format!("none: {}", connector_list::reason(id)));
    };
    for (nth, grant) in entry.meta.grants.iter().enumerate() {
        let id = if nth == 0 { id } else { "" };
        let default = if grant.default == DefaultWhen::Never { ' ' } else { '*' };
        let line = format!("{id:<19} {default}{:<33} {:<6} {}", grant.name, grant.audience.label(), lifetime(grant));
        print_line!("{}", line.trim_end());
        let needs = connector_docs::needs(grant).replace('`', "");
        if !needs.is_empty() {
            print_wrapped(&format!("{:<21}needs ", ""), 27, &needs);
        }
    }
}

/// Everything that a caller needs to know of a connector.
fn explain(meta: &Meta) {
    print_line!("{} ({})", meta.name, meta.id);
    print_line!("{}\n", meta.docs);
    let fields: Vec<String> = meta.credentials.iter().map(describe_field).collect();
    print_wrapped("credentials  ", 13, &fields.join(", "));
    for field in meta.credentials {
        if let Some(place) = field.found_in {
            print_wrapped(&format!("{:13}{}: ", "", field.name), 15, place.path);
        }
    }
    print_wrapped("mode         ", 13, meta.mode_shown.text());
    for grant in meta.grants {
        explain_grant(meta, grant);
    }
}

fn explain_grant(meta: &Meta, grant: &Grant) {
    let default = match grant.default {
        DefaultWhen::Always => ", the default".to_owned(),
        DefaultWhen::Given(input) => format!(", the default with {input}"),
        DefaultWhen::Never => String::new(),
    };
    print_line!("\n{} ({} token{default})", grant.name, grant.audience.label());
    let named = |name: &str, text: &str| {
        if !text.is_empty() {
            print_wrapped(&format!("  {name:<11}"), 13, text);
        }
    };
    named("lifetime", &lifetime(grant));
    named("may", grant.allows);
    named("worst case", if grant.audience == Audience::Client { grant.worst_case } else { "" });
    named("needs", &connector_docs::needs(grant).replace('`', ""));
    for input in grant.inputs {
        named("input", &format!("{}: {}", input.name, input.describe()));
    }
    named("scopes", &scopes(grant));
    if let Some(command) = command(meta, grant) {
        named("try it", &command);
    }
}

/// The command that makes a token of the grant at the sandbox. `None` where it takes a secret input,
/// which does not belong into arguments.
fn command(meta: &Meta, grant: &Grant) -> Option<String> {
    let (_, example) = sandbox::fake_vendor(meta.id)?.examples.iter().find(|(name, _)| *name == grant.name)?;
    let example: Map<String, Value> = serde_json::from_str(example).ok()?;
    let secret = |name: &str| grant.inputs.iter().any(|input| input.name == name && input.kind == InputKind::Secret);
    let mut command = format!("daypass token {} --sandbox --grant {}", meta.id, grant.name);
    if grant.audience == Audience::Server {
        command.push_str(" --audience server");
    }
    for (name, value) in example.iter().filter(|(name, _)| *name != "audience") {
        if secret(name) {
            return None;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let plain = text.chars().all(|it| it.is_ascii_alphanumeric() || "._-:/@+".contains(it));
        let quoted = if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) };
        command.push_str(&format!(" --input {name}={quoted}"));
    }
    Some(command)
}

fn lifetime(grant: &Grant) -> String {
    let lifetime = connector_list::lifetime(grant.lifetime);
    lifetime.as_str().map_or_else(|| format!("{lifetime} s"), |words| words.replace('_', " "))
}

fn scopes(grant: &Grant) -> String {
    match grant.scopes {
        Scopes::None => String::new(),
        Scopes::Any => "any that the vendor knows".into(),
        Scopes::OneOf(known) => known.join(", "),
    }
}

/// A field of credentials, marked where it is an object or optional.
fn describe_field(field: &CredentialField) -> String {
    let optional = if field.required { "" } else { " (optional)" };
    let nested = if field.nested { " {…}" } else { "" };
    format!("{}{nested}{optional}", field.name)
}
