//! No CLIENT token contains a secret of its own call, and none leads a client elsewhere, for any
//! answer of the connector.
//!
//! The tests replace every text in the last reply of every CLIENT grant, and the header with the
//! token. The replacements are hostile texts, and all secrets of the call, alone and inside longer texts: credentials
//! that are not public, secret inputs, and secret headers that were sent (such as a login's token).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use connectors::{Audience, Call, InputKind, Reply, Timestamp};
use daypass::{HttpSend, IssuedToken, TransportError};
use serde_json::Value;
use tokio::time::Instant;

use crate::fixtures_as_calls::{FixtureCall, FixtureReply, call, each_grant, engine};

/// A secret of a call. It is known in advance, or it is the nth secret header that the call sends:
/// a signature differs from call to call.
#[derive(Clone)]
enum Source {
    Known(String),
    Sent(usize),
}

/// A change of the last reply: its nth text becomes the secret, between two other texts.
#[derive(Clone)]
struct Change {
    source: Source,
    around: (&'static str, &'static str),
    nth: usize,
}

/// Answers with the replies of a fixture, changes the last one, and records the secret headers of
/// the calls.
#[derive(Clone)]
struct Replay {
    replies: Arc<Vec<FixtureReply>>,
    token: String,
    change: Option<Change>,
    /// The number of calls, and their secret headers.
    seen: Arc<Mutex<(usize, Vec<String>)>>,
}

impl HttpSend for Replay {
    async fn send(&self, call: Call, sent_at: Timestamp, _: Instant) -> Result<Reply, TransportError> {
        let (calls, sent) = &mut *self.seen.lock().unwrap();
        let secrets = call.headers.values().filter(|value| value.is_sensitive());
        sent.extend(secrets.map(|value| value.to_str().unwrap().split(' ').next_back().unwrap().to_owned()));
        // A refusal due to an earlier request leads to a second exchange, which no fixture has.
        let Some(reply) = self.replies.get(*calls) else { return Err(TransportError::TimedOut) };
        *calls += 1;
        let mut reply = reply.clone();
        match &self.change {
            Some(change) if *calls == self.replies.len() => {
                let secret = match &change.source {
                    Source::Known(secret) => secret,
                    Source::Sent(nth) => &sent[*nth],
                };
                let (before, after) = change.around;
                change_nth(&mut reply, &self.token, change.nth, &format!("{before}{secret}{after}"));
            }
            _ => {}
        }
        let headers = reply.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Ok(Reply { status: reply.status, headers: headers.collect(), body: reply.body.into(), sent_at })
    }
}

/// Every text that the holder of a token sees.
fn shown(issued: &IssuedToken) -> Vec<&str> {
    let token = &issued.token;
    let parameters = token.client_parameters.iter().flat_map(|(name, value)| [name.as_ref(), value.as_str()]);
    let texts = [token.value.expose(), token.token_type.as_str()].into_iter();
    texts.chain(token.scopes.iter().map(String::as_str)).chain(parameters).collect()
}

/// Replaces the nth text of the body. The number after the last text is the token in the headers.
fn change_nth(reply: &mut FixtureReply, token: &str, nth: usize, by: &str) {
    let Some(pointer) = texts_of(&reply.body).into_iter().nth(nth) else {
        reply.headers.iter_mut().for_each(|(_, value)| *value = value.replace(token, by));
        return;
    };
    reply.body = match serde_json::from_slice::<Value>(&reply.body) {
        Ok(mut json) => {
            *json.pointer_mut(&pointer).unwrap() = by.into();
            json.to_string().into_bytes()
        }
        Err(_) => String::from_utf8_lossy(&reply.body).replace(token, by).into_bytes(),
    };
}

/// The JSON pointers of the texts of a body. A body that is not JSON has one pointer.
fn texts_of(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => texts(&json, String::new(), &mut found),
        Err(_) => found.push(String::new()),
    }
    found
}

fn texts(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, item)| texts(item, format!("{at}/{nth}"), found))
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            texts(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }),
        _ => {}
    }
}

/// One call of the fixture, and the secret headers that were sent.
async fn play(fixture: &FixtureCall, change: Option<Change>) -> (Result<IssuedToken, connectors::Error>, Vec<String>) {
    let (replies, token) = (Arc::new(fixture.replies.clone()), fixture.token.clone());
    let replay = Replay { replies, token, change, seen: Arc::default() };
    let outcome = call(&engine(fixture, "http://127.0.0.1:9", &replay, |_| {}), fixture, Duration::from_secs(60)).await;
    let sent = std::mem::take(&mut replay.seen.lock().unwrap().1);
    (outcome.result, sent)
}

/// All secrets of the fixture's call.
fn sources(fixture: &FixtureCall, sent: &[String]) -> Vec<Source> {
    let inputs = fixture.grant.inputs.iter().filter(|input| input.kind == InputKind::Secret);
    let inputs = inputs.filter_map(|input| Some(fixture.case["input"][input.name].as_str()?.to_owned()));
    let public = |text: &str| {
        fixture.credentials.iter().any(|(name, value)| fixture.entry.meta.is_public(name) && *value == text)
    };
    let known = fixture.canaries().into_iter().chain(inputs).map(Source::Known);
    let sent = sent.iter().enumerate().filter(|(_, text)| !public(text)).map(|(nth, _)| Source::Sent(nth));
    known.chain(sent).collect()
}

