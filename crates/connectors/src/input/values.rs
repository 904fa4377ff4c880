//! The inputs of one request: the check against the grant, and typed access to the values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    kind::{InputKind, currency_decimals, with_decimals},
    metadata::metadata_pairs,
};
use crate::{
    error::{Error, FieldViolation, Kind, Result},
    grant::{Grant, Lifetime, Scopes},
    secret::Secret,
};

/// The inputs of one request, checked against the grant: each key is known and its value has the
/// right form.
#[derive(Clone, Default)]
pub struct Inputs {
    values: Map<String, Value>,
    /// The requested scopes; empty where there are none.
    pub scopes: Vec<String>,
    /// The requested lifetime in seconds, within the grant's bounds.
    pub ttl_seconds: Option<u32>,
    /// Metadata as pairs, empty where the grant takes none. A value is text, or the text of any
    /// JSON where the grant takes that.
    pub metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

impl Inputs {
    /// Checks the caller's keys against the grant. An unknown key, a wrong kind, and a lifetime or
    /// scope that the grant does not allow are errors that name the field and the accepted form;
    /// none is ignored.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] or [`Kind::MissingInput`], with every field that is at fault.
    pub fn check(
        grant: &Grant,
        values: Map<String, Value>,
        scopes: Vec<String>,
        ttl_seconds: Option<i64>,
        metadata: &Map<String, Value>,
    ) -> Result<Self> {
        let mut violations = wrong_values(grant, &values);
        violations.extend(ttl_seconds.and_then(|ttl| wrong_ttl(grant, ttl)));
        violations.extend(wrong_scopes(grant, &scopes));
        violations.extend(wrong_decimals(grant, &values));
        let metadata = metadata_pairs(grant.metadata, metadata).unwrap_or_else(|violation| {
            violations.push(violation);
            BTreeMap::new()
        });
        if !violations.is_empty() {
            let texts: Vec<String> =
                violations.iter().map(|violation| format!("{}: {}", violation.field, violation.description)).collect();
            return Err(Error { fields: violations, ..Error::new(Kind::InvalidRequest, texts.join("; ")) });
        }
        check_complete(grant, &values)?;
        Ok(Self { values, scopes, ttl_seconds: ttl_seconds.and_then(|ttl| u32::try_from(ttl).ok()), metadata })
    }

    /// The JSON value of a key.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// A secret text.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::from)
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_i64)
    }

    /// An amount in major units or a number, as text, exactly as the caller wrote it.
    pub fn decimal(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// An amount in major units with exactly so many decimals, for connectors that want them all:
    /// JSON numbers have lost their zeros.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] where the caller gave more decimals.
    pub fn amount(&self, name: &str, decimals: usize) -> Result<Option<String>> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        let amount = with_decimals(value, decimals);
        amount.map(Some).ok_or_else(|| Error::invalid_input(name, format!("must have at most {decimals} decimals")))
    }

    /// A text that the grant needs.
    ///
    /// # Errors
    /// [`Kind::MissingInput`] where it is absent. [`Inputs::check`] refuses that for an input that
    /// the grant declares as required.
    pub fn required_text(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| absent(name))
    }

    /// A whole number that the grant needs.
    ///
    /// # Errors
    /// As [`Inputs::required_text`].
    pub fn required_integer(&self, name: &str) -> Result<i64> {
        self.integer(name).ok_or_else(|| absent(name))
    }

    /// An amount in major units that the grant needs, exactly as the caller wrote it.
    ///
    /// # Errors
    /// As [`Inputs::required_text`].
    pub fn required_decimal(&self, name: &str) -> Result<String> {
        self.decimal(name).ok_or_else(|| absent(name))
    }

    /// An amount that the grant needs, as [`Inputs::amount`] writes it.
    ///
    /// # Errors
    /// As [`Inputs::required_text`] and [`Inputs::amount`].
    pub fn required_amount(&self, name: &str, decimals: usize) -> Result<String> {
        self.amount(name, decimals)?.ok_or_else(|| absent(name))
    }

    /// A JSON value that the grant needs.
    ///
    /// # Errors
    /// As [`Inputs::required_text`].
    pub fn required_value(&self, name: &str) -> Result<&Value> {
        self.value(name).ok_or_else(|| absent(name))
    }

    /// The requested scopes as one OAuth parameter: names with a space between them (RFC 6749
    /// section 3.3).
    pub fn scope(&self) -> String {
        self.scopes.join(" ")
    }

    /// A flag; `flag(name).unwrap_or(default)` where the connector has a default.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.values.get(name).and_then(Value::as_bool)
    }

    /// A list of texts, empty where the caller gave none.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.values.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Every key that the caller gave.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Metadata of a grant that takes any JSON, as the caller wrote it.
    pub fn metadata_json(&self) -> Map<String, Value> {
        let value = |json: &String| serde_json::from_str(json).unwrap_or_default();
        self.metadata.iter().map(|(key, json)| (key.clone(), value(json))).collect()
    }

    /// Every key that the caller gave, as the JSON body of a connector that uses the same names.
    pub fn body(&self) -> Map<String, Value> {
        self.values.clone()
    }

    /// Copies keys that the caller gave into a JSON body: `(input, connector's name)`.
    pub fn copy_into(&self, body: &mut Map<String, Value>, names: &[(&str, &str)]) {
        for (input, member) in names {
            if let Some(value) = self.values.get(*input) {
                body.insert((*member).into(), value.clone());
            }
        }
    }
}

