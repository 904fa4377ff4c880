//! The form of the answers under `ucs.v2` stays as it is: the members, types and fixed values of each
//! answer to the calls on the pages, beside `answers.txt`.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::docs::{PATH, PageCall, page_calls};
use crate::common::{TestServer, raw_http};

/// Members whose values are the same in each run.
const FIXED: [&str; 6] = ["audience", "grant", "scopes", "status", "status_code", "token_type"];
/// A text of digits from here on is a moment and no duration: the year 2001, in seconds.
const FIRST_MOMENT: i64 = 1_000_000_000;

/// One answer: its members and headers, each with its form.
type Answer = BTreeMap<String, String>;

/// The form of a value: fixed values as they are, of others their type. Seconds are durations or
/// moments.
fn form(name: &str, value: &Value) -> String {
    if FIXED.contains(&name) {
        return value.to_string();
    }
    match value {
        Value::String(text) if name.ends_with("_seconds") || name.ends_with("_at") => match text.parse::<i64>() {
            Ok(seconds) if seconds >= FIRST_MOMENT => "moment".into(),
            Ok(_) => "duration".into(),
            Err(_) => "text".into(),
        },
        Value::String(_) => "text".into(),
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{name} {}", form("", value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(|value| form("", value)).collect::<Vec<_>>().join(", "))
        }
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => "null".into(),
    }
}

fn answer(served: &TestServer, call: &PageCall) -> Answer {
    let mut request = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in &call.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let request = format!("{request}content-length: {}\r\n\r\n{}", call.body.len(), call.body);
    let reply = raw_http(served.address, &request);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{}: {reply}", call.page));
    let (status, headers) = head.split_once("\r\n").unwrap();
    let mut answer = Answer::from([("HTTP".to_owned(), status.to_owned())]);
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        let value = if name == "content-type" { value } else { "text" };
        answer.insert(format!("header {name}"), value.to_owned());
    }
    let members: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{}: {reply}", call.page));
    for (name, value) in members.as_object().unwrap() {
        answer.insert(name.clone(), form(name, value));
    }
    answer
}

/// One line for what all answers have, and one for each call with the rest.
fn written(answers: &[(String, Answer)]) -> String {
    let (_, first) = &answers[0];
    let of_all = |name: &str, form: &str| answers.iter().all(|(_, other)| other.get(name).is_some_and(|it| it == form));
    let line = |answer: &Answer, of_all_wanted: bool| {
        let parts = answer.iter().filter(|(name, form)| of_all(name, form) == of_all_wanted);
        parts.map(|(name, form)| format!("{name}: {form}")).collect::<Vec<_>>().join("; ")
    };
    let mut text = format!("all: {}\n", line(first, true));
    for (connector, answer) in answers {
        text.push_str(&format!("{connector}: {}\n", line(answer, false)));
    }
    text
}

#[tokio::test]
async fn answers_stay_as_they_are() {
    let served = TestServer::sandboxed();
    let calls = page_calls();
    let answers: Vec<_> = calls.iter().map(|call| (call.headers[1].1.clone(), answer(&served, call))).collect();
    let now = written(&answers);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/every_grant/answers.txt");
    if std::env::var_os("WRITE_ANSWERS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = |text: &str, other: &str| -> Vec<String> {
        text.lines().filter(|line| !other.lines().any(|known| known == *line)).map(str::to_owned).collect()
    };
    assert!(
        now == before,
        "answers differ from {}; if that is meant, run the test with WRITE_ANSWERS=1.\nbefore:\n{}\nnow:\n{}",
        path.display(),
        differ(&before, &now).join("\n"),
        differ(&now, &before).join("\n"),
    );
}
