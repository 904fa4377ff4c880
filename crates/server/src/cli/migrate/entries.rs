//! The credentials in a file, in each form that a payment router keeps or sends. Used by `check`.

use connectors::{Error, Secret};
use daypass::{Availability, RawCredentials, availability, canonical_id};
use serde_json::{Map, Value};

/// The name of the file's credentials in errors.
const FILE: &str = "the entry";
/// Members beside credentials by position that say whose they are.
const NAMES: [&str; 3] = ["connector", "connector_name", "x-connector"];

/// The credentials of one connector.
pub(super) struct Entry {
    /// The connector that they name, in lower case. It may be none that is known, or a secret in the
    /// wrong place: it is not printed as it is.
    pub connector: Option<String>,
    /// The fields by name, or why they cannot be read.
    pub credentials: Result<RawCredentials, Error>,
    /// Fields that are there and null.
    pub null: Vec<Secret>,
    /// Positions that the connector's token call does not use.
    pub unused_positions: Vec<&'static str>,
    /// Test or live, where the entry says it.
    pub test_mode: Option<bool>,
}

/// Every entry of a JSON value, in its order.
pub(super) fn read(value: Value) -> Vec<Entry> {
    let mut entries = Vec::new();
    collect(value, None, None, &mut entries);
    entries
}

fn collect(value: Value, name: Option<&str>, test_mode: Option<bool>, entries: &mut Vec<Entry>) {
    let mut members = match value {
        Value::Array(items) => return items.into_iter().for_each(|item| collect(item, name, test_mode, entries)),
        Value::Object(members) => members,
        _ => return entries.push(unreadable(name, test_mode)),
    };
    let test_mode = members.get("test_mode").and_then(Value::as_bool).or(test_mode);
    let own_name = NAMES.iter().find_map(|member| members.get(*member).and_then(Value::as_str).map(canonical_id));
    let name = own_name.as_deref().or(name);
    if let Some(config @ Value::Object(_)) = members.remove("config") {
        return by_name(config, test_mode, entries);
    }
    // A router's account of a connector: its credentials are one member of many.
    if let Some(details) = members.remove("connector_account_details") {
        return collect(details, name, test_mode, entries);
    }
    match members.remove("auth_type") {
        Some(Value::String(form)) => entries.push(by_position(&form, name, members, test_mode)),
        Some(_) => entries.push(unreadable(name, test_mode)),
        None if name.is_some() && !members.is_empty() => entries.push(unreadable(name, test_mode)),
        None => by_name(Value::Object(members), test_mode, entries),
    }
}

/// Members whose names are connectors, or names of the file's own around more entries.
fn by_name(members: Value, test_mode: Option<bool>, entries: &mut Vec<Entry>) {
    let Value::Object(members) = members else { return entries.push(unreadable(None, test_mode)) };
    if members.is_empty() {
        return entries.push(unreadable(None, test_mode));
    }
    for (key, value) in members {
        let id = canonical_id(&key);
        let known = !matches!(availability(&id), Availability::Unknown);
        match value {
            Value::Bool(_) if key == "test_mode" => {}
            Value::Object(fields) if known && !has_form(&fields) => entries.push(named(id, fields, test_mode)),
            value if known => collect(value, Some(&id), test_mode, entries),
            Value::Object(fields) if !has_form(&fields) && fields.values().all(|field| !field.is_object()) => {
                entries.push(named(id, fields, test_mode));
            }
            value => collect(value, None, test_mode, entries),
        }
    }
}

fn has_form(fields: &Map<String, Value>) -> bool {
    ["auth_type", "connector_account_details", "config"].iter().any(|member| fields.contains_key(*member))
}

fn named(id: String, fields: Map<String, Value>, test_mode: Option<bool>) -> Entry {
    let null = fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str().into()).collect();
    Entry {
        connector: Some(id.clone()),
        credentials: Ok(RawCredentials::new(id, fields)),
        null,
        unused_positions: Vec::new(),
        test_mode,
    }
}

