use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, FieldViolation, Grant, Kind, Lifetime, Metadata, Result, Scopes, Secret, secret::is_clean};

/// A key of `connector_feature_data`: its name, its kind, whether the grant needs it.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The key.
    pub name: &'static str,
    /// Whether the grant cannot do without it.
    pub required: bool,
    /// Its form.
    pub kind: InputKind,
}

/// The forms that an input can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Text of 1 to this many characters.
    Text(usize),
    /// The same, or a whole number that stands for its digits.
    Digits(usize),
    /// Text that is never shown: a second key, a password.
    Secret,
    /// An absolute URL, `https` or (for localhost and apps) another scheme, at most 2048 characters.
    Url,
    /// A web origin: `https://host[:port]` with no path (`http` for localhost only).
    Origin,
    /// A DNS label: letters, digits and inner hyphens, at most 63.
    Label,
    /// ISO 4217: three letters.
    Currency,
    /// ISO 3166-1 alpha-2: two letters.
    Country,
    /// A whole number within bounds (both ends included).
    Integer(i64, i64),
    /// An amount in major units: digits with at most three decimals, as text or number.
    Decimal,
    /// `true` or `false`.
    Flag,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of texts, at most this many.
    Texts(usize),
    /// A list of web origins, at most this many.
    Origins(usize),
    /// A JSON object, passed on as it is.
    Object,
    /// A list of JSON objects, passed on as they are.
    Objects,
}

impl Input {
    const fn new(name: &'static str, kind: InputKind) -> Self {
        Self { name, required: false, kind }
    }

    /// Text of up to 255 characters.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, InputKind::Text(255))
    }

    /// Text that is never shown.
    pub const fn secret(name: &'static str) -> Self {
        Self::new(name, InputKind::Secret)
    }

    /// An absolute URL.
    pub const fn url(name: &'static str) -> Self {
        Self::new(name, InputKind::Url)
    }

    /// A web origin.
    pub const fn origin(name: &'static str) -> Self {
        Self::new(name, InputKind::Origin)
    }

    /// A DNS label.
    pub const fn label(name: &'static str) -> Self {
        Self::new(name, InputKind::Label)
    }

    /// A currency code.
    pub const fn currency(name: &'static str) -> Self {
        Self::new(name, InputKind::Currency)
    }

    /// A country code.
    pub const fn country(name: &'static str) -> Self {
        Self::new(name, InputKind::Country)
    }

    /// An amount in minor units, zero included.
    pub const fn minor_units(name: &'static str) -> Self {
        Self::new(name, InputKind::Integer(0, 999_999_999_999))
    }

    /// An amount in major units.
    pub const fn decimal(name: &'static str) -> Self {
        Self::new(name, InputKind::Decimal)
    }

    /// A flag.
    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, InputKind::Flag)
    }

    /// A list of up to 50 texts.
    pub const fn texts(name: &'static str) -> Self {
        Self::new(name, InputKind::Texts(50))
    }

    /// A JSON object.
    pub const fn object(name: &'static str) -> Self {
        Self::new(name, InputKind::Object)
    }

    /// A list of JSON objects.
    pub const fn objects(name: &'static str) -> Self {
        Self::new(name, InputKind::Objects)
    }

    /// One of several texts.
    pub const fn one_of(name: &'static str, accepted: &'static [&'static str]) -> Self {
        Self::new(name, InputKind::OneOf(accepted))
    }

    /// A whole number within bounds.
    pub const fn integer(name: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, InputKind::Integer(min, max))
    }

    /// Text of up to `max` characters.
    pub const fn text_of(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Text(max))
    }

    /// Text of up to `max` characters, or a whole number.
    pub const fn digits(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Digits(max))
    }

    /// A list of up to `max` texts.
    pub const fn texts_of(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Texts(max))
    }

    /// A list of up to `max` web origins.
    pub const fn origins(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Origins(max))
    }

    /// Makes it one that the grant cannot do without.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