fn wrong_values(grant: &Grant, values: &Map<String, Value>) -> Vec<FieldViolation> {
    // The accepted keys are listed once: with many unknown keys the answer would be too long to
    // send.
    let mut listed = false;
    let mut description = |name: &str, value: &Value| match grant.inputs.iter().find(|input| input.name == name) {
        Some(input) if input.kind.accepts(value) => None,
        Some(input) => Some((name.to_owned(), format!("must be {}", input.kind.describe()))),
        None if listed => Some((clamped(name), "unknown key".into())),
        None => {
            listed = true;
            Some((clamped(name), format!("unknown key; {} accepts {}", grant.name, accepted(grant))))
        }
    };
    values
        .iter()
        .filter_map(|(name, value)| description(name, value))
        .map(|(name, description)| wrong(&name, description))
        .collect()
}

/// Amounts in major units with more decimals than the currency has (ISO 4217).
fn wrong_decimals(grant: &Grant, values: &Map<String, Value>) -> Vec<FieldViolation> {
    let given = |kind: InputKind| {
        let names = grant.inputs.iter().filter(move |input| input.kind == kind).map(|input| input.name);
        names.filter_map(|name| Some((name, values.get(name)?)))
    };
    let Some(currency) = given(InputKind::Currency).find_map(|(_, code)| code.as_str()) else { return Vec::new() };
    let Some(decimals) = currency_decimals(currency) else { return Vec::new() };
    given(InputKind::Decimal)
        .filter(|(_, amount)| {
            amount
                .as_str()
                .map_or_else(|| amount.to_string(), str::to_owned)
                .split_once('.')
                .is_some_and(|(_, fraction)| fraction.len() > decimals)
        })
        .map(|(name, _)| {
            wrong(name, format!("must have at most {decimals} decimals in {}", currency.to_ascii_uppercase()))
        })
        .collect()
}

fn wrong_ttl(grant: &Grant, ttl: i64) -> Option<FieldViolation> {
    let description = match grant.lifetime {
        Lifetime::Settable { min, max, .. } if (i64::from(min)..=i64::from(max)).contains(&ttl) => return None,
        Lifetime::Settable { min, max, .. } => format!("must be from {min} to {max} for {}", grant.name),
        _ => format!("the connector fixes the lifetime of {}", grant.name),
    };
    Some(wrong("ttl_seconds", description))
}

fn wrong_scopes(grant: &Grant, scopes: &[String]) -> Option<FieldViolation> {
    let description = match grant.scopes {
        _ if scopes.is_empty() => return None,
        Scopes::Any if scopes.iter().all(|scope| is_scope(scope)) => return None,
        Scopes::OneOf(known) if scopes.iter().all(|scope| known.contains(&scope.as_str())) => return None,
        Scopes::Any => "must be a list of scope names without spaces".into(),
        Scopes::OneOf(known) => format!("must be among {}", known.join(", ")),
        Scopes::None => format!("{} takes no scopes", grant.name),
    };
    Some(wrong("scopes", description))
}

fn check_complete(grant: &Grant, values: &Map<String, Value>) -> Result<()> {
    let needed = grant.inputs.iter().filter(|input| input.required).map(|input| input.name);
    let absent: Vec<&str> = needed.filter(|name| !values.contains_key(*name)).collect();
    if !absent.is_empty() {
        return Err(Error::missing_inputs(&absent, &format!("{} needs it", grant.name)));
    }
    let complete = |set: &&[&str]| set.iter().all(|name| values.contains_key(*name));
    if !grant.one_of.is_empty() && !grant.one_of.iter().any(complete) {
        let sets: Vec<String> = grant.one_of.iter().map(|set| set.join(" + ")).collect();
        let mut names = grant.one_of.concat();
        names.sort_unstable();
        names.dedup();
        return Err(Error::missing_inputs(&names, &format!("{} needs one of: {}", grant.name, sets.join("; "))));
    }
    Ok(())
}

