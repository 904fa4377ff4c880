//! Every call of the fixtures and recordings is valid by the vendor's own document.
//!
//! `fixtures/<connector>/spec.json` is a hand-made extract of the vendor's document: names, types,
//! required members, values and lengths. A connector has no such file if its vendor publishes no
//! document for these calls.

use std::collections::BTreeMap;

use connectors::{CONNECTORS, Call};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::{form_of, recordings, scenes, spec, text_headers};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(rename = "documents")]
    _documents: Vec<String>,
    /// By method and path. `{segment}` matches any one segment.
    calls: BTreeMap<String, Described>,
    /// Calls that the documents do not describe.
    #[serde(default)]
    without_document: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    content_type: String,
    /// Headers that the vendor requires.
    #[serde(default)]
    headers: Vec<String>,
    body: Schema,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Schema {
    Object {
        #[serde(default)]
        properties: BTreeMap<String, Self>,
        #[serde(default)]
        required: Vec<String>,
        /// The schema of members with other names. Without it, no other member is allowed.
        others: Option<Box<Self>>,
    },
    Array {
        items: Box<Self>,
    },
    String {
        #[serde(rename = "enum")]
        one_of: Option<Vec<String>>,
        min_length: Option<usize>,
        max_length: Option<usize>,
        /// The only words that the text may have (the names in a query).
        words: Option<Vec<String>>,
    },
    Integer,
    Number,
    Boolean,
    /// The document gives no type.
    Any,
}

#[test]
fn every_call_is_valid_by_the_vendors_own_document() {
    let mut scenes = scenes();
    scenes.extend(recordings());
    for entry in CONNECTORS {
        let Some(spec) = spec(entry) else { continue };
        let spec: Spec = serde_json::from_slice(&spec).unwrap_or_else(|error| panic!("{}: {error}", entry.meta.id));
        for scene in scenes.iter().filter(|scene| scene.entry.meta.id == entry.meta.id) {
            for call in scene.play().calls {
                let faults = spec.faults(&call);
                assert!(faults.is_empty(), "{}: {call:?}: {}", scene.name, faults.join("; "));
            }
        }
    }
}

impl Spec {
    fn faults(&self, call: &Call) -> Vec<String> {
        let made = format!("{} {}", call.method, call.uri.path());
        if self.without_document.contains(&made) {
            return Vec::new();
        }
        let Some(described) = self.calls.iter().find(|(path, _)| matches(path, &made)).map(|(_, described)| described)
        else {
            return vec![format!("{made} is in no document")];
        };
        let mut headers = text_headers(&call.headers);
        let content_type = headers.remove("content-type").unwrap_or_default();
        if content_type != described.content_type {
            return vec![format!("the content type is {content_type}")];
        }
        let form = content_type == "application/x-www-form-urlencoded";
        let body = if form { nested(form_of(&call.body)) } else { serde_json::from_slice(&call.body).unwrap() };
        let lacks = |name: &&String| !headers.contains_key(&name.to_ascii_lowercase());
        let mut faults: Vec<_> =
            described.headers.iter().filter(lacks).map(|name| format!("no header {name}")).collect();
        described.body.check("body", &body, form, &mut faults);
        faults
    }
}

fn matches(pattern: &str, made: &str) -> bool {
    pattern.split('/').count() == made.split('/').count()
        && pattern.split('/').zip(made.split('/')).all(|(want, have)| want == have || want.starts_with('{'))
}

/// Turns a form with brackets in its names into JSON: `a[b][0]=c` becomes
/// `{"a": {"b": {"0": "c"}}}`.
fn nested(form: BTreeMap<String, String>) -> Value {
    let mut root = Map::new();
    for (name, value) in form {
        let mut parts: Vec<&str> = name.split('[').map(|part| part.trim_end_matches(']')).collect();
        let last = parts.pop().unwrap();
        let mut at = &mut root;
        for part in parts {
            let member = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
            at = member.as_object_mut().unwrap_or_else(|| panic!("{name} is a value and an object"));
        }
        at.insert(last.into(), value.into());
    }
    Value::Object(root)
}

impl Schema {
    /// In a form, every value is text and a list is an object of its indexes.
    fn check(&self, at: &str, value: &Value, form: bool, faults: &mut Vec<String>) {
        match (self, value) {
            (Self::Object { properties, required, others }, Value::Object(members)) => {
                for name in required.iter().filter(|name| !members.contains_key(*name)) {
                    faults.push(format!("{at} lacks {name}"));
                }
                for (name, value) in members {
                    let at = format!("{at}.{name}");
                    match properties.get(name).or(others.as_deref()) {
                        Some(schema) => schema.check(&at, value, form, faults),
                        None => faults.push(format!("{at} is unknown")),
                    }
                }
            }
            (Self::Array { items }, Value::Array(values)) if !form => {
                values.iter().for_each(|value| items.check(at, value, form, faults));
            }
            (Self::Array { items }, Value::Object(values)) if form => {
                values.values().for_each(|value| items.check(at, value, form, faults));
                if !(0..values.len()).all(|nth| values.contains_key(&nth.to_string())) {
                    faults.push(format!("{at} has gaps in its indexes"));
                }
            }
            (Self::String { one_of, min_length, max_length, words }, Value::String(text)) => {
                let length = text.chars().count();
                if one_of.as_ref().is_some_and(|known| !known.contains(text)) {
                    faults.push(format!("{at} is not among the known values"));
                }
                if min_length.is_some_and(|min| length < min) || max_length.is_some_and(|max| length > max) {
                    faults.push(format!("{at} has {length} characters"));
                }
                let unknown = |known: &Vec<String>| {
                    let mut names = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|name| !name.is_empty());
                    names.any(|name| !known.iter().any(|word| word == name))
                };
                if words.as_ref().is_some_and(unknown) {
                    faults.push(format!("{at} has a name that the document has not"));
                }
            }
            (Self::Any, _) => {}
            (Self::Integer, Value::Number(number)) if !form && number.is_i64() => {}
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) if !form => {}
            (Self::Integer, Value::String(text)) if form && text.parse::<i64>().is_ok() => {}
            (Self::Number, Value::String(text)) if form && text.parse::<f64>().is_ok() => {}
            (Self::Boolean, Value::String(text)) if form && ["true", "false"].contains(&text.as_str()) => {}
            _ => faults.push(format!("{at} has another type")),
        }
    }
}

/// The checker accepts valid forms and refuses each kind of invalid one.
#[test]
fn the_checker_finds_faults() {
    let schema: Schema = serde_json::from_value(serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": {
            "a": { "type": "string", "enum": ["x", "y"], "max_length": 1 },
            "n": { "type": "integer" },
            "list": { "type": "array", "items": { "type": "boolean" } },
        },
    }))
    .unwrap();
    for (form, fault) in [
        ("a=x&n=1&list[0]=true", None),
        ("n=1", Some("body lacks a")),
        ("a=z", Some("body.a is not among the known values")),
        ("a=x&n=one", Some("body.n has another type")),
        ("a=x&b=1", Some("body.b is unknown")),
        ("a=x&list[1]=true", Some("body.list has gaps in its indexes")),
        ("a=x&list[0]=maybe", Some("body.list has another type")),
    ] {
        let mut faults = Vec::new();
        schema.check("body", &nested(form_of(form.as_bytes())), true, &mut faults);
        assert_eq!(faults.first().map(String::as_str), fault, "{form}");
    }
}