impl InputKind {
    /// What is accepted, for error messages and documentation.
    pub fn describe(self) -> String {
        match self {
            InputKind::Text(max) => format!("text of 1 to {max} characters"),
            InputKind::Digits(max) => format!("text of 1 to {max} characters, or a whole number"),
            InputKind::Secret => "text without blanks around it (kept secret)".into(),
            InputKind::Url => "an absolute URL".into(),
            InputKind::Origin => "a web origin such as https://shop.example, without a path".into(),
            InputKind::Label => "a DNS label: letters, digits and inner hyphens".into(),
            InputKind::Currency => "a three-letter currency code".into(),
            InputKind::Country => "a two-letter country code".into(),
            InputKind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            InputKind::Decimal => "an amount in major units, such as \"10.50\"".into(),
            InputKind::Flag => "true or false".into(),
            InputKind::OneOf(accepted) => format!("one of {}", accepted.join(", ")),
            InputKind::Texts(max) => format!("a list of 1 to {max} texts"),
            InputKind::Origins(max) => format!("a list of 1 to {max} web origins such as https://shop.example"),
            InputKind::Object => "a JSON object".into(),
            InputKind::Objects => "a list of JSON objects".into(),
        }
    }

    /// Whether a value has this form.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (InputKind::Text(max), Value::String(text)) => is_text(text, max),
            (InputKind::Digits(max), Value::String(text)) => is_text(text, max),
            (InputKind::Digits(max), Value::Number(number)) => number.is_u64() && number.to_string().len() <= max,
            (InputKind::Secret, Value::String(text)) => is_clean(text),
            (InputKind::Url, Value::String(text)) => is_url(text),
            (InputKind::Origin, Value::String(text)) => is_origin(text),
            (InputKind::Label, Value::String(text)) => is_label(text),
            (InputKind::Currency, Value::String(text)) => is_letters(text, 3),
            (InputKind::Country, Value::String(text)) => is_letters(text, 2),
            (InputKind::Integer(min, max), Value::Number(number)) => {
                number.as_i64().is_some_and(|number| (min..=max).contains(&number))
            }
            (InputKind::Decimal, Value::String(text)) => is_decimal(text),
            (InputKind::Decimal, Value::Number(number)) => is_decimal(&number.to_string()),
            (InputKind::Flag, Value::Bool(_)) => true,
            (InputKind::OneOf(accepted), Value::String(text)) => accepted.contains(&text.as_str()),
            (InputKind::Texts(max), Value::Array(items)) => {
                all(items, max, |item| item.as_str().is_some_and(|text| is_text(text, 255)))
            }
            (InputKind::Origins(max), Value::Array(items)) => {
                all(items, max, |item| item.as_str().is_some_and(is_origin))
            }
            (InputKind::Object, Value::Object(_)) => true,
            (InputKind::Objects, Value::Array(items)) => all(items, 100, Value::is_object),
            _ => false,
        }
    }
}

fn all(items: &[Value], max: usize, accept: impl Fn(&Value) -> bool) -> bool {
    !items.is_empty() && items.len() <= max && items.iter().all(accept)
}

fn is_text(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

fn is_letters(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, max: usize| {
        !part.is_empty() && part.len() <= max && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole, 12) && digits(fraction, 3)
}

/// An amount in major units, text or number, with exactly so many decimals; nothing where it has more, or is none.
pub(crate) fn with_decimals(amount: &Value, decimals: usize) -> Option<String> {
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !is_decimal(&text) || fraction.len() > decimals {
        return None;
    }
    Some(if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<decimals$}") })
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_url(text: &str) -> bool {
    text.len() <= 2048
        && text.split_once("://").is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                // An app's own scheme may stand alone: `my-app://`.
                && !(rest.is_empty() && ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web)))
        })
        && !text.chars().any(|character| character.is_control() || character.is_whitespace())
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let host = authority.split(':').next().unwrap_or_default();
    let local = host == "localhost" || host == "127.0.0.1";
    (scheme == "https" || scheme == "http" && local)
        && authority.parse::<http::uri::Authority>().is_ok_and(|parsed| !parsed.host().is_empty())
        && !authority.contains(['@', '*'])
}

/// The inputs of one request, already held against the grant: a key that is here is known and has the right form.
#[derive(Clone, Default)]
pub struct Inputs {
    values: Map<String, Value>,
    /// The scopes asked for, empty where none were.
    pub scopes: Vec<String>,
    /// The lifetime asked for, in seconds, within the vendor's bounds.
    pub ttl_seconds: Option<u32>,
    /// Metadata as pairs, empty where the vendor's call takes none. Values are text, or JSON where the grant takes any.
    pub metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

impl Inputs {
    /// Holds the caller's keys against what the grant takes. Nothing is ignored: an unknown key, a wrong kind, a lifetime or
    /// scope that the vendor cannot honour is an error that names the field and says what is accepted.
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
        let mut violations = Vec::new();
        let mut wrong = |field: String, description: String| violations.push(FieldViolation { field, description });
        // What is accepted is said once: with many unknown keys the answer would be too long to send.
        let mut listed = false;

