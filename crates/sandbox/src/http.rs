//! A request as a fake reads it, and the answer that it gives: plain values, no sockets.
//!
//! Every fake and the sandbox's own paths use it; it uses nothing of this crate.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::Value;

/// Names and values in the order sent; a name may occur twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl Pairs {
    fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The last value of that exact name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the name occurs, alone or followed by brackets.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| root(key) == name)
    }
}

/// A form name up to its first bracket.
pub(crate) fn root(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// One request to a fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// The first path segment.
    pub connector: String,
    /// The path after the connector's prefix, without the query.
    pub path: String,
    /// The path and query as sent, for fakes that check a signature over them.
    pub target: String,
    /// The query.
    pub query: Pairs,
    /// Headers by lower-case name; the last one of a name counts.
    pub headers: BTreeMap<String, String>,
    /// The body as sent.
    pub body: Bytes,
}

impl Request {
    /// A request from its parts; `target` is the path with the connector's prefix, and the query.
    pub fn new(method: &str, target: &str, headers: Vec<(String, String)>, body: impl Into<Bytes>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let (connector, path) = path.split_once('/').unwrap_or((path, ""));
        Self {
            method: method.to_owned(),
            connector: connector.to_owned(),
            path: format!("/{path}"),
            target: target.to_owned(),
            query: Pairs::parse(query.as_bytes()),
            headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            body: body.into(),
        }
    }

    /// The segments of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// A header, if it is not empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The content type without its parameters.
    pub fn content_type(&self) -> &str {
        self.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim()
    }

    /// The credentials after the scheme in `Authorization` (RFC 9110 section 11.4).
    fn authorization(&self, scheme: &str) -> Option<&str> {
        let (sent, value) = self.header("authorization")?.split_once(' ')?;
        sent.eq_ignore_ascii_case(scheme).then(|| value.trim())
    }

    /// The bearer token.
    pub fn bearer(&self) -> Option<&str> {
        self.authorization("bearer")
    }

    /// The user and password of Basic authentication (RFC 7617).
    pub fn basic(&self) -> Option<(String, String)> {
        let pair = String::from_utf8(BASE64_STANDARD.decode(self.authorization("basic")?).ok()?).ok()?;
        pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The body as a form; names keep their brackets.
    pub fn form(&self) -> Pairs {
        Pairs::parse(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The credentials in `Authorization`, and in the named headers, form fields and JSON members.
    pub(crate) fn credentials(&self, names: &[&str]) -> Vec<String> {
        let mut found: Vec<String> = match self.basic() {
            Some((user, password)) => vec![user, password],
            // The value keeps its scheme: no scheme contains a switch.
            None => self.header("authorization").map(|value| vec![value.to_owned()]).unwrap_or_default(),
        };
        let form = self.content_type() == "application/x-www-form-urlencoded";
        let form = if form { self.form() } else { Pairs::default() };
        let json = if names.is_empty() { None } else { self.json() }.unwrap_or_default();
        for name in names {
            let values = [
                self.header(name),
                form.value(name),
                json.get(name).or_else(|| json.pointer(name)).and_then(Value::as_str),
            ];
            found.extend(values.into_iter().flatten().map(str::to_owned));
        }
        found
    }
}

/// One answer of a fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

impl Answer {
    /// A JSON answer.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::of(status, "application/json", value.to_string())
    }

    /// A plain text answer.
    pub fn text(status: u16, text: &str) -> Self {
        Self::of(status, "text/plain", text.to_owned())
    }

    /// An answer of another content type.
    pub fn of(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body }
    }

    /// Status 200 and a broken body.
    pub(crate) fn garbage() -> Self {
        Self::of(200, "application/json", "{\"id\": \"cut off he".to_owned())
    }

    /// The same answer with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A vendor's answer, or its refusal as the error, so that `?` returns the refusal.
pub type Handled = Result<Answer, Answer>;

/// The text at a JSON pointer (RFC 6901); empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, at: &str) -> &'a str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}
