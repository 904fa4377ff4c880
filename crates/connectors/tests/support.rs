//! Reads `fixtures/<connector>/*.json` and plays them. An exchange has all its replies in advance,
//! so no time passes and nothing is sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connectors::{
    Call, Error, Exchange, Expiry, Grant, Host, Inputs, Mode, Nonce, Registration, Reply, Result, Step, Timestamp,
    Token, find,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The files of a connector's fixtures that are no cases.
const NOT_CASES: [&str; 5] = ["backend.json", "checked_form.json", "credentials.json", "modes.json", "spec.json"];

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600;
const IDEMPOTENCY_KEY: &str = "00000000-0000-4000-8000-000000000001";
const NONCE: Nonce = Nonce([7; 32]);

/// One conversation with a vendor, and its expected outcome. A missing member is empty or has the
/// default that is documented here.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub grant: String,
    /// `test` (the default) or `live`.
    pub mode: Option<String>,
    /// `tok_1` by default.
    pub reference: Option<String>,
    /// Fields that replace those of `credentials.json`.
    #[serde(default)]
    pub credentials: Map<String, Value>,
    /// `connector_feature_data` without the keys that all grants share.
    #[serde(default)]
    pub input: Map<String, Value>,
    #[serde(default)]
    pub scopes: Vec<String>,
    pub ttl_seconds: Option<i64>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Epoch seconds; [`NOW`] by default.
    pub now: Option<i64>,
    pub idempotency_key: Option<String>,
    #[serde(default)]
    pub replies: Vec<Answer>,
    /// The exact calls that the case makes. `None` leaves them unchecked.
    pub calls: Option<Vec<ExpectedCall>>,
    pub expect: Option<Expect>,
    /// The SDK that sent the call (recorded requests only).
    pub recorded: Option<String>,
    /// Members of the recorded call that have another name in ours, with an equal value.
    #[serde(default)]
    pub renamed: BTreeMap<String, String>,
    /// Members that differ between the recorded call and ours, each with the reason.
    #[serde(default)]
    pub differs: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A text is sent as it is, anything else as JSON.
    pub body: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedCall {
    pub method: String,
    pub url: String,
    /// The headers to compare, with names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub form: Option<BTreeMap<String, String>>,
    pub json: Option<Value>,
    pub body: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expect {
    Token(ExpectedToken),
    Error(ExpectedError),
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedToken {
    pub access_token: String,
    pub token_type: String,
    /// Epoch seconds, `until_used` or `unpublished`.
    pub expires_at: Value,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub client_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub server_parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedError {
    pub kind: String,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub reason: Option<String>,
    pub fields: Vec<String>,
}

impl From<&Token> for ExpectedToken {
    fn from(token: &Token) -> Self {
        Self {
            access_token: token.value.expose().into(),
            token_type: token.token_type.clone(),
            expires_at: match token.earliest_epoch() {
                Some(moment) => moment.into(),
                None if token.expiry == Expiry::UntilUsed => "until_used".into(),
                None => "unpublished".into(),
            },
            scopes: token.scopes.clone(),
            client_parameters: token.client_parameters.iter().map(|(k, v)| (k.to_string(), v.clone())).collect(),
            server_parameters: token
                .server_parameters
                .iter()
                .map(|(k, v)| (k.to_string(), v.expose().into()))
                .collect(),
        }
    }
}

impl From<&Error> for ExpectedError {
    fn from(error: &Error) -> Self {
        let refusal = error.refusal.clone();
        Self {
            kind: error.kind.label().into(),
            status: refusal.as_ref().map(|refusal| refusal.status),
            code: refusal.as_ref().and_then(|refusal| refusal.code.clone()),
            message: refusal.as_ref().and_then(|refusal| refusal.message.clone()),
            reason: refusal.and_then(|refusal| refusal.reason),
            fields: error.fields.iter().map(|violation| violation.field.clone()).collect(),
        }
    }
}

impl Answer {
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            status: self.status,
            headers: self.headers.iter().map(|(name, value)| (header_name(name), header_value(value))).collect(),
            body: match &self.body {
                None => Vec::new(),
                Some(Value::String(text)) => text.clone().into_bytes(),
                Some(json) => serde_json::to_vec(json).unwrap(),
            }
            .into(),
            sent_at: Timestamp::from_second(NOW).unwrap(),
        }
    }
}

fn header_name(name: &str) -> HeaderName {
    name.parse().unwrap()
}

fn header_value(value: &str) -> HeaderValue {
    value.parse().unwrap()
}

impl ExpectedCall {
    /// Compares a call with this one: the method, the URL, the named headers, the body.
    pub(crate) fn compare(&self, call: &Call, context: &str) {
        assert_eq!(call.method.as_str(), self.method, "{context}: method");
        assert_eq!(call.uri.to_string(), self.url, "{context}: URL");
        let headers = text_headers(&call.headers);
        for (name, value) in &self.headers {
            assert_eq!(headers.get(name), Some(value), "{context}: header {name}");
        }
        if let Some(form) = &self.form {
            assert_eq!(&form_of(&call.body), form, "{context}: form");
        }
        if let Some(json) = &self.json {
            assert_eq!(&serde_json::from_slice::<Value>(&call.body).unwrap(), json, "{context}: JSON");
        }
        if let Some(body) = &self.body {
            assert_eq!(std::str::from_utf8(&call.body).unwrap(), body, "{context}: body");
        }
    }
}

pub(crate) fn text_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

/// The pairs of a form. No form has a name twice, because the comparison would not see the first
/// value.
pub(crate) fn form_of(body: &[u8]) -> BTreeMap<String, String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let form: BTreeMap<String, String> = pairs.iter().cloned().collect();
    assert_eq!(form.len(), pairs.len(), "a form has a name twice");
    form
}

