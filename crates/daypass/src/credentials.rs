use connectors::{Error, Kind, Result};
use serde_json::{Map, Value};
use zeroize::Zeroize;

/// Longest credentials header that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Credentials as they came: whose they claim to be, and the fields. Overwritten on drop, never printed.
pub struct RawCredentials {
    /// The connector that they name, as the caller wrote it.
    pub connector: String,
    fields: Map<String, Value>,
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
        Self::of(read(json)?)
    }

    /// Reads `{"config": {"<Connector>": {…}}}`.
    ///
    /// # Errors
    /// As [`RawCredentials::parse`].
    pub fn parse_config(json: &[u8]) -> Result<Self> {
        let mut outer = read(json)?;
        match outer.remove("config") {
            Some(Value::Object(inner)) => Self::of(inner),
            _ => Err(malformed(r#"expected {"config": {"<Connector>": {…}}}"#)),
        }
    }

    fn of(named: Map<String, Value>) -> Result<Self> {
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some((connector, Value::Object(fields))), None) => Ok(Self { connector, fields }),
            (Some(_), None) => Err(malformed("the connector's credentials must be a JSON object")),
            _ => Err(malformed("expected exactly one connector's credentials")),
        }
    }

    /// The fields, for binding to the connector.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Every text in them, however deep, for scrubbing.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.fields.values().flat_map(texts)
    }
}

fn read(json: &[u8]) -> Result<Map<String, Value>> {
    if json.len() > MAX_BYTES {
        return Err(malformed("it is longer than 64 KiB"));
    }
    serde_json::from_slice(json).map_err(|_| malformed(r#"expected the JSON {"<Connector>": {…}}"#))
}

fn malformed(what: &str) -> Error {
    let field = "x-connector-auth";
    let violation = connectors::FieldViolation { field: field.into(), description: what.into() };
    Error { fields: vec![violation], ..Error::new(Kind::InvalidCredentials, format!("{field} cannot be read: {what}")) }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}
