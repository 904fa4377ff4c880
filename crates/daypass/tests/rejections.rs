//! A remembered rejection answers the call that was rejected, and no other one.
//!
//! For each grant, a call is rejected by a connector that rejects everything. Then each input that the
//! call had is changed alone: the changed call must reach the connector.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use connectors::{Call, Input, InputKind, Kind, Reply, Timestamp};
use daypass::{CallReport, Engine, HttpSend, IncomingRequest, RawCredentials, TransportError};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fixtures_as_calls::{FixtureCall, each_grant, engine};

/// Rejects the credentials of each call.
#[derive(Clone, Default)]
struct Rejecting(Arc<AtomicUsize>);

impl HttpSend for Rejecting {
    async fn send(&self, _: Call, sent_at: Timestamp, _: Instant) -> Result<Reply, TransportError> {
        self.0.fetch_add(1, SeqCst);
        Ok(Reply { status: 401, headers: http::HeaderMap::new(), body: "{}".into(), sent_at })
    }
}

/// The kind of the error of a call of the fixture with these inputs.
async fn ask(engine: &Engine<Rejecting>, fixture: &FixtureCall, inputs: &Value, reference: &str) -> Kind {
    let credentials = json!({fixture.entry.meta.id: fixture.credentials}).to_string();
    let mut data = inputs.clone();
    data["grant"] = fixture.grant.name.into();
    data["audience"] = fixture.grant.audience.label().into();
    let data = data.to_string();
    let request = IncomingRequest {
        of_session: false,
        reference,
        connector: Some(fixture.entry.meta.id),
        header_connector: None,
        credentials: RawCredentials::parse(credentials.as_bytes()).map(Some),
        profile: None,
        metadata: None,
        feature_data: Some(&data),
        test_mode: Some(fixture.case["mode"] != "live"),
        server_token: false,
        fresh: false,
        wanted_left: None,
        caller: None,
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    engine.create_access_token(request, deadline, &mut CallReport::default()).await.unwrap_err().kind
}

/// Another value that the input's form allows.
fn another(input: &Input, value: &Value) -> Option<Value> {
    match (input.kind, value) {
        (InputKind::OneOf(accepted), Value::String(text)) => {
            accepted.iter().find(|other| **other != text).map(|other| json!(other))
        }
        (InputKind::Flag, Value::Bool(flag)) => Some(json!(!flag)),
        (InputKind::Text(_) | InputKind::Digits(_) | InputKind::Label | InputKind::Secret, Value::String(text)) => {
            let last = if text.ends_with('1') { "2" } else { "1" };
            let all_but_last: String = text.chars().take(text.chars().count() - 1).collect();
            Some(format!("{all_but_last}{last}").into())
        }
        (InputKind::Integer(..) | InputKind::MinorUnits(..), Value::Number(number)) => {
            Some(json!(number.as_i64()? + 1))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_wrong_input_of_one_call_does_not_refuse_another_call() {
    let (mut grants, mut changed, mut blamed) = (0, 0, Vec::new());
    for fixture in each_grant() {
        let rejecting = Rejecting::default();
        let calls = || rejecting.0.load(SeqCst);
        let engine = engine(&fixture, "http://127.0.0.1:9", &rejecting, |_| {});
        let mut inputs = fixture.case["input"].clone();
        if inputs.is_null() {
            inputs = json!({});
        }
        if ask(&engine, &fixture, &inputs, "first").await != Kind::CredentialsRejected {
            continue;
        }
        grants += 1;
        let before = calls();
        assert_eq!(ask(&engine, &fixture, &inputs, "again").await, Kind::CredentialsRejected, "{}", fixture.name);
        assert_eq!(calls(), before, "{}: the same call is answered from memory", fixture.name);
        for input in fixture.grant.inputs {
            let Some(other) = inputs.get(input.name).and_then(|value| another(input, value)) else { continue };
            let mut inputs = inputs.clone();
            inputs[input.name] = other;
            let before = calls();
            if ask(&engine, &fixture, &inputs, input.name).await == Kind::CredentialsRejected {
                changed += 1;
                if calls() == before {
                    blamed.push(format!("{}: {}", fixture.name, input.name));
                }
            }
        }
    }
    println!("{grants} grants, {changed} calls with another input");
    assert!(blamed.is_empty(), "answered with another call's rejection: {blamed:?}");
    assert!(grants > 60 && changed > 100, "{grants} grants, {changed} changed calls");
}
