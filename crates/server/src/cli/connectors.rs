//! `daypass connectors`: the list of connectors as text, as JSON, or as pages of documentation.

use std::path::PathBuf;

use buffa::Enumeration as _;
use connectors::{CredentialField, DefaultWhen, Grant, Lifetime, Meta, Mode, ModeShown, Scopes, Source, find, why_not};
use serde_json::{Value, json};

use super::{failure::Failure, print::print_line};
use crate::{connector_docs, protocol::ucs::v2::Connector};

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
    let all = Connector::values().iter().filter(|connector| **connector != Connector::CONNECTOR_UNSPECIFIED);
    if args.json {
        let all: Vec<Value> = all.map(|connector| describe(*connector)).collect();
        print_line!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        return Ok(());
    }
    for connector in all {
        let id = id(*connector);
        match find(&id) {
            Some(entry) => print_grants(entry.meta),
            None => print_line!("{id:<20} none: {}", reason(&id)),
        }
    }
    Ok(())
}

fn print_grants(meta: &Meta) {
    for (nth, grant) in meta.grants.iter().enumerate() {
        let id = if nth == 0 { meta.id } else { "" };
        let default = if grant.default == DefaultWhen::Never { ' ' } else { '*' };
        let lifetime = lifetime(grant.lifetime);
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

/// One connector of the enum, as `daypass connectors --json` shows it.
fn describe(connector: Connector) -> Value {
    let id = id(connector);
    let mut row = json!({ "connector": id, "enum": connector.proto_name(), "number": connector.to_i32() });
    let rest = find(&id).map_or_else(|| unavailable(reason(&id)), |entry| available(entry.meta));
    if let (Value::Object(row), Value::Object(rest)) = (&mut row, rest) {
        row.extend(rest);
    }
    row
}

fn id(connector: Connector) -> String {
    connector.proto_name().to_ascii_lowercase()
}

/// The reason why a connector gives no tokens.
fn reason(id: &str) -> &'static str {
    why_not(id).unwrap_or_default()
}

fn unavailable(reason: &str) -> Value {
    json!({ "status": "unavailable", "reason": reason, "credentials": [], "hosts": {}, "grants": [] })
}

fn available(meta: &Meta) -> Value {
    let credentials: Vec<Value> = meta
        .credentials
        .iter()
        .map(|field| {
            let accepts = if field.nested { "a JSON object" } else { "text" };
            json!({ "field": field.name, "required": field.required, "secret": !field.public, "accepts": accepts })
        })
        .collect();
    let hosts: serde_json::Map<String, Value> = meta
        .hosts
        .iter()
        .flat_map(|host| [Mode::Live, Mode::Test].map(|mode| (host.key(mode), host.of(mode).into())))
        .collect();
    let grants: Vec<Value> = meta.grants.iter().map(describe_grant).collect();
    let mode_shown = match meta.mode_shown {
        ModeShown::ByCredentials(text) => json!({ "by_credentials": true, "how": text }),
        ModeShown::No(text) => json!({ "by_credentials": false, "how": text }),
    };
    let evidence = meta.evidence.iter();
    let evidence: Vec<Value> = evidence
        .map(|line| json!({ "facts": line.facts, "source": source(line.source), "checked": line.checked }))
        .collect();
    json!({
        "status": "available", "reason": null, "docs": meta.docs, "unconfirmed": meta.unconfirmed,
        "evidence": evidence, "mode_shown": mode_shown,
        "credentials": credentials, "hosts": hosts, "grants": grants,
    })
}

fn describe_grant(grant: &Grant) -> Value {
    let inputs: Vec<Value> = grant
        .inputs
        .iter()
        .map(|input| json!({ "field": input.name, "required": input.required, "accepts": input.kind.describe() }))
        .collect();
    let scopes = match grant.scopes {
        Scopes::None => Value::Null,
        Scopes::Any => "any".into(),
        Scopes::OneOf(known) => known.into(),
    };
    let default_with = match grant.default {
        DefaultWhen::Given(input) => Some(input),
        DefaultWhen::Always | DefaultWhen::Never => None,
    };
    let mut row = json!({
        "name": grant.name,
        "audience": grant.audience.label(),
        "default": grant.default == DefaultWhen::Always,
        "default_with": default_with,
        "lifetime": lifetime(grant.lifetime),
        "lifetime_note": grant.lifetime_note,
        "ttl_seconds": ttl_bounds(grant.lifetime),
        "credentials_alone": grant.credentials_alone(),
        "allows": grant.allows,
        "inputs": inputs,
        "one_of": grant.one_of,
        "scopes": scopes,
        "server_parameters": grant.server_parameters,
    });
    if let (Value::Object(row), Value::Object(safety)) = (&mut row, describe_safety(grant)) {
        row.extend(safety);
    }
    row
}

/// The worst case and its limits, and the effect of a new token on the earlier one.
fn describe_safety(grant: &Grant) -> Value {
    let bound_to: Vec<&str> = grant.bound_to.iter().map(|bound| bound.label()).collect();
    let client_parameters = grant.client_parameters.iter();
    let client_parameters: Vec<Value> = client_parameters
        .map(|known| json!({ "name": known.name, "meaning": known.meaning, "taken_by": known.taken_by }))
        .collect();
    json!({
        "worst_case": Some(grant.worst_case).filter(|text| !text.is_empty()),
        "bound_to": bound_to,
        "client_source": grant.client_source.map(source),
        "client_parameters": client_parameters,
        "minting_ends_earlier": grant.minting_ends_earlier.label(),
        "minting_source": grant.minting_ends_earlier.source(),
        "single_use": grant.single_use,
        "spends": grant.spends,
    })
}

fn source(source: Source) -> Value {
    json!({ "kind": source.kind.label(), "name": source.name })
}

/// The bounds of `ttl_seconds`.
fn ttl_bounds(lifetime: Lifetime) -> Value {
    match lifetime {
        Lifetime::Settable { min, max, .. } => json!({ "min": min, "max": max }),
        _ => Value::Null,
    }
}

fn lifetime(lifetime: Lifetime) -> Value {
    match lifetime {
        Lifetime::Fixed(seconds) | Lifetime::Settable { default: seconds, .. } => seconds.into(),
        Lifetime::InReply => "in_reply".into(),
        Lifetime::UntilUsed => "until_used".into(),
        Lifetime::Unpublished => "unpublished".into(),
    }
}
