//! No value of a caller or of a reply leads a call to another path than the documented one.
//!
//! Each text of the inputs, the credentials, the reference and the replies of each case becomes a dot
//! segment, which servers and proxies remove together with the segment before it (RFC 3986 section
//! 5.2.4).

use connectors::{Call, Kind};
use serde_json::Value;

use crate::{
    laws::collect_pointers,
    support::{Played, Scene, scenes},
};

const SEGMENTS: [&str; 3] = ["..", "%2e%2E", "x%2f.."];

/// Whether a server or a proxy could see a dot segment in the path of the call.
fn strays(call: &Call) -> bool {
    let path = call.uri.path().to_ascii_lowercase().replace("%25", "%");
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    path.split('/').any(|segment| segment == "." || segment == "..")
}

#[derive(Default)]
struct Found {
    /// Cases that were played.
    played: usize,
    /// Cases that were refused for the value.
    refused: usize,
    /// Cases of which a call strays.
    stray: Vec<String>,
}

impl Found {
    fn look_at(&mut self, played: &Played, name: &str, kind: Kind) {
        self.played += 1;
        if let Some(Err(error)) = &played.end {
            let about_it = error.message.contains("another path");
            assert!(!about_it || error.kind == kind, "{name}: {error:?}");
            self.refused += usize::from(about_it);
        }
        self.stray.extend(played.calls.iter().filter(|call| strays(call)).map(|call| format!("{name}: {call:?}")));
    }
}

/// The pointers of texts.
fn texts(json: &Value) -> Vec<String> {
    let mut pointers = Vec::new();
    collect_pointers(json, String::new(), &mut pointers);
    pointers.retain(|pointer| json.pointer(pointer).is_some_and(Value::is_string));
    pointers
}

fn with(object: &serde_json::Map<String, Value>, pointer: &str, text: &str) -> serde_json::Map<String, Value> {
    let mut json = Value::Object(object.clone());
    *json.pointer_mut(pointer).unwrap() = text.into();
    json.as_object().unwrap().clone()
}

#[test]
fn no_value_of_a_caller_leads_a_call_to_another_path() {
    let mut found = Found::default();
    for scene in scenes().into_iter().filter(Scene::succeeds) {
        for text in SEGMENTS {
            let mut changed = vec![Scene { case: scene.case.clone(), ..scene.clone() }];
            changed[0].case.reference = Some(text.to_owned());
            for pointer in texts(&Value::Object(scene.case.input.clone())) {
                let mut scene = scene.clone();
                scene.case.input = with(&scene.case.input, &pointer, text);
                changed.push(scene);
            }
            for pointer in texts(&Value::Object(scene.credentials.clone())) {
                let credentials = with(&scene.credentials, &pointer, text);
                changed.push(Scene { credentials, ..scene.clone() });
            }
            for scene in changed {
                // The caller's mistake; or, where a credential is used after a login, the reply's.
                let played = scene.play();
                let kind = match &played.end {
                    Some(Err(error)) if error.kind == Kind::BadReply => Kind::BadReply,
                    _ => Kind::InvalidRequest,
                };
                found.look_at(&played, &format!("{} with {text}", scene.name), kind);
            }
        }
    }
    println!("{} cases, {} refused", found.played, found.refused);
    assert!(found.stray.is_empty(), "{}", found.stray.join("\n"));
    assert!(found.refused > 50, "the check was reached {} times", found.refused);
}

#[test]
fn no_value_of_a_reply_leads_a_call_to_another_path() {
    let mut found = Found::default();
    for scene in scenes().into_iter().filter(Scene::succeeds) {
        let replies = scene.replies();
        for (nth, reply) in replies.iter().enumerate() {
            let Ok(json) = serde_json::from_slice::<Value>(&reply.body) else { continue };
            for pointer in texts(&json) {
                for text in SEGMENTS {
                    let mut changed = json.clone();
                    *changed.pointer_mut(&pointer).unwrap() = text.into();
                    let mut replies = replies.clone();
                    replies[nth].body = changed.to_string().into();
                    let played = scene.play_with(&replies);
                    found.look_at(&played, &format!("{} with {text} at {pointer}", scene.name), Kind::BadReply);
                }
            }
        }
    }
    println!("{} cases, {} refused", found.played, found.refused);
    assert!(found.stray.is_empty(), "{}", found.stray.join("\n"));
    assert!(found.refused > 0, "no reply's value is part of a path");
}
