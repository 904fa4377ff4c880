//! Laws over single members of replies: absent, null, of another type, or a value of the backend.

use connectors::{Audience, Kind, Reply};
use serde_json::{Value, json};

use crate::{
    laws::{check_token, collect_pointers},
    support::{ExpectedToken, Played, Scene, backend_members, scenes},
};

/// `null` in the place of a member that may be absent gives the same result as its absence: the token,
/// or the refusal with its words. Klarna sends `payment_method_categories: null`.
#[test]
fn null_is_the_same_as_absent() {
    let result = |played: &Played| match played.end.as_ref() {
        // A value may be a part of the reply as it is, null included.
        Some(Ok(token)) => {
            let names: Vec<_> = token.client_parameters.iter().map(|(name, _)| name).collect();
            // Mollie's Apple Pay session is the whole reply.
            let mut value = serde_json::from_str(token.value.expose()).unwrap_or(Value::Null);
            value.as_object_mut().into_iter().for_each(|members| members.retain(|_, member| !member.is_null()));
            let value = if value.is_object() { value.to_string() } else { token.value.expose().to_owned() };
            format!("{value} {:?} {names:?}", token.expiry)
        }
        Some(Err(error)) => format!("{:?} {:?}", error.kind, error.refusal),
        None => "no end".to_owned(),
    };
    let (mut compared, mut differ) = (0, Vec::new());
    for scene in scenes() {
        for nth in 0..scene.case.replies.len() {
            for (pointer, json) in members(&scene.replies()[nth]) {
                let with = |value| result(&scene.play_with(&changed(&scene, nth, &json, &pointer, value)));
                compared += 1;
                let absent = with(None);
                // A member that must be there may be refused in another way when it is null.
                let null = with(Some(&Value::Null));
                if !absent.starts_with("BadReply") && null != absent {
                    differ.push(format!("{}: {pointer}\n  absent: {absent}\n  null: {null}", scene.name));
                }
            }
        }
    }
    println!("{compared} members compared");
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(compared > 1000, "{compared}");
}

/// A member that may be absent and has a value of another type: the token is there all the same, or
/// the refusal. Only an expiry may be an error, because a wrong one would be guessed.
#[test]
fn another_type_is_the_same_as_absent() {
    let others = [json!("text"), json!(7), json!(true), json!([]), json!({}), json!(["x"]), json!({"x": 1})];
    let (mut compared, mut broken) = (0, Vec::new());
    for scene in scenes() {
        for nth in 0..scene.case.replies.len() {
            for (pointer, json) in members(&scene.replies()[nth]) {
                let with = |value: Option<&Value>| scene.play_with(&changed(&scene, nth, &json, &pointer, value));
                let expiry = |played: &Played| match &played.end {
                    Some(Ok(token)) => Some(token.earliest_epoch()),
                    _ => None,
                };
                let absent = with(None);
                if is_bad_reply(&absent) {
                    continue;
                }
                let is_expiry = expiry(&absent) != expiry(&scene.play());
                for other in others.iter().filter(|other| is_another_type(other, json.pointer(&pointer))) {
                    compared += 1;
                    let played = with(Some(other));
                    check_token(&played, &scene.name);
                    if is_bad_reply(&played) && !is_expiry {
                        broken.push(format!("{}: {pointer} = {other}", scene.name));
                        break;
                    }
                }
            }
        }
    }
    println!("{compared} members compared");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(compared > 10_000, "{compared}");
}

fn is_bad_reply(played: &Played) -> bool {
    matches!(&played.end, Some(Err(error)) if error.kind == Kind::BadReply) || played.end.is_none()
}

fn is_another_type(other: &Value, documented: Option<&Value>) -> bool {
    documented.is_some_and(|documented| std::mem::discriminant(other) != std::mem::discriminant(documented))
}

/// Each member of each object in a reply, at any depth, with the whole reply.
fn members(reply: &Reply) -> Vec<(String, Value)> {
    let Ok(json) = serde_json::from_slice::<Value>(&reply.body) else { return Vec::new() };
    let mut pointers = Vec::new();
    collect_pointers(&json, String::new(), &mut pointers);
    let in_object = |pointer: &String| json.pointer(pointer.rsplit_once('/').unwrap().0).is_some_and(Value::is_object);
    pointers.iter().filter(|pointer| in_object(pointer)).map(|pointer| (pointer.clone(), json.clone())).collect()
}

/// The replies of a scene in which one member of the `nth` has another value, or is absent.
fn changed(scene: &Scene, nth: usize, json: &Value, pointer: &str, value: Option<&Value>) -> Vec<Reply> {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let mut json = json.clone();
    let members = json.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(name.into(), value.clone())),
        None => drop(members.remove(name)),
    }
    let mut replies = scene.replies();
    replies[nth].body = json.to_string().into();
    replies
}

/// The members that `fixtures/<connector>/backend.json` lists are the backend's, by the vendor's
/// documents. A client never gets their value.
#[test]
fn no_value_of_the_backend_reaches_a_client() {
    const CANARY: &str = "canary-of-the-backend-0001";
    let mut checked = 0;
    for scene in scenes().iter().filter(|scene| scene.succeeds() && scene.grant().audience == Audience::Client) {
        for pointer in backend_members(scene.entry) {
            for nth in 0..scene.case.replies.len() {
                let Ok(json) = serde_json::from_slice::<Value>(&scene.replies()[nth].body) else { continue };
                if json.pointer(&pointer).is_none() {
                    continue;
                }
                let replies = changed(scene, nth, &json, &pointer, Some(&json!(CANARY)));
                let Some(Ok(token)) = scene.play_with(&replies).end else { continue };
                let shown = ExpectedToken::from(&token);
                let hides = |value: &String| !value.contains(CANARY);
                assert!(hides(&shown.access_token), "{}: {pointer} is in the token", scene.name);
                assert!(shown.client_parameters.values().all(hides), "{}: {pointer}: {shown:?}", scene.name);
                checked += 1;
            }
        }
    }
    println!("{checked} values of the backend");
    assert!(checked >= 10, "{checked}");
}
