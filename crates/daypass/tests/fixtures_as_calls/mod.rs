//! The connectors' fixtures as calls of the engine, for tests against a local server.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use connectors::{Audience, CONNECTORS, Error, Grant, Registration, Timestamp};
use daypass::{
    CallReport, Clock, ConnectSettings, ConnectorSettings, Egress, Engine, HttpSend, IncomingRequest, IssuedToken,
    Keyring, ManualClock, MemoryStore, RawCredentials, Settings, Transport, TransportError,
};
use serde_json::{Map, Value, json};

use crate::fault_server::{Act, reply};

/// The time of the fixtures, unless a fixture says otherwise.
const NOW: i64 = 1_767_225_600;

/// One documented call.
#[derive(Clone)]
pub(crate) struct FixtureCall {
    pub name: String,
    pub entry: &'static Registration,
    pub grant: &'static Grant,
    pub credentials: Map<String, Value>,
    pub case: Value,
    /// Status, headers and body of each reply.
    pub replies: Vec<FixtureReply>,
    pub token: String,
}

/// One reply of a fixture.
#[derive(Clone)]
pub(crate) struct FixtureReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl FixtureReply {
    fn read(value: &Value) -> Self {
        let headers = value["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let body = match &value["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => serde_json::to_vec(json).unwrap(),
        };
        Self { status: u16::try_from(value["status"].as_u64().unwrap()).unwrap(), headers, body }
    }

    /// The same with another body.
    pub(crate) fn with_body(&self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.clone() }
    }

    pub(crate) fn header_pairs(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        reply(self.status, &self.header_pairs(), &self.body)
    }
}

impl FixtureCall {
    /// Values that no error may contain: every credential that is not public.
    pub(crate) fn canaries(&self) -> Vec<String> {
        let fields = self.entry.meta.credentials.iter().filter(|field| !field.public);
        fields.filter_map(|field| self.credentials.get(field.name)?.as_str()).map(ToOwned::to_owned).collect()
    }

    /// Whether the token comes in the last reply's body, and not in a header.
    pub(crate) fn token_is_in_body(&self) -> bool {
        let body = String::from_utf8_lossy(&self.replies.last().unwrap().body).into_owned();
        body.contains(self.token.split(['.', '"', '\\']).next().unwrap())
    }

    /// The acts of the server: all replies except the last one, and then `last` for every further
    /// request.
    pub(crate) fn until_last(&self, last: Vec<Act>) -> Vec<Vec<Act>> {
        let (_, before) = self.replies.split_last().unwrap();
        before.iter().map(|reply| vec![Act::Send(reply.bytes())]).chain([last]).collect()
    }

    fn settings(&self, base: &str) -> Settings {
        let mut settings = Settings::default();
        let base_urls = ["base_url", "test_base_url"].map(|key| (key.to_owned(), base.to_owned())).into();
        let of = ConnectorSettings { base_urls, ..ConnectorSettings::default() };
        settings.connectors.insert(self.entry.meta.id.to_owned(), of);
        settings.policy.client_token_max_seconds = daypass::Policy::NO_LIMIT;
        settings
    }

    fn feature_data(&self) -> String {
        let mut data = self.case["input"].as_object().cloned().unwrap_or_default();
        data.insert("grant".into(), self.grant.name.into());
        if self.grant.audience == Audience::Server {
            data.insert("audience".into(), "server".into());
        }
        for key in ["scopes", "ttl_seconds"] {
            if !self.case[key].is_null() {
                data.insert(key.into(), self.case[key].clone());
            }
        }
        Value::Object(data).to_string()
    }
}

/// Every documented success of every connector of the list.
pub(crate) fn successes() -> Vec<FixtureCall> {
    CONNECTORS
        .iter()
        .flat_map(cases)
        .filter(|fixture| !fixture.token.is_empty() && !fixture.replies.is_empty())
        .collect()
}

/// The shortest success of each connector that makes a call.
pub(crate) fn one_each() -> Vec<FixtureCall> {
    let size = |fixture: &FixtureCall| fixture.replies.iter().map(|reply| reply.body.len() + 1_000).sum::<usize>();
    let all = successes();
    let of = |entry: &Registration| {
        all.iter().filter(|fixture| fixture.entry.meta.id == entry.meta.id).min_by_key(|it| size(it))
    };
    CONNECTORS.iter().filter_map(of).cloned().collect()
}

/// The shortest success of each grant that makes a call.
pub(crate) fn each_grant() -> Vec<FixtureCall> {
    let mut found: Vec<FixtureCall> = Vec::new();
    let mut all = successes();
    all.sort_by_key(|fixture| fixture.replies.iter().map(|reply| reply.body.len()).sum::<usize>());
    for fixture in all {
        let same = |it: &FixtureCall| it.entry.meta.id == fixture.entry.meta.id && it.grant.name == fixture.grant.name;
        if !found.iter().any(same) {
            found.push(fixture);
        }
    }
    found
}