fn absent(name: &str) -> Error {
    Error::missing_inputs(&[name], "the grant needs it")
}

fn wrong(name: &str, description: String) -> FieldViolation {
    FieldViolation { field: feature(name), description }
}

fn feature(name: &str) -> String {
    format!("connector_feature_data.{name}")
}

/// A key as the caller wrote it, short enough for a message and without control characters.
fn clamped(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}

fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.len() <= 255 && scope.bytes().all(|byte| byte.is_ascii_graphic())
}

fn accepted(grant: &Grant) -> String {
    let mut names = vec!["grant", "audience"];
    if matches!(grant.lifetime, Lifetime::Settable { .. }) {
        names.push("ttl_seconds");
    }
    if grant.scopes != Scopes::None {
        names.push("scopes");
    }
    names.extend(grant.inputs.iter().map(|input| input.name));
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grant::Audience, input::kind::Input};
    use serde_json::json;

    #[test]
    fn metadata_is_text_or_any_json() {
        let given = json!({"a": 1, "b": {"c": [true, null]}});
        let Value::Object(given) = given else { panic!("an object") };
        let check = |grant: Grant| Inputs::check(&grant, Map::new(), Vec::new(), None, &given);
        let grant = Grant::new("g", Audience::Client, "", Lifetime::Unpublished, ());
        assert_eq!(check(grant.metadata(9, 9, 99)).unwrap_err().kind, Kind::InvalidRequest);
        assert_eq!(check(grant.metadata_json(9, 9, 99)).unwrap().metadata_json(), given);
        assert_eq!(check(grant.metadata_json(9, 9, 9)).unwrap_err().kind, Kind::InvalidRequest);
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        const GRANT: Grant = Grant::new("g", Audience::Client, "", Lifetime::Unpublished, ())
            .inputs(&[Input::currency("currency"), Input::decimal("amount")]);
        for (amount, currency, fits) in [
            (json!("10.50"), "EUR", true),
            (json!("10.505"), "EUR", false),
            (json!("10.505"), "KWD", true),
            (json!("10"), "jpy", true),
            (json!("10.0"), "JPY", false),
            (json!(10.5), "JPY", false),
        ] {
            let values = json!({"amount": amount, "currency": currency});
            let checked = Inputs::check(&GRANT, values.as_object().unwrap().clone(), Vec::new(), None, &Map::new());
            assert_eq!(checked.is_ok(), fits, "{amount} {currency}");
        }
    }

    #[test]
    fn every_fault_is_named_and_nothing_is_ignored() {
        const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 60, max: 600 };
        const GRANT: Grant = Grant::new("g", Audience::Client, "", LIFETIME, ()).inputs(&[
            Input::currency("currency").required(),
            Input::url("return_url").required(),
            Input::text("note"),
        ]);
        let check = |values: Value, ttl, scopes: &[&str]| {
            let Value::Object(values) = values else { panic!("an object") };
            let scopes = scopes.iter().map(ToString::to_string).collect();
            Inputs::check(&GRANT, values, scopes, ttl, &Map::new())
        };
        let error = check(json!({"noet": "x", "currency": 5}), Some(601), &["a"]).unwrap_err();
        let fields: Vec<&str> = error.fields.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(error.kind, Kind::InvalidRequest);
        for field in ["noet", "currency", "ttl_seconds", "scopes"] {
            assert!(fields.contains(&feature(field).as_str()), "{field} in {fields:?}");
        }
        assert!(error.message.contains("ttl_seconds, currency, return_url, note"), "{}", error.message);

        let error = check(json!({"noet": "x", "onte": "x"}), None, &[]).unwrap_err();
        assert_eq!(error.message.matches("return_url").count(), 1, "{}", error.message);

        let error = check(json!({"noet": "x", "currency": "EUX"}), None, &[]).unwrap_err();
        assert!(error.message.contains("ISO 4217"), "{}", error.message);

        let error = check(json!({"note": "x"}), None, &[]).unwrap_err();
        assert_eq!(error.kind, Kind::MissingInput);
        assert_eq!(error.fields.len(), 2);
        assert!(check(json!({"currency": "EUR", "return_url": "https://a.example"}), Some(600), &[]).is_ok());
    }
}
