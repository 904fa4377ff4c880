//! The credentials as they came, before they are bound to a connector. The server reads them from
//! request metadata, the command line from a file.

use connectors::{Error, FieldViolation, Kind, Result};
use serde_json::{Map, Value};
use zeroize::Zeroize;

/// Longest credentials header that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Credentials: the connector that they name, and the fields. Overwritten on drop, never printed.
pub struct RawCredentials {
    /// The connector that they name, as the caller wrote it.
    pub connector: String,
    fields: Map<String, Value>,
    /// The caller to whom the operator lends these credentials: empty for one without a name. `None`
    /// where the caller sent its own.
    lent_to: Option<String>,
}

impl std::fmt::Debug for RawCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawCredentials([REDACTED])")
    }
}

impl Drop for RawCredentials {
    fn drop(&mut self) {
        for value in self.fields.values_mut() {
            wipe(value);
        }
    }
}

impl RawCredentials {
    /// Reads `{"<Connector>": {…}}`.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`], never with a part of the text.
    pub fn parse(json: &[u8]) -> Result<Self> {
        const HEADER: &str = "x-connector-auth";
        Self::of(read(json, HEADER)?, HEADER)
    }

    /// Reads `{"config": {"<Connector>": {…}}}`.
    ///
    /// # Errors
    /// As [`RawCredentials::parse`].
    pub fn parse_config(json: &[u8]) -> Result<Self> {
        const HEADER: &str = "x-connector-config";
        let mut outer = read(json, HEADER)?;
        match outer.remove("config") {
            Some(Value::Object(inner)) => Self::of(inner, HEADER),
            _ => Err(Self::malformed(HEADER, r#"expected {"config": {"<Connector>": {…}}}"#)),
        }
    }

    /// Credentials of a connector. A field that is null is absent: some clients send every field
    /// that they know.
    pub fn new(connector: String, mut fields: Map<String, Value>) -> Self {
        fields.retain(|_, value| !value.is_null());
        Self { connector, fields, lent_to: None }
    }

    /// The same credentials, lent to this caller.
    pub(super) fn lent(&self, caller: &str) -> Self {
        let (connector, fields) = (self.connector.clone(), self.fields.clone());
        Self { connector, fields, lent_to: Some(caller.to_owned()) }
    }

    /// The caller to whom they are lent.
    pub(crate) fn lent_to(&self) -> Option<&str> {
        self.lent_to.as_deref()
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// The error for a header that cannot be read as credentials.
    pub fn malformed(header: &str, what: &str) -> Error {
        let violation = FieldViolation { field: header.into(), description: what.into() };
        let message = format!("{header} cannot be read: {what}");
        Error { fields: vec![violation], ..Error::new(Kind::InvalidCredentials, message) }
    }

    pub(super) fn of(named: Map<String, Value>, header: &str) -> Result<Self> {
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some((connector, Value::Object(fields))), None) => Ok(Self::new(connector, fields)),
            (Some(_), None) => Err(Self::malformed(header, "the connector's credentials must be a JSON object")),
            _ => Err(Self::malformed(header, "expected exactly one connector's credentials")),
        }
    }

    /// The fields, for binding to the connector.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Every text in them, at any depth, for redaction.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values_of(|_| true)
    }

    /// Every text in the fields with a wanted name.
    pub(crate) fn values_of(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(name, _)| wanted(name)).flat_map(|(_, value)| texts(value))
    }
}

pub(super) fn read(json: &[u8], header: &str) -> Result<Map<String, Value>> {
    if json.len() > MAX_BYTES {
        return Err(RawCredentials::malformed(header, "it is longer than 64 KiB"));
    }
    serde_json::from_slice(json).map_err(|_| RawCredentials::malformed(header, "expected a JSON object"))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Overwrites every text in a value.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_header_at_fault() {
        for text in
            ["no JSON", "{}", r#"{"config": 5}"#, r#"{"config": {"A": {}, "B": {}}}"#, r#"{"config": {"A": 5}}"#]
        {
            let error = RawCredentials::parse_config(text.as_bytes()).unwrap_err();
            assert_eq!(error.fields[0].field, "x-connector-config", "{text}");
            assert!(error.message.starts_with("x-connector-config "), "{}", error.message);
        }
        assert_eq!(RawCredentials::parse(b"no JSON").unwrap_err().fields[0].field, "x-connector-auth");
    }
}
