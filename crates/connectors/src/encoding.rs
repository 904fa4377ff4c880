//! Text forms of bytes and JSON: base64, JWT claims, lookups in JSON answers.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Standard base64 with padding (RFC 4648 section 4).
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of standard base64 with padding, `None` where the text is not that.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// URL-safe base64 without padding (RFC 4648 section 5).
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of URL-safe base64 without padding (RFC 4648 section 5), `None` where the text is not
/// that.
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// A JSON object without the members that are null or an empty object, so that absent inputs are
/// not sent.
pub(crate) fn sparse(mut body: Value) -> Value {
    if let Value::Object(members) = &mut body {
        members.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty()));
    }
    body
}

/// A `snake_case` name in `camelCase`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or_default();
        text + &initial.to_ascii_uppercase() + rest
    })
}

/// The claims of a JWT (RFC 7519 section 7.2). The signature is not checked: the JWT came over TLS
/// from the connector that made it.
///
/// # Errors
/// [`crate::Kind::BadReply`] where the text is not a JWT whose claims have the wanted shape.
pub fn jwt_claims<T: DeserializeOwned>(jwt: &str) -> Result<T> {
    let mut parts = jwt.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Error::bad_reply("the connector's token is not a JWT"));
    };
    base64url_decode(claims)
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Error::bad_reply("the claims of the connector's JWT cannot be read"))
}

/// Reads a member of a reply that may be absent: `null` is the same as absent. `serde(default)` alone
/// refuses `null`, which connectors send for an empty list or a text that is not there.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a member of a reply that the token does not depend on: `null` and a value of another type
/// are the same as absent. Not for expiries: one that is there and cannot be read is an error.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
    Ok(serde_json::from_value::<Option<T>>(value).ok().flatten().unwrap_or_default())
}

/// The text at a JSON pointer (RFC 6901); `None` where there is no text.
pub(crate) fn text_at<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str)
}

/// A text of the connector's answer, for the next call or the client, which must not be empty.
///
/// # Errors
/// [`crate::Kind::BadReply`] where it is blank.
pub(crate) fn not_blank<T: AsRef<str>>(text: T) -> Result<T> {
    if text.as_ref().trim().is_empty() {
        return Err(Error::bad_reply("the connector's answer has an empty text where its document has an id"));
    }
    Ok(text)
}

/// The words of a list of faults in an answer. Each fault is a text, or an object whose `members`
/// hold the words.
pub(crate) fn faults_at(answer: &Value, pointer: &str, members: &[&str]) -> Option<String> {
    let words = |fault: &Value| match fault.as_str() {
        Some(text) => text.to_owned(),
        None => members.iter().filter_map(|name| fault.get(*name)?.as_str()).collect::<Vec<_>>().join(": "),
    };
    let faults: Vec<String> = answer.pointer(pointer)?.as_array()?.iter().map(words).collect();
    Some(faults.join("; ")).filter(|text| !text.is_empty())
}