/// Every documented refusal that came with a reply.
pub(crate) fn refusals() -> Vec<FixtureCall> {
    let all = CONNECTORS.iter().flat_map(cases);
    all.filter(|fixture| fixture.case["expect"]["error"].is_object() && !fixture.replies.is_empty()).collect()
}

fn cases(entry: &'static Registration) -> Vec<FixtureCall> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/fixtures").join(entry.meta.id);
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let credentials = read(&folder.join("credentials.json"));
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .filter(|path| path.is_file())
        .filter_map(|path| {
            let case = read(&path);
            // Only a case names a grant; the other files of the folder do not.
            let grant = entry.meta.grants.iter().find(|grant| grant.name == case["grant"])?;
            let mut credentials = credentials.as_object().unwrap().clone();
            credentials.extend(case["credentials"].as_object().cloned().unwrap_or_default());
            Some(FixtureCall {
                name: format!("{}/{}", entry.meta.id, path.file_stem().unwrap().to_str().unwrap()),
                entry,
                grant,
                credentials,
                replies: case["replies"].as_array().into_iter().flatten().map(FixtureReply::read).collect(),
                token: case["expect"]["token"]["access_token"].as_str().unwrap_or_default().to_owned(),
                case,
            })
        })
        .collect()
}

/// A transport that several engines use.
#[derive(Clone)]
pub(crate) struct Shared(pub Arc<Transport>);

impl Shared {
    pub(crate) fn new(connect_timeout: Duration, authority: Option<&str>) -> Self {
        Self::with_idle(None, connect_timeout, authority)
    }

    /// A transport with a bound of idle connections.
    pub(crate) fn with_idle(
        max_idle_per_host: Option<usize>,
        connect_timeout: Duration,
        authority: Option<&str>,
    ) -> Self {
        let operator_hosts = HashSet::from(["localhost".to_owned()]);
        let connect =
            ConnectSettings { default_timeout: connect_timeout, operator_hosts, ..ConnectSettings::default() };
        let egress = Egress { connect, max_idle_per_host, ..Egress::default() };
        Self(Arc::new(Transport::new(egress, authority.map(str::as_bytes)).unwrap()))
    }
}

impl HttpSend for Shared {
    async fn send(
        &self,
        call: connectors::Call,
        sent_at: Timestamp,
        deadline: tokio::time::Instant,
    ) -> Result<connectors::Reply, TransportError> {
        self.0.send(call, sent_at, deadline).await
    }
}

/// The outcome of a call.
pub(crate) struct Outcome {
    pub result: Result<IssuedToken, Error>,
    pub report: CallReport,
    pub took: Duration,
}

/// An engine at the time of a fixture, with `base` as the base URL of its connector.
pub(crate) fn engine<V: HttpSend + Clone>(
    fixture: &FixtureCall,
    base: &str,
    transport: &V,
    change: impl FnOnce(&mut Settings),
) -> Arc<Engine<V>> {
    let mut settings = fixture.settings(base);
    change(&mut settings);
    let now = fixture.case["now"].as_i64().unwrap_or(NOW);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_ms(now * 1000));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    Arc::new(Engine::new(settings, transport.clone(), clock, store, Keyring::ephemeral().unwrap()))
}

/// One call of a fixture, under a reference of its own.
pub(crate) async fn call<V: HttpSend>(engine: &Engine<V>, fixture: &FixtureCall, time: Duration) -> Outcome {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let reference = match fixture.case["reference"].as_str() {
        Some(reference) if reference.len() <= 255 => reference.to_owned(),
        _ => format!("tok_{}", CALLS.fetch_add(1, Ordering::Relaxed)),
    };
    let credentials = json!({fixture.entry.meta.id: fixture.credentials}).to_string();
    let (metadata, data) = (fixture.case["metadata"].clone(), fixture.feature_data());
    let metadata = if metadata.is_null() { None } else { Some(metadata.to_string()) };
    let request = IncomingRequest {
        of_session: false,
        reference: &reference,
        connector: Some(fixture.entry.meta.id),
        header_connector: None,
        credentials: RawCredentials::parse(credentials.as_bytes()).map(Some),
        profile: None,
        metadata: metadata.as_deref(),
        feature_data: Some(&data),
        test_mode: Some(fixture.case["mode"] != "live"),
        server_token: false,
        fresh: true,
        wanted_left: None,
        caller: None,
    };
    let mut report = CallReport::default();
    let began = Instant::now();
    let result = engine.create_access_token(request, tokio::time::Instant::now() + time, &mut report).await;
    Outcome { result, report, took: began.elapsed() }
}
