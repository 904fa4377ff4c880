//! Laws that hold for every connector of the list, for any input of the caller, the operator or the
//! vendor.

use connectors::{Call, Expiry, InputKind, Lifetime, Reply};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use crate::support::{Expect, NOW, Played, Scene, scenes};

fn successes() -> Vec<Scene> {
    scenes().into_iter().filter(Scene::succeeds).collect()
}

/// Checks a token, if there is one: it is not empty, and it has no control characters.
pub(crate) fn check_token(played: &Played, context: &str) {
    if let Some(Ok(token)) = &played.end {
        let value = token.value.expose();
        assert!(!value.trim().is_empty() && !value.chars().any(char::is_control), "{context}: {value:?}");
        assert!(!token.token_type.is_empty(), "{context}: no token type");
    }
}

// ---- any reply of the vendor

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![
            "",
            " ",
            "\u{0}",
            "\n",
            "a.b.c",
            "..",
            "é",
            "9999-12-31T23:59:59Z",
            "-1",
            "e30.e30.e30",
            "Z29sZGVu"
        ])
        .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[derive(Clone, Debug)]
enum Change {
    Body(Vec<u8>),
    Json(Value),
    /// One member of the documented answer, at any depth, becomes something else or goes away.
    Member(Index, Option<Value>),
    Cut(Index),
    Status(u16),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Change::Body),
        1 => any_json().prop_map(Change::Json),
        5 => (any::<Index>(), prop::option::of(any_json())).prop_map(|(at, value)| Change::Member(at, value)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => select(vec![0, 100, 204, 301, 308, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599, 999]).prop_map(Change::Status),
    ]
}

impl Change {
    fn apply(&self, reply: &mut Reply) {
        match self {
            Self::Body(bytes) => reply.body = bytes.clone().into(),
            Self::Json(json) => reply.body = serde_json::to_vec(json).unwrap().into(),
            Self::Status(status) => reply.status = *status,
            Self::Cut(at) => reply.body = reply.body.slice(..at.index(reply.body.len() + 1)),
            Self::Member(at, value) => {
                let Ok(mut json) = serde_json::from_slice::<Value>(&reply.body) else { return };
                let mut pointers = Vec::new();
                collect_pointers(&json, String::new(), &mut pointers);
                if pointers.is_empty() {
                    return;
                }
                let (parent, name) = at.get(&pointers).rsplit_once('/').unwrap();
                match (json.pointer_mut(parent), value) {
                    (Some(Value::Object(members)), None) => drop(members.remove(name)),
                    (Some(Value::Object(members)), Some(value)) => drop(members.insert(name.into(), value.clone())),
                    (Some(Value::Array(items)), _) => {
                        items[name.parse::<usize>().unwrap()] = value.clone().unwrap_or_default();
                    }
                    _ => {}
                }
                reply.body = serde_json::to_vec(&json).unwrap().into();
            }
        }
    }
}

pub(crate) fn collect_pointers(value: &Value, at: String, pointers: &mut Vec<String>) {
    let mut descend = |name: String, value: &Value| {
        let pointer = format!("{at}/{name}");
        pointers.push(pointer.clone());
        collect_pointers(value, pointer, pointers);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| descend(name.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(nth, value)| descend(nth.to_string(), value)),
        _ => {}
    }
}

#[test]
fn no_answer_breaks_a_connector() {
    let scenes = scenes();
    let changes = prop::collection::vec((any::<Index>(), any_change()), 1..3);
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in any::<Index>(), changes in changes, twice in any::<bool>())| {
        let scene = at.get(&scenes);
        let mut replies = scene.replies();
        if twice {
            replies.extend(scene.replies());
        }
        for (at, change) in &changes {
            if !replies.is_empty() {
                change.apply(at.get_mut(&mut replies));
            }
        }
        check_token(&scene.play_with(&replies), &scene.name);
    });
}

