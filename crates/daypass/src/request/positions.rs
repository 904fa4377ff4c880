//! Credentials by position instead of by name, as older clients of this API send them: in headers of
//! their own, or in `x-connector-auth` with an `auth_type`. The server's request metadata uses it.

use connectors::{Error, FieldViolation, Kind, POSITIONS, PositionalForm, Result, find, positions};
use serde_json::{Map, Value};

use crate::request::{
    connector_id::canonical_id,
    credentials::{RawCredentials, read},
};

const AUTH_HEADER: &str = "x-connector-auth";

impl RawCredentials {
    /// Reads `x-connector-auth`: `{"<Connector>": {…}}`, or `{"auth_type": "…", …}` for the connector
    /// that the call names.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`], never with a part of the text.
    pub fn parse_auth(json: &[u8], connector: Option<&str>) -> Result<Self> {
        let mut given = read(json, AUTH_HEADER)?;
        match given.remove("auth_type") {
            None => Self::of(given, AUTH_HEADER),
            Some(Value::String(form)) => Self::by_position(&form, connector, given, AUTH_HEADER),
            Some(_) => Err(Self::malformed(AUTH_HEADER, "auth_type must be a text")),
        }
    }

    /// Credentials by position: the form's name, the connector that the call names, and the values.
    /// `header` is at fault where they cannot be read.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`]: the form or the connector's positions are not known, or a
    /// position is absent or not one of the form's. The error says which named form to send.
    pub fn by_position(form: &str, connector: Option<&str>, values: Map<String, Value>, header: &str) -> Result<Self> {
        let Some(connector) = connector else {
            return Err(Self::malformed(header, "credentials by position need the connector's name in x-connector"));
        };
        let id = canonical_id(connector);
        if form.eq_ignore_ascii_case("CurrencyAuthKey") || form.eq_ignore_ascii_case("currency-auth-key") {
            return Ok(Self::new(id, values));
        }
        let named = PositionalForm::named(form);
        let Some((form, fields)) = named.and_then(|form| Some((form, positions(&id, form)?))) else {
            return Err(Self::malformed(header, &format!("this form is not known for {id}; send {}", named_form(&id))));
        };
        // The names keep their order: a value stands where the form's client puts it.
        let mut named = Map::new();
        let mut faults = Vec::new();
        let mut values = Self::new(id.clone(), values);
        for (position, field) in POSITIONS.iter().zip(fields) {
            match values.take(position) {
                Some(value) if !field.is_empty() => drop(named.insert((*field).to_owned(), value)),
                Some(_) => {}
                None if field.is_empty() => {}
                None => faults.push((*position, format!("{form:?} of {id} needs it: it is {field}"))),
            }
        }
        if let Some(other) = values.fields().keys().find_map(|name| POSITIONS.iter().find(|known| *known == name)) {
            faults.push((other, format!("{form:?} of {id} has no such position; send {}", named_form(&id))));
        } else if !values.fields().is_empty() {
            faults.push(("*", format!("unknown field; the positions are {}", POSITIONS.join(", "))));
        }
        let credentials = Self::new(id, named);
        let Some((position, description)) = faults.into_iter().next() else { return Ok(credentials) };
        let field = match header {
            AUTH_HEADER => format!("{AUTH_HEADER}.{position}"),
            _ => format!("x-{}", position.replace('_', "-")),
        };
        let message = format!("{field}: {description}");
        let violation = FieldViolation { field, description };
        Err(Error { fields: vec![violation], ..Error::new(Kind::InvalidCredentials, message) })
    }
}

/// The form that names its fields, for a connector.
fn named_form(id: &str) -> String {
    let fields: Vec<String> = find(id)
        .into_iter()
        .flat_map(|entry| entry.meta.credentials)
        .filter(|field| field.required)
        .map(|field| format!("\"{}\": …", field.name))
        .collect();
    let fields = if fields.is_empty() { "…".to_owned() } else { fields.join(", ") };
    format!("x-connector-auth: {{\"{id}\": {{{fields}}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(connector: Option<&str>, json: &str) -> Result<Value> {
        let credentials = RawCredentials::parse_auth(json.as_bytes(), connector)?;
        Ok(serde_json::json!({credentials.connector.clone(): credentials.fields()}))
    }

    #[test]
    fn a_position_is_the_connectors_own_field() {
        for (connector, json, named) in [
            ("stripe", r#"{"auth_type":"HeaderKey","api_key":"a"}"#, r#"{"stripe":{"api_key":"a"}}"#),
            (
                "PayPal",
                r#"{"auth_type":"BodyKey","api_key":"a","key1":"b"}"#,
                r#"{"paypal":{"client_secret":"a","client_id":"b"}}"#,
            ),
            (
                "braintree",
                r#"{"auth_type":"signature-key","api_key":"a","key1":"b","api_secret":"c"}"#,
                r#"{"braintree":{"public_key":"a","private_key":"c"}}"#,
            ),
            (
                "FiservCommerceHub",
                r#"{"auth_type":"MultiAuthKey","api_key":"a","key1":"b","api_secret":"c","key2":"d"}"#,
                r#"{"fiservcommercehub":{"api_key":"a","merchant_id":"b","secret":"c","terminal_id":"d"}}"#,
            ),
            (
                "payload",
                r#"{"auth_type":"CurrencyAuthKey","auth_key_map":{"USD":{"api_key":"a"}}}"#,
                r#"{"payload":{"auth_key_map":{"USD":{"api_key":"a"}}}}"#,
            ),
        ] {
            assert_eq!(auth(Some(connector), json).unwrap(), serde_json::from_str::<Value>(named).unwrap(), "{json}");
        }
        assert!(auth(None, r#"{"Stripe":{"api_key":"a"}}"#).is_ok());
    }

    #[test]
    fn each_fault_names_its_position_and_no_value() {
        for (connector, json, field) in [
            (None, r#"{"auth_type":"HeaderKey","api_key":"canary"}"#, "x-connector-auth"),
            (Some("stripe"), r#"{"auth_type":"BodyKey","api_key":"canary","key1":"canary"}"#, "x-connector-auth"),
            (Some("stripe"), r#"{"auth_type":"NoKey"}"#, "x-connector-auth"),
            (Some("stripe"), r#"{"auth_type":5,"api_key":"canary"}"#, "x-connector-auth"),
            (Some("adyen"), r#"{"auth_type":"BodyKey","api_key":"canary"}"#, "x-connector-auth.key1"),
            (Some("adyen"), r#"{"auth_type":"BodyKey","api_key":"c","key1":"c","key2":"c"}"#, "x-connector-auth.key2"),
            (Some("stripe"), r#"{"auth_type":"HeaderKey","api_key":"c","canary":"c"}"#, "x-connector-auth.*"),
        ] {
            let error = auth(connector, json).unwrap_err();
            assert_eq!((error.kind, error.fields[0].field.as_str()), (Kind::InvalidCredentials, field), "{json}");
            assert!(!error.message.contains("canary"), "{}", error.message);
        }
        let error = auth(Some("stripe"), r#"{"auth_type":"NoKey"}"#).unwrap_err();
        assert!(error.message.contains(r#"{"stripe": {"api_key": …}}"#), "{}", error.message);
    }
}
