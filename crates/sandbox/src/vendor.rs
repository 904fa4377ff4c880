//! What a fake processor is made of: a request, an answer, and how its tokens are used by clients.

use crate::vendor_state::VendorState;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names and values in the order sent; a name may come twice.
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

    /// Whether the name is there, alone or with brackets behind it.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| root(key) == name)
    }
}

/// A form name up to its first bracket.
pub(crate) fn root(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// One request as it reached a fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// The first path segment.
    pub connector: String,
    /// The path after the connector's prefix, without the query.
    pub path: String,
    /// The whole path and query as sent, for fakes that check a signature over it.
    pub target: String,
    /// The query.
    pub query: Pairs,
    /// Headers by lower-case name; of two with one name the last counts.
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

    /// The path, cut at its slashes.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// A header that is there and not empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The content type without its parameters.
    pub fn content_type(&self) -> &str {
        self.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim()
    }

    /// What follows the scheme in `Authorization`.
    fn authorization(&self, scheme: &str) -> Option<&str> {
        let (sent, value) = self.header("authorization")?.split_once(' ')?;
        sent.eq_ignore_ascii_case(scheme).then(|| value.trim())
    }

    /// The bearer token.
    pub fn bearer(&self) -> Option<&str> {
        self.authorization("bearer")
    }

    /// The user and password of Basic authentication.
    pub fn basic(&self) -> Option<(String, String)> {
        let pair = String::from_utf8(BASE64_STANDARD.decode(self.authorization("basic")?).ok()?).ok()?;
        pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The body as a form, bracketed names kept as they are.
    pub fn form(&self) -> Pairs {
        Pairs::parse(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Every credential value: of `Authorization`, and of the named headers and top-level body members.
    fn credentials(&self, names: &[&str]) -> Vec<String> {
        let mut found: Vec<String> = match self.basic() {
            Some((user, password)) => vec![user, password],
            // A scheme in front does no harm: it holds no switch.
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

/// What a fake answers.
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

    /// The same with one header more.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A vendor's answer, or its refusal: `?` leaves a fake with the refusal.
pub type Handled = Result<Answer, Answer>;

/// One fake processor.
pub struct FakeVendor {
    /// The connector's lower-case name, which is its path prefix.
    pub name: &'static str,
    /// Known-good test-mode credentials: what a user puts under the connector's name in `x-connector-auth`.
    pub credentials: &'static str,
    /// Headers (lower-case), form fields and JSON members (a pointer where they are not at the top) that carry credentials
    /// besides `Authorization`.
    pub secrets: &'static [&'static str],
    /// The header that identifies each answer of this vendor, if it has one.
    pub request_id: Option<&'static str>,
    /// The vendor.
    pub serve: fn(&Request, &mut VendorState) -> Handled,
    /// The shape in which the vendor fails with a status.
    pub failure: fn(u16, &mut VendorState) -> Answer,
    /// For each grant, a `connector_feature_data` (without the grant's name) with which a call succeeds.
    pub examples: &'static [(&'static str, &'static str)],
    /// What the holders of its tokens can do, and cannot.
    pub clients: &'static [TokenUse],
}

/// How clients use the token of one grant.
pub struct TokenUse {
    /// The grant.
    pub grant: &'static str,
    /// A call that the token is for.
    pub allowed: fn(&ClientToken) -> ClientCall,
    /// A call that the token must not do.
    pub forbidden: fn(&ClientToken) -> ClientCall,
}

/// What a client got.
#[derive(Debug, Clone, Default)]
pub struct ClientToken {
    /// The token.
    pub token: String,
    /// The public values next to it.
    pub client_parameters: BTreeMap<String, String>,
    /// The caller's reference.
    pub reference: String,
}

impl ClientToken {
    /// The public value that starts like the vendor's ids of one kind, or nothing.
    pub(crate) fn starting(&self, prefix: &str) -> &str {
        self.client_parameters.values().find(|value| value.starts_with(prefix)).map_or("", String::as_str)
    }
}

/// One call that a client makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCall {
    /// What it does, for people.
    pub title: &'static str,
    /// Method.
    pub method: &'static str,
    /// Path with the connector's prefix, and query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

impl ClientCall {
    /// A call without headers and body.
    pub(crate) fn new(title: &'static str, method: &'static str, path: impl Into<String>) -> Self {
        Self { title, method, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.body = value.to_string();
        self.header("content-type", "application/json")
    }
}

/// Members by which vendors refuse with status 200: where, and the values that mean it.
const REFUSALS: &[(&str, &[&str])] =
    &[("/messages/resultCode", &["Error"]), ("/status", &["ERROR"]), ("/body/resultInfo/resultStatus", &["F", "U"])];

/// Whether an answer to a client's call is a refusal: by its status, by `errors` as GraphQL has them, or by a member.
pub fn refused(status: u16, body: &str) -> bool {
    let body: Value = serde_json::from_str(body.trim_start_matches('\u{feff}')).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    status >= 400 || errors || REFUSALS.iter().any(|(at, values)| values.contains(&text(&body, at)))
}

/// The text at a JSON pointer; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, at: &str) -> &'a str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// What a word inside a credential makes a fake do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Fail(u16),
    Slow,
    Garbage,
}

impl Switch {
    fn of(credential: &str) -> Option<Self> {
        let declined =
            credential.split("decline_").nth(1).and_then(|rest| rest.get(..3)).and_then(|it| it.parse().ok());
        match declined {
            Some(status @ 400..=599) => Some(Self::Fail(status)),
            _ if ["wrong", "invalid", "revoked"].iter().any(|word| credential.contains(word)) => Some(Self::Fail(401)),
            _ if credential.contains("slow") => Some(Self::Slow),
            _ if credential.contains("garbage") => Some(Self::Garbage),
            _ => None,
        }
    }
}

impl FakeVendor {
    /// The switch in the credentials; a token that this fake issued is random text and has none.
    pub(crate) fn switch(&self, request: &Request, state: &VendorState) -> Option<Switch> {
        let credentials = request.credentials(self.secrets);
        if credentials.iter().map(String::as_str).chain(request.bearer()).any(|value| state.knows(value)) {
            return None;
        }
        credentials.iter().find_map(|value| Switch::of(value))
    }

    /// The answer to a request: of the switch in its credentials, else of the vendor.
    pub fn answer(&self, request: &Request, state: &mut VendorState) -> Answer {
        let answer = match self.switch(request, state) {
            Some(Switch::Fail(429)) => (self.failure)(429, state).with("retry-after", "7"),
            Some(Switch::Fail(status)) => (self.failure)(status, state),
            Some(Switch::Garbage) => Answer::of(200, "application/json", "{\"id\": \"cut off he".to_owned()),
            Some(Switch::Slow) | None => (self.serve)(request, state).unwrap_or_else(|refusal| refusal),
        };
        match self.request_id {
            Some(name) => answer.with(name, state.fresh("req_", 14)),
            None => answer,
        }
    }
}
