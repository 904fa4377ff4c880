//! `connector_feature_data`: the keys that all grants share, and the grant's inputs. The request
//! check uses it.

use connectors::{Audience, Error, Result};
use serde_json::{Map, Value};

/// Longest JSON text that is read from a field of the request, in bytes.
const MAX_JSON_BYTES: usize = 64 * 1024;
/// Most scopes that are read. No connector documents as many.
const MAX_SCOPES: usize = 100;

/// The keys that all grants share, and the rest.
pub(super) struct FeatureData {
    pub grant: Option<String>,
    pub audience: Option<Audience>,
    pub ttl_seconds: Option<i64>,
    pub scopes: Vec<String>,
    pub inputs: Map<String, Value>,
}

impl FeatureData {
    /// Reads the JSON text. `required` is the audience that the called method demands.
    pub(super) fn read(json: Option<&str>, required: Option<Audience>) -> Result<Self> {
        let mut inputs = read_object(json, "connector_feature_data")?;
        let grant = match inputs.remove("grant") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Error::invalid_input("grant", "must be a text")),
        };
        let audience = match (audience(inputs.remove("audience"))?, required) {
            (Some(Audience::Client), Some(Audience::Server)) => {
                return Err(Error::invalid_input(
                    "audience",
                    "this method makes SERVER tokens; call CreateAccessToken",
                ));
            }
            (named, None) => named,
            (_, required) => required,
        };
        let ttl_seconds = inputs.remove("ttl_seconds").map(|value| {
            let seconds = value.as_i64();
            seconds.ok_or_else(|| Error::invalid_input("ttl_seconds", "must be a whole number of seconds"))
        });
        let (ttl_seconds, scopes) = (ttl_seconds.transpose()?, scopes(inputs.remove("scopes"))?);
        Ok(Self { grant, audience, ttl_seconds, scopes, inputs })
    }
}

fn audience(value: Option<Value>) -> Result<Option<Audience>> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str() {
        Some("client") => Ok(Some(Audience::Client)),
        Some("server") => Ok(Some(Audience::Server)),
        _ => Err(Error::invalid_input("audience", "must be \"client\" or \"server\"")),
    }
}

fn scopes(value: Option<Value>) -> Result<Vec<String>> {
    let list = match value {
        None => Some(Vec::new()),
        Some(Value::Array(items)) if items.len() <= MAX_SCOPES => {
            items.into_iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect()
        }
        Some(_) => None,
    };
    list.ok_or_else(|| Error::invalid_input("scopes", "must be a list of texts"))
}

/// The JSON object in a field of the request; an empty one where the field is absent.
pub(super) fn read_object(json: Option<&str>, field: &'static str) -> Result<Map<String, Value>> {
    let Some(json) = json.filter(|json| !json.is_empty()) else { return Ok(Map::new()) };
    if json.len() > MAX_JSON_BYTES {
        return Err(Error::invalid(field, "may be at most 64 KiB long"));
    }
    serde_json::from_str(json).map_err(|_| Error::invalid(field, "must be a JSON object"))
}