fn by_position(form: &str, name: Option<&str>, mut values: Map<String, Value>, test_mode: Option<bool>) -> Entry {
    for member in NAMES.into_iter().chain(["test_mode"]) {
        values.remove(member);
    }
    values.retain(|_, value| !value.is_null());
    let fields =
        name.zip(connectors::PositionalForm::named(form)).and_then(|(id, form)| connectors::positions(id, form));
    let positions = connectors::POSITIONS.into_iter().zip(fields.unwrap_or_default());
    let unused = positions.filter(|(position, field)| field.is_empty() && values.contains_key(*position));
    Entry {
        connector: name.map(ToOwned::to_owned),
        unused_positions: unused.map(|(position, _)| position).collect(),
        null: Vec::new(),
        credentials: RawCredentials::by_position(form, name, values, FILE),
        test_mode,
    }
}

fn unreadable(name: Option<&str>, test_mode: Option<bool>) -> Entry {
    let what =
        r#"expected {"config": {"<Name>": {…}}}, {"<Name>": {…}}, or {"auth_type": …} with the connector's name"#;
    Entry {
        connector: name.map(ToOwned::to_owned),
        credentials: Err(RawCredentials::malformed(FILE, what)),
        null: Vec::new(),
        unused_positions: Vec::new(),
        test_mode,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `(connector, fields, test_mode)`; the fields of an entry that cannot be read are null.
    fn read_all(value: Value) -> Vec<(Option<String>, Value, Option<bool>)> {
        let fields = |entry: &Entry| match &entry.credentials {
            Ok(credentials) => Value::Object(credentials.fields().clone()),
            Err(_) => Value::Null,
        };
        read(value).iter().map(|entry| (entry.connector.clone(), fields(entry), entry.test_mode)).collect()
    }

    #[test]
    fn each_form_gives_the_same_entry() {
        let fields = json!({"client_secret": "a", "client_id": "b"});
        let by_position = json!({"auth_type": "BodyKey", "api_key": "a", "key1": "b"});
        let mut with_name = by_position.clone();
        with_name["connector"] = json!("PayPal");
        for form in [
            json!({"config": {"Paypal": fields}}),
            json!([{"config": {"Paypal": fields}}]),
            json!({"Paypal": fields}),
            json!({"my account": {"config": {"Paypal": fields}}}),
            json!({"paypal": by_position}),
            json!({"paypal": {"connector_account_details": by_position}}),
            json!([with_name]),
            json!({"connector_name": "paypal", "connector_account_details": by_position, "disabled": false}),
            json!({"accounts": [{"connector_name": "paypal", "connector_account_details": by_position}]}),
        ] {
            assert_eq!(read_all(form.clone()), [(Some("paypal".into()), fields.clone(), None)], "{form}");
        }
    }

    #[test]
    fn the_mode_of_an_account_is_read() {
        let account = json!({"connector_name": "stripe", "test_mode": true,
            "connector_account_details": {"auth_type": "HeaderKey", "api_key": "a"}});
        assert_eq!(read_all(account), [(Some("stripe".into()), json!({"api_key": "a"}), Some(true))]);
    }

    #[test]
    fn what_is_no_credentials_is_an_entry_that_cannot_be_read() {
        for (value, connector) in [
            (json!({}), None),
            (json!([1]), None),
            (json!("sk_live_1"), None),
            (json!({"config": {}}), None),
            (json!({"auth_type": 5}), None),
            (json!({"auth_type": "HeaderKey", "api_key": "a"}), None),
            (json!({"stripe": "sk_live_1"}), Some("stripe")),
            (json!({"connector_name": "stripe", "api_key": "a"}), Some("stripe")),
        ] {
            assert_eq!(read_all(value.clone()), [(connector.map(Into::into), Value::Null, None)], "{value}");
        }
    }
}
