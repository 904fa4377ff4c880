//! Every call that the fixtures and recordings make, against what the vendor itself publishes.
//!
//! `fixtures/<connector>/spec.json` is a hand-made extract of the vendor's document: names, types, what is required, values
//! and lengths. A connector without that file has a vendor that publishes no document for these calls.

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
    /// By method and path; a `{segment}` stands for any.
    calls: BTreeMap<String, Described>,
    /// Calls on which the documents are silent.
    #[serde(default)]
    without_document: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    content_type: String,
    /// Headers without which the vendor refuses the call.
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
        /// What members of other names must be; without it there may be none.
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
        /// The only words of which the text may be made (a query's names).
        words: Option<Vec<String>>,
    },
    Integer,
    Number,
    Boolean,
    /// The document leaves it open.
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

/// A form whose names have brackets, as the JSON that it stands for: `a[b][0]=c` is `{"a": {"b": {"0": "c"}}}`.
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

/// The checker itself: what it must refuse.
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