/// Common wrong replies. Each grant gets all of them, without random choice.
#[test]
fn no_usual_rubbish_breaks_a_connector() {
    let bodies: [&[u8]; 9] = [b"", b"{}", b"[]", b"null", b"\"\"", b"<html></html>", b"\xff\xfe", b"{\"error\":", b"0"];
    for scene in successes() {
        for nth in 0..scene.case.replies.len() {
            // The whole answer is in the headers, so the body may be anything.
            if scene.replies()[nth].body.is_empty() {
                continue;
            }
            for body in bodies {
                for status in [200, 201, 204, 302, 400, 401, 500] {
                    let mut replies = scene.replies();
                    replies[nth].body = body.into();
                    replies[nth].status = status;
                    let played = scene.play_with(&replies);
                    check_token(&played, &scene.name);
                    let refused = matches!(played.end, Some(Err(_)));
                    assert!(refused, "{}: {status} with {body:?} must be an error", scene.name);
                }
            }
        }
    }
}

#[test]
fn tokens_live_when_they_arrive() {
    for scene in successes() {
        let grant = scene.grant();
        let Some(Ok(token)) = scene.play().end else { panic!("{}", scene.name) };
        match token.expiry {
            Expiry::At(moment) => {
                let now = scene.case.now.unwrap_or(NOW);
                assert!(moment.as_second() > now, "{}: dead on arrival", scene.name);
            }
            Expiry::After(_, seconds) => assert!(seconds > 0, "{}: dead on arrival", scene.name),
            Expiry::UntilUsed => assert_eq!(grant.lifetime, Lifetime::UntilUsed, "{}", scene.name),
            // An answer may lack the lifetime that others have.
            Expiry::Unpublished => {
                assert!(matches!(grant.lifetime, Lifetime::Unpublished | Lifetime::InReply), "{}", scene.name);
            }
        }
    }
}

// ---- secrets

/// Every secret of a scene: credentials that are not public, and inputs that are secret.
fn secrets(scene: &Scene) -> Vec<String> {
    let public = |name: &str| scene.entry.meta.credentials.iter().any(|field| field.name == name && field.public);
    let credentials = scene.credentials.iter().filter(|(name, _)| !public(name));
    let secret =
        |name: &str| scene.grant().inputs.iter().any(|input| input.name == name && input.kind == InputKind::Secret);
    let inputs = scene.case.input.iter().filter(|(name, _)| secret(name));
    credentials.chain(inputs).filter_map(|(_, value)| value.as_str().map(Into::into)).collect()
}

fn check_silence(scene: &Scene, played: &Played, context: &str) {
    let mut seen: Vec<String> = played.calls.iter().map(|call| format!("{call:?} {}", call.uri)).collect();
    seen.extend(scene.inputs().ok().map(|inputs| format!("{inputs:?}")));
    seen.extend(played.end.as_ref().map(|end| match end {
        Ok(token) => format!("{token:?}"),
        Err(error) => format!("{error:?} {error}"),
    }));
    for (secret, seen) in secrets(scene).iter().flat_map(|secret| seen.iter().map(move |seen| (secret, seen))) {
        assert!(!seen.contains(secret), "{}: {context}: a secret is in: {seen}", scene.name);
    }
}

#[test]
fn secrets_are_seen_nowhere() {
    for scene in scenes() {
        for secret in secrets(&scene) {
            assert!(secret.len() >= 12, "{}: a made-up secret too short to be told from other text", scene.name);
        }
        let replies = scene.replies();
        for reply in &replies {
            assert!(secrets(&scene).iter().all(|secret| !format!("{reply:?}").contains(secret)), "{}", scene.name);
        }
        check_silence(&scene, &scene.play(), "as written");
        // Some vendors repeat the refused key in their answer.
        if matches!(&scene.case.expect, Some(Expect::Error(error)) if error.status.is_some()) {
            let mut scene = scene.clone();
            let echo = secrets(&scene).join(" ");
            scene.case.replies.iter_mut().filter_map(|answer| answer.body.as_mut()).for_each(|body| steer(body, &echo));
            check_silence(&scene, &scene.play(), "repeated by the vendor");
        }
    }
}

/// A header with a secret is marked as sensitive, so that no log shows it.
#[test]
fn headers_with_secrets_are_marked() {
    for scene in scenes() {
        for call in scene.play().calls {
            for (name, value) in call.headers.iter().filter(|(_, value)| !value.is_sensitive()) {
                let text = value.to_str().unwrap();
                assert_ne!(name, "authorization", "{}", scene.name);
                assert!(secrets(&scene).iter().all(|secret| !text.contains(secret)), "{}: {name}", scene.name);
            }
        }
    }
}

