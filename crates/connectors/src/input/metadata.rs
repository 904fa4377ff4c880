//! Metadata of a request, for grants whose call takes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::FieldViolation;

/// Whether a grant's call takes metadata, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// The connector's call has no such field: nothing is sent.
    None,
    /// Pairs, within the vendor's bounds (counted in characters).
    Pairs {
        /// The most pairs.
        max: usize,
        /// The longest key.
        max_key: usize,
        /// The longest value.
        max_value: usize,
        /// Whether a value may be any JSON, whose text is then counted; else it is sent as text.
        any_json: bool,
    },
}

/// The pairs to send, or the first fault.
pub(crate) fn metadata_pairs(
    bounds: Metadata,
    metadata: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, FieldViolation> {
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
