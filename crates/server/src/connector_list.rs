//! The list of connectors as JSON: `daypass connectors --json`, and the data of the playground. Made
//! from the registry. Used by the command `connectors` and by `playground`.

use buffa::Enumeration as _;
use connectors::{
    DefaultWhen, Grant, Input, InputKind, Lifetime, Meta, Mode, ModeShown, Scopes, Source, find, why_not,
};
use protocol::ucs::v2::Connector;
use serde_json::{Value, json};

/// All connectors of the enum, in its order.
pub(crate) fn all() -> impl Iterator<Item = Connector> {
    Connector::values().iter().copied().filter(|connector| *connector != Connector::CONNECTOR_UNSPECIFIED)
}

/// One connector of the enum, as `daypass connectors --json` shows it.
pub(crate) fn describe(connector: Connector) -> Value {
    let id = id(connector);
    let mut row = json!({ "connector": id, "enum": connector.proto_name(), "number": connector.to_i32() });
    let rest = find(&id).map_or_else(|| unavailable(reason(&id)), |entry| available(entry.meta));
    if let (Value::Object(row), Value::Object(rest)) = (&mut row, rest) {
        row.extend(rest);
    }
    row
}

/// The id of a connector: its name in the enum, in lower case.
pub(crate) fn id(connector: Connector) -> String {
    connector.proto_name().to_ascii_lowercase()
}

/// The reason why a connector gives no tokens.
pub(crate) fn reason(id: &str) -> &'static str {
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
            json!({
                "field": field.name,
                "required": field.required,
                "secret": !field.public,
                "accepts": accepts,
                "found_in": field.found_in.map(|place| place.path),
                "found_in_source": field.found_in.map(|place| source(place.source)),
            })
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
        "status": "available", "name": meta.name, "reason": null, "docs": meta.docs, "unconfirmed": meta.unconfirmed,
        "evidence": evidence, "mode_shown": mode_shown,
        "credentials": credentials, "hosts": hosts, "grants": grants,
    })
}

fn describe_grant(grant: &Grant) -> Value {
    let inputs: Vec<Value> = grant.inputs.iter().map(describe_input).collect();
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

/// An input: its name, its type for forms, and what it accepts in words.
fn describe_input(input: &Input) -> Value {
    let unit = match input.kind {
        InputKind::MinorUnits(..) => Some("minor"),
        InputKind::Decimal => Some("major"),
        _ => None,
    };
    let (form, bounds, options) = match input.kind {
        InputKind::Text(_)
        | InputKind::Digits(_)
        | InputKind::Url
        | InputKind::Origin
        | InputKind::Label
        | InputKind::Currency
        | InputKind::Country
        | InputKind::Decimal => ("text", None, None),
        InputKind::Secret => ("secret", None, None),
        InputKind::Integer(min, max) | InputKind::MinorUnits(min, max) => ("integer", Some((min, max)), None),
        InputKind::Flag => ("boolean", None, None),
        InputKind::OneOf(accepted) => ("one_of", None, Some(accepted)),
        InputKind::Texts(_) | InputKind::Origins(_) => ("texts", None, None),
        InputKind::Object => ("object", None, None),
        InputKind::Objects => ("objects", None, None),
    };
    json!({
        "field": input.name,
        "required": input.required,
        "accepts": input.describe(),
        "type": form,
        "unit": unit,
        "min": bounds.map(|(min, _)| min),
        "max": bounds.map(|(_, max)| max),
        "options": options,
    })
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

/// A lifetime in seconds, or the reason why there is no number.
pub(crate) fn lifetime(lifetime: Lifetime) -> Value {
    match lifetime {
        Lifetime::Fixed(seconds) | Lifetime::Settable { default: seconds, .. } => seconds.into(),
        Lifetime::InReply => "in_reply".into(),
        Lifetime::UntilUsed => "until_used".into(),
        Lifetime::Unpublished => "unpublished".into(),
    }
}