/// A case with its connector, credentials and hosts.
#[derive(Clone)]
pub(crate) struct Scene {
    pub name: String,
    pub entry: &'static Registration,
    pub case: Case,
    /// `credentials.json`, in which the fields of the case replace others.
    pub credentials: Map<String, Value>,
    /// Replaces the vendor's hosts.
    pub bases: Option<Vec<String>>,
}

/// The calls that were made, and their outcome. `end` is `None` if the step needs another reply.
pub(crate) struct Played {
    pub calls: Vec<Call>,
    pub end: Option<Result<Token>>,
}

impl Scene {
    pub(crate) fn mode(&self) -> Mode {
        match self.case.mode.as_deref() {
            None | Some("test") => Mode::Test,
            Some("live") => Mode::Live,
            Some(other) => panic!("{}: no such mode: {other}", self.name),
        }
    }

    pub(crate) fn grant(&self) -> &'static Grant {
        let named = self.entry.meta.grants.iter().find(|grant| grant.name == self.case.grant);
        named.unwrap_or_else(|| panic!("{}: no such grant", self.name))
    }

    pub(crate) fn succeeds(&self) -> bool {
        matches!(self.case.expect, Some(Expect::Token(_)))
    }

    pub(crate) fn replies(&self) -> Vec<Reply> {
        self.case.replies.iter().map(Answer::reply).collect()
    }

    pub(crate) fn inputs(&self) -> Result<Inputs> {
        let case = &self.case;
        Inputs::check(self.grant(), case.input.clone(), case.scopes.clone(), case.ttl_seconds, &case.metadata)
    }

    pub(crate) fn play(&self) -> Played {
        self.play_with(&self.replies())
    }

    pub(crate) fn play_with(&self, replies: &[Reply]) -> Played {
        let mut calls = Vec::new();
        let end = self.converse(replies, &mut calls).transpose();
        Played { calls, end }
    }

    fn converse(&self, replies: &[Reply], calls: &mut Vec<Call>) -> Result<Option<Token>> {
        let bound = self.entry.bind(&self.credentials)?;
        let input = self.inputs()?;
        let hosts = |mode| self.entry.meta.hosts.iter().map(|host: &Host| host.of(mode).to_owned()).collect();
        let bases = self.bases.clone().unwrap_or_else(|| hosts(self.mode()));
        for count in 0..=replies.len() {
            let exchange = Exchange {
                grant: self.grant(),
                mode: self.mode(),
                hosts: self.entry.meta.hosts,
                bases: &bases,
                reference: self.case.reference.as_deref().unwrap_or("tok_1"),
                input: &input,
                now: Timestamp::from_second(self.case.now.unwrap_or(NOW)).unwrap(),
                began: Timestamp::from_second(self.case.now.unwrap_or(NOW)).unwrap(),
                nonce: NONCE,
                generation: 0,
                idempotency_key: self.case.idempotency_key.as_deref().unwrap_or(IDEMPOTENCY_KEY),
                replies: &replies[..count],
            };
            match bound.step(&exchange)? {
                Step::Call(call) => calls.push(call),
                Step::Done(token) => return Ok(Some(token)),
            }
        }
        Ok(None)
    }
}

/// Every case of every connector.
pub(crate) fn scenes() -> Vec<Scene> {
    read("")
}

/// Every recorded request of every connector.
pub(crate) fn recordings() -> Vec<Scene> {
    read("recorded")
}

fn read(folder: &str) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for connector in files(&fixtures()).into_iter().filter(|path| path.is_dir()) {
        let id = connector.file_name().unwrap().to_str().unwrap();
        let entry = find(id).unwrap_or_else(|| panic!("fixtures/{id} belongs to no connector of the list"));
        let credentials = credentials(entry);
        for path in files(&connector.join(folder)) {
            let file = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() || NOT_CASES.contains(&file) {
                continue;
            }
            let name = path.strip_prefix(fixtures()).unwrap().display().to_string();
            let case: Case = serde_json::from_slice(&bytes(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut credentials = credentials.clone();
            credentials.extend(case.credentials.clone());
            scenes.push(Scene { name, entry, case, credentials, bases: None });
        }
    }
    scenes
}

/// JSON pointers to the members of replies that are the backend's, by the vendor's documents.
pub(crate) fn backend_members(entry: &Registration) -> Vec<String> {
    let path = fixtures().join(entry.meta.id).join("backend.json");
    match path.exists() {
        true => serde_json::from_slice(&bytes(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        false => Vec::new(),
    }
}

/// The made-up credentials of a connector's fixtures.
pub(crate) fn credentials(entry: &Registration) -> Map<String, Value> {
    let path = fixtures().join(entry.meta.id).join("credentials.json");
    serde_json::from_slice(&bytes(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Credentials, and the mode that their form shows, if it shows one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Modes {
    pub credentials: Map<String, Value>,
    pub mode: Option<String>,
}

/// The rows of `modes.json` for a connector whose keys show the mode. Other connectors have none.
pub(crate) fn modes(entry: &Registration) -> Vec<Modes> {
    let path = fixtures().join(entry.meta.id).join("modes.json");
    match path.exists() {
        true => serde_json::from_slice(&bytes(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        false => Vec::new(),
    }
}

/// The extract of the vendor's document, if the vendor publishes one.
pub(crate) fn spec(entry: &Registration) -> Option<Vec<u8>> {
    let path = fixtures().join(entry.meta.id).join("spec.json");
    path.exists().then(|| bytes(&path))
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The entries of a folder, sorted by path. A missing folder has no entries.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[expect(clippy::disallowed_methods, reason = "the tests read files, connectors do not")]
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