#[tokio::test]
async fn no_client_token_contains_a_secret_of_its_call() {
    let (mut calls, mut caught, mut refused) = (0, 0, BTreeMap::new());
    for fixture in each_grant().into_iter().filter(|fixture| fixture.grant.audience == Audience::Client) {
        let (straight, sent) = play(&fixture, None).await;
        if let Err(error) = straight {
            panic!("{}: {error:?}", fixture.name);
        }
        let refused = refused.entry((fixture.entry.meta.id, fixture.grant.name)).or_insert(0);
        let last = fixture.replies.last().unwrap();
        let in_header = last.headers.iter().any(|(_, value)| value.contains(&fixture.token));
        let places = texts_of(&last.body).len() + usize::from(in_header);
        for source in sources(&fixture, &sent) {
            // Alone, inside a longer text, and where a URL is expected.
            for around in [("", ""), ("a.", ".b"), ("https://host.example/", "?x=1")] {
                for nth in 0..places {
                    calls += 1;
                    let change = Change { source: source.clone(), around, nth };
                    let (result, sent) = play(&fixture, Some(change)).await;
                    let secret = match &source {
                        Source::Known(secret) => secret,
                        Source::Sent(nth) => &sent[*nth],
                    };
                    match result {
                        Ok(issued) => {
                            let told = shown(&issued).into_iter().find(|text| text.contains(secret.as_str()));
                            assert_eq!(told, None, "{}: a secret is handed out", fixture.name);
                        }
                        Err(error) => {
                            *refused += 1;
                            caught += usize::from(error.message.contains("repeats a credential"));
                        }
                    }
                }
            }
        }
    }
    println!("{calls} calls over {} CLIENT grants, {caught} replies refused for a repeated secret", refused.len());
    // A connector that checks the form of its token (such as a JWT) refuses a secret for its form.
    let blind: Vec<_> = refused.iter().filter(|(_, refused)| **refused == 0).map(|(grant, _)| *grant).collect();
    assert!(blind.is_empty(), "no changed reply of these grants was refused: {blind:?}");
    assert!(caught > calls / 10, "the check itself was reached {caught} times");
}

/// Texts in the place of each text of the last reply: URLs that lead elsewhere, and control
/// characters. `true`: also where no document names the domains of the connector's URLs.
const HOSTILE: [(&str, bool); 6] = [
    ("http://hostile.test/x", true),
    ("https://hostile.test/x", false),
    ("https://hostile.test@user.test/x", true),
    (" javascript:hostile.test", true),
    ("data:text/html,hostile.test", true),
    ("hostile.test\u{7}x", true),
];

#[tokio::test]
async fn no_client_value_leads_elsewhere_or_has_control_characters() {
    let (mut calls, mut caught) = (0, 0);
    for fixture in each_grant().into_iter().filter(|fixture| fixture.grant.audience == Audience::Client) {
        let last = fixture.replies.last().unwrap();
        for (hostile, anywhere) in HOSTILE {
            let is_url = hostile.contains(':');
            if !anywhere && fixture.grant.url_domains.is_none() {
                continue;
            }
            for nth in 0..texts_of(&last.body).len() {
                calls += 1;
                let change = Change { source: Source::Known(hostile.into()), around: ("", ""), nth };
                match play(&fixture, Some(change)).await.0 {
                    Ok(issued) => {
                        // Scopes are names, and some of those are URLs.
                        let scopes = &issued.token.scopes;
                        let told = shown(&issued).into_iter().find(|text| {
                            text.trim() == hostile.trim() && !(is_url && scopes.iter().any(|scope| scope == text))
                        });
                        assert_eq!(told, None, "{}", fixture.name);
                    }
                    Err(error) => {
                        caught += usize::from(
                            error.message.contains("leads clients elsewhere")
                                || error.message.contains("control characters"),
                        );
                    }
                }
            }
        }
    }
    println!("{calls} calls, {caught} replies refused for the form of a value");
    assert!(caught > 500, "the check itself was reached {caught} times in {calls} calls");
}

/// A key of another account, which is no secret of this call: its shape alone tells.
#[tokio::test]
async fn no_client_value_has_the_shape_of_a_full_power_key() {
    let (mut caught, mut blind) = (0, Vec::new());
    let is_told_by_shape =
        |fixture: &FixtureCall| fixture.grant.audience == Audience::Client && !fixture.grant.begins_as_keys;
    for fixture in each_grant().into_iter().filter(is_told_by_shape) {
        let prefixes = fixture.entry.meta.credentials.iter().flat_map(|field| field.key_prefixes);
        for prefix in prefixes {
            let key = format!("{prefix}{}", "k3yOfAn0therAcc0unt".repeat(4));
            let last = fixture.replies.last().unwrap();
            let caught_before = caught;
            for around in [("", ""), ("a.", ".b"), ("https://host.example/", "?x=1")] {
                for nth in 0..texts_of(&last.body).len() {
                    let change = Change { source: Source::Known(key.clone()), around, nth };
                    match play(&fixture, Some(change)).await.0 {
                        Ok(issued) => {
                            let told = shown(&issued).into_iter().find(|text| text.contains(&key));
                            assert_eq!(told, None, "{}", fixture.name);
                        }
                        Err(error) => caught += usize::from(error.message.contains("a key with full power")),
                    }
                }
            }
            if caught == caught_before {
                blind.push(format!("{} {prefix}", fixture.name));
            }
        }
    }
    println!("{caught} replies refused");
    assert!(blind.is_empty(), "never refused: {blind:?}");
    assert!(caught > 100, "{caught}");
}