        for (name, value) in &values {
            match grant.inputs.iter().find(|input| input.name == name) {
                Some(input) if input.kind.accepts(value) => {}
                Some(input) => wrong(feature(name), format!("must be {}", input.kind.describe())),
                None if listed => wrong(feature(&clamped(name)), "unknown key".into()),
                None => {
                    listed = true;
                    wrong(feature(&clamped(name)), format!("unknown key; {} accepts {}", grant.name, accepted(grant)));
                }
            }
        }
        if let Some(ttl) = ttl_seconds {
            match grant.lifetime {
                Lifetime::Settable { min, max, .. } if (i64::from(min)..=i64::from(max)).contains(&ttl) => {}
                Lifetime::Settable { min, max, .. } => {
                    wrong(feature("ttl_seconds"), format!("must be from {min} to {max} for {}", grant.name));
                }
                _ => wrong(feature("ttl_seconds"), format!("the connector fixes the lifetime of {}", grant.name)),
            }
        }
        if !scopes.is_empty() {
            match grant.scopes {
                Scopes::Any if scopes.iter().all(|scope| is_scope(scope)) => {}
                Scopes::OneOf(known) if scopes.iter().all(|scope| known.contains(&scope.as_str())) => {}
                Scopes::Any => wrong(feature("scopes"), "must be a list of scope names without spaces".into()),
                Scopes::OneOf(known) => wrong(feature("scopes"), format!("must be among {}", known.join(", "))),
                Scopes::None => wrong(feature("scopes"), format!("{} takes no scopes", grant.name)),
            }
        }
        let metadata = match metadata_pairs(grant.metadata, metadata) {
            Ok(pairs) => pairs,
            Err(violation) => {
                wrong(violation.field, violation.description);
                BTreeMap::new()
            }
        };
        if !violations.is_empty() {
            let message = violations
                .iter()
                .map(|violation| format!("{}: {}", violation.field, violation.description))
                .collect::<Vec<_>>()
                .join("; ");
            return Err(Error { fields: violations, ..Error::new(Kind::InvalidRequest, message) });
        }

        let absent: Vec<&str> = grant
            .inputs
            .iter()
            .filter(|input| input.required && !values.contains_key(input.name))
            .map(|input| input.name)
            .collect();
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

    /// An amount in major units with exactly so many decimals, for vendors that want them all: JSON numbers have lost their zeros.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] where the caller gave more decimals.
    pub fn amount(&self, name: &str, decimals: usize) -> Result<Option<String>> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        let amount = with_decimals(value, decimals);
        amount.map(Some).ok_or_else(|| Error::invalid_input(name, format!("must have at most {decimals} decimals")))
    }

    /// A flag.
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

    /// Every key that the caller gave, as the JSON body of a vendor that uses the same names.
    pub fn body(&self) -> Map<String, Value> {
        self.values.clone()
    }

