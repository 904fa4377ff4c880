//! Inputs for the fuzzer, made from the connectors' fixtures: the conversation of each case with
//! its grant.
//!
//! The targets take a connector by its id and a grant by its name, so that an input stays valid
//! when the list grows. `cargo run -p xtask -- fuzz-seeds <folder>` writes the inputs to files. The
//! replay in `cargo test` makes them anew.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value};

/// One file of `crates/connectors/fixtures`.
pub struct Case {
    /// The connector's id, which is the folder's name.
    pub connector: String,
    /// The file's name without its ending.
    pub name: String,
    /// The file.
    pub case: Map<String, Value>,
    /// `credentials.json` of the connector, with the case's own fields over it.
    pub credentials: Map<String, Value>,
}

impl Case {
    /// The grant's name.
    pub fn grant(&self) -> &str {
        self.case.get("grant").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the case ends with a token.
    pub fn succeeds(&self) -> bool {
        self.case.get("expect").is_some_and(|expect| expect.get("token").is_some())
    }

    /// A member that is an object, empty where it is absent.
    pub fn object(&self, member: &str) -> Map<String, Value> {
        self.case.get(member).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The input of the target `replies`: id and grant as lines, then the replies with a zero byte
    /// between them.
    pub fn replies(&self) -> Vec<u8> {
        let replies = self.case.get("replies").and_then(Value::as_array);
        let replies: Vec<String> = replies.into_iter().flatten().map(reply).collect();
        format!("{}\n{}\n{}", self.connector, self.grant(), replies.join("\0")).into_bytes()
    }

    /// The input of the target `feature_data`: the id as a line, then the JSON text.
    pub fn feature_data(&self) -> Vec<u8> {
        let mut data = self.object("input");
        for member in ["grant", "scopes", "ttl_seconds"] {
            data.extend(self.case.get(member).map(|value| (member.to_owned(), value.clone())));
        }
        format!("{}\n{}", self.connector, Value::Object(data)).into_bytes()
    }
}

/// A status line, header lines, an empty line, the body.
fn reply(reply: &Value) -> String {
    let mut text = format!("{}\n", reply["status"]);
    for (name, value) in reply["headers"].as_object().into_iter().flatten() {
        text += &format!("{name}:{}\n", value.as_str().unwrap_or_default());
    }
    text.push('\n');
    match &reply["body"] {
        Value::Null => text,
        Value::String(body) => text + body,
        body => text + &body.to_string(),
    }
}

/// Every case of every connector, in the same order everywhere.
pub fn cases() -> Vec<Case> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = here.ancestors().map(|folder| folder.join("crates/connectors/fixtures")).find(|path| path.is_dir());
    let mut cases = Vec::new();
    for folder in fixtures.iter().flat_map(children).filter(|path| path.is_dir()) {
        let Some(credentials) = object(&folder.join("credentials.json")) else { continue };
        for path in children(&folder) {
            let Some(case) = object(&path).filter(|case| case.contains_key("grant")) else { continue };
            let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            let mut case = Case {
                connector: text(folder.file_name()),
                name: text(path.file_stem()),
                case,
                credentials: credentials.clone(),
            };
            case.credentials.extend(case.object("credentials"));
            cases.push(case);
        }
    }
    cases
}

fn children(folder: &PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn object(path: &PathBuf) -> Option<Map<String, Value>> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