// ---- calls

#[test]
fn same_input_same_call() {
    let calls = |scene: &Scene| -> Vec<_> {
        let calls = scene.play().calls.into_iter();
        calls.map(|call| (call.method, call.uri, call.headers, call.body, call.repeatable)).collect()
    };
    for scene in scenes() {
        assert_eq!(calls(&scene), calls(&scene), "{}", scene.name);
    }
}

#[rustfmt::skip]
const HOSTILE: &[&str] = &[
    "@evil.example", "evil.example/", "evil.example:1", "//evil.example", ".evil.example", "..", "../../x", "?x=1#y", "a#",
    "%2f%2e%2e", "a:b@c", "\\evil", " ", "a b", "é", "-", "\r\nhost: evil.example", "{endpoint_prefix}",
    "https://evil.example/", "x://y",
];

/// Replaces every text in a JSON value.
fn steer(value: &mut Value, text: &str) {
    match value {
        Value::String(old) => *old = text.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| steer(item, text)),
        Value::Object(members) => members.values_mut().for_each(|member| steer(member, text)),
        _ => {}
    }
}

/// One copy of the scene for each place of the text. With the text in all places at once, the call
/// is refused for the first of them and the others stay untested.
fn steered(scene: &Scene, text: &str) -> Vec<Scene> {
    let change = |change: &dyn Fn(&mut Scene)| {
        let mut scene = scene.clone();
        change(&mut scene);
        scene
    };
    let mut scenes = vec![
        change(&|scene| scene.case.reference = Some(text.into())),
        change(&|scene| scene.case.metadata = Map::from_iter([(text.into(), text.into())])),
        change(&|scene| {
            scene.case.replies.iter_mut().filter_map(|answer| answer.body.as_mut()).for_each(|body| steer(body, text));
        }),
    ];
    scenes.extend(scene.credentials.keys().map(|name| change(&|scene| steer(&mut scene.credentials[name], text))));
    scenes.extend(scene.case.input.keys().map(|name| change(&|scene| steer(&mut scene.case.input[name], text))));
    scenes
}

fn check_hosts(mut scene: Scene) {
    let hosts = scene.entry.meta.hosts;
    for call in scene.play().calls {
        assert!(hosts.iter().any(|host| is_of(host.of(scene.mode()), &origin(&call))), "{}: {call:?}", scene.name);
    }
    let bases: Vec<String> = (0..hosts.len()).map(|nth| format!("http://127.0.0.1:{}", 9000 + nth)).collect();
    scene.bases = Some(bases.clone());
    for call in scene.play().calls {
        assert!(bases.contains(&origin(&call)), "{}: {call:?} does not go to the operator's host", scene.name);
    }
}

fn origin(call: &Call) -> String {
    format!("{}://{}", call.uri.scheme_str().unwrap(), call.uri.authority().unwrap())
}

/// Every text in every place of every scene.
#[test]
#[ignore = "all of the matrix"]
fn nobody_steers_where_any_call_goes() {
    for scene in successes() {
        HOSTILE.iter().flat_map(|text| steered(&scene, text)).for_each(check_hosts);
    }
}

#[test]
fn nobody_steers_where_a_call_goes() {
    let scenes = successes();
    for (nth, scene) in scenes.iter().enumerate() {
        HOSTILE.iter().skip(nth % 4).step_by(4).flat_map(|text| steered(scene, text)).for_each(check_hosts);
    }
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in any::<Index>(), text in any::<String>())| {
        steered(at.get(&scenes), &text).into_iter().for_each(check_hosts);
    });
}

/// Whether an origin matches a template such as `https://{label}-live.example`. A DNS label
/// stands in place of the braces.
fn is_of(template: &str, origin: &str) -> bool {
    let Some((head, rest)) = template.split_once('{') else { return template == origin };
    let tail = rest.split_once('}').unwrap().1;
    let label = origin.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
    label.is_some_and(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}