    /// Copies keys that the caller gave into a JSON body, under the names that the vendor uses: `(input, vendor's name)`.
    pub fn copy_into(&self, body: &mut Map<String, Value>, names: &[(&str, &str)]) {
        for (input, vendor) in names {
            if let Some(value) = self.values.get(*input) {
                body.insert((*vendor).into(), value.clone());
            }
        }
    }
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

fn metadata_pairs(bounds: Metadata, metadata: &Map<String, Value>) -> Result<BTreeMap<String, String>, FieldViolation> {
    let Metadata::Pairs { max, max_key, max_value, any_json } = bounds else { return Ok(BTreeMap::new()) };
    let wrong = |description: String| FieldViolation { field: "metadata".into(), description };
    if metadata.len() > max {
        return Err(wrong(format!("the connector takes at most {max} keys")));
    }
    metadata
        .iter()
        .map(|(key, value)| {
            let text = match value {
                any if any_json => any.to_string(),
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(wrong("the connector takes texts, numbers and flags only".into())),
            };
            if key.is_empty() || key.chars().count() > max_key || key.contains(['[', ']']) {
                return Err(wrong(format!("a key must have 1 to {max_key} characters and no square brackets")));
            }
            if text.chars().count() > max_value {
                return Err(wrong(format!("a value may have at most {max_value} characters")));
            }
            Ok((key.clone(), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_accept_and_refuse() {
        let table = [
            (InputKind::Text(3), json!("abc"), true),
            (InputKind::Text(3), json!("abcd"), false),
            (InputKind::Text(3), json!(""), false),
            (InputKind::Text(9), json!("a\r\nb"), false),
            (InputKind::Digits(3), json!("1a"), true),
            (InputKind::Digits(3), json!(1), true),
            (InputKind::Digits(3), json!(1000), false),
            (InputKind::Digits(3), json!(1.5), false),
            (InputKind::Digits(3), json!(-1), false),
            (InputKind::Label, json!("0123abc-Co"), true),
            (InputKind::Label, json!("evil.example/"), false),
            (InputKind::Label, json!("-a"), false),
            (InputKind::Url, json!("https://shop.example/r?x={ID}"), true),
            (InputKind::Url, json!("app://back"), true),
            (InputKind::Url, json!("my-app://"), true),
            (InputKind::Url, json!("https://"), false),
            (InputKind::Url, json!("HTTP://"), false),
            (InputKind::Url, json!("://"), false),
            (InputKind::Url, json!("shop.example"), false),
            (InputKind::Origin, json!("https://shop.example:8443"), true),
            (InputKind::Origin, json!("https://shop.example/path"), false),
            (InputKind::Origin, json!("http://shop.example"), false),
            (InputKind::Origin, json!("http://localhost:3000"), true),
            (InputKind::Origin, json!("https://a@shop.example"), false),
            (InputKind::Currency, json!("EUR"), true),
            (InputKind::Currency, json!("EURO"), false),
            (InputKind::Decimal, json!("10.50"), true),
            (InputKind::Decimal, json!(10.5), true),
            (InputKind::Decimal, json!("1e3"), false),
            (InputKind::Decimal, json!("-1"), false),
            (InputKind::Integer(0, 5), json!(5), true),
            (InputKind::Integer(0, 5), json!("5"), false),
            (InputKind::Integer(0, 5), json!(5.5), false),
            (InputKind::Flag, json!("true"), false),
            (InputKind::OneOf(&["a", "b"]), json!("b"), true),
            (InputKind::Texts(2), json!(["a", "b", "c"]), false),
            (InputKind::Objects, json!([{"a": 1}]), true),
            (InputKind::Objects, json!([1]), false),
        ];
        for (kind, value, accepted) in table {
            assert_eq!(kind.accepts(&value), accepted, "{kind:?} {value}");
        }
    }

    #[test]
    fn amounts_get_the_decimals_that_the_vendor_wants() {
        for (amount, decimals, want) in [
            (json!(10), 2, Some("10.00")),
            (json!("10.5"), 2, Some("10.50")),
            (json!("10.55"), 2, Some("10.55")),
            (json!("10.555"), 2, None),
            (json!("10.555"), 3, Some("10.555")),
            (json!(10), 0, Some("10")),
            (json!("10.0"), 0, None),
            (json!("1e3"), 2, None),
            (json!([10]), 2, None),
        ] {
            assert_eq!(with_decimals(&amount, decimals).as_deref(), want, "{amount} {decimals}");
        }
    }

    #[test]
    fn metadata_is_text_or_any_json() {
        let given = json!({"a": 1, "b": {"c": [true, null]}});
        let Value::Object(given) = given else { panic!("an object") };
        let check = |grant: Grant| Inputs::check(&grant, Map::new(), Vec::new(), None, &given);
        let grant = Grant::client("g", "", Lifetime::Unpublished);
        assert_eq!(check(grant.metadata(9, 9, 99)).unwrap_err().kind, Kind::InvalidRequest);
        assert_eq!(check(grant.metadata_json(9, 9, 99)).unwrap().metadata_json(), given);
        assert_eq!(check(grant.metadata_json(9, 9, 9)).unwrap_err().kind, Kind::InvalidRequest);
    }

    #[test]
    fn every_fault_is_named_and_nothing_is_ignored() {
        const GRANT: Grant = Grant::client("g", "", Lifetime::Settable { min: 60, default: 60, max: 600 }).inputs(&[
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

        let error = check(json!({"note": "x"}), None, &[]).unwrap_err();
        assert_eq!(error.kind, Kind::MissingInput);
        assert_eq!(error.fields.len(), 2);
        assert!(check(json!({"currency": "EUR", "return_url": "https://a.example"}), Some(600), &[]).is_ok());
    }
}
