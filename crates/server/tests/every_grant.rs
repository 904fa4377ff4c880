//! Every grant of every connector, through the real service to its fake: the token, its expiry, what a client can do with it and
//! what not, the pages' own calls, and every way of leaving something out.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::common::{Ask, Served};
use buffa::Enumeration as _;
use connectors::{Audience, CONNECTORS, DefaultWhen, Grant, Lifetime, Meta};
use connectrpc::ErrorCode;
use daypass_server::protocol::{
    CreateAccessTokenResponse,
    ucs::v2::{Connector, OperationStatus, TokenAudience},
};
use sandbox::{ClientCall, ClientToken, FakeVendor};
use serde_json::{Map, Value, json};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

struct Scene {
    meta: &'static Meta,
    grant: &'static Grant,
    fake: &'static FakeVendor,
    inputs: Map<String, Value>,
    nth: usize,
}

fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<Scene> = CONNECTORS
        .iter()
        .flat_map(|entry| {
            let meta = entry.meta;
            let fake = sandbox::fake_vendor(meta.id).unwrap_or_else(|| panic!("{} has no fake", meta.id));
            meta.grants.iter().map(move |grant| {
                let (_, example) = fake
                    .examples
                    .iter()
                    .find(|(name, _)| *name == grant.name)
                    .unwrap_or_else(|| panic!("{} {} has no example", meta.id, grant.name));
                Scene { meta, grant, fake, inputs: serde_json::from_str(example).unwrap(), nth: 0 }
            })
        })
        .collect();
    scenes.iter_mut().enumerate().for_each(|(nth, scene)| scene.nth = nth);
    scenes
}

impl Scene {
    fn name(&self) -> String {
        format!("{} {}", self.meta.id, self.grant.name)
    }

    fn credentials(&self) -> Map<String, Value> {
        serde_json::from_str(self.fake.credentials).unwrap()
    }

    /// Credentials and secret inputs, each with a word at its end: the beginning tells some vendors what kind of key it is.
    fn with_word(&self, word: &str) -> (Map<String, Value>, Map<String, Value>) {
        let (mut credentials, mut inputs) = (self.credentials(), self.inputs.clone());
        for field in self.meta.credentials.iter().filter(|field| !field.public) {
            credentials.get_mut(field.name).into_iter().for_each(|value| append(value, word));
        }
        for input in self.grant.inputs.iter().filter(|input| input.kind == connectors::InputKind::Secret) {
            inputs.get_mut(input.name).into_iter().for_each(|value| append(value, word));
        }
        (credentials, inputs)
    }

    fn ask(&self, reference: &str) -> Ask<'static> {
        self.ask_with(reference, &self.credentials(), &self.inputs)
    }

    fn ask_with(&self, reference: &str, credentials: &Map<String, Value>, inputs: &Map<String, Value>) -> Ask<'static> {
        let connector = Connector::from_proto_name(&self.meta.id.to_ascii_uppercase()).unwrap();
        let mut data = inputs.clone();
        data.insert("grant".into(), self.grant.name.into());
        if self.grant.audience == Audience::Server {
            data.insert("audience".into(), "server".into());
        }
        let credentials = json!({ self.meta.id: credentials });
        Ask { reference: format!("{reference}_{:03}", self.nth), ..Ask::of(connector, self.meta.id, credentials) }
            .data(Value::Object(data))
    }
}

#[tokio::test]
async fn every_grant_gives_a_token_of_its_audience_that_expires_as_said() {
    let served = Served::sandboxed();
    let mut count = BTreeMap::from([("client", 0), ("server", 0)]);
    for scene in scenes() {
        let name = scene.name();
        let before = now();
        let answer = served.call(&scene.ask("e2e")).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(answer.status == OperationStatus::SUCCESS, "{name}: {answer:?}");
        let audience =
            if scene.grant.audience == Audience::Client { TokenAudience::CLIENT } else { TokenAudience::SERVER };
        assert!(answer.audience == audience && answer.grant == scene.grant.name, "{name}: {answer:?}");
        *count.get_mut(scene.grant.audience.label()).unwrap() += 1;
        match (scene.grant.lifetime, answer.expires_in_seconds, answer.lifetime_seconds) {
            (Lifetime::UntilUsed | Lifetime::Unpublished, None, None) => {}
            (Lifetime::UntilUsed | Lifetime::Unpublished, ..) => panic!("{name}: an expiry was guessed"),
            (_, Some(at), Some(left)) => {
                let after = now();
                assert!(at > before && left > 0, "{name}: {at} {left}");
                // Cut to a whole second, and a second less where the vendor names the moment.
                let moment = before + left..=after + left + 2;
                assert!(moment.contains(&at), "{name}: {at} and {left} are not the same moment");
            }
            (_, at, left) => panic!("{name}: {at:?} {left:?}"),
        }
        let client = scene.grant.audience == Audience::Client;
        assert!(!client || answer.server_parameters.is_empty(), "{name}: values for the server in a CLIENT answer");
    }
    println!("{} CLIENT grants, {} SERVER grants", count["client"], count["server"]);
}

#[tokio::test]
async fn values_for_the_server_come_only_when_asked_for() {
    let served = Served::sandboxed();
    for scene in scenes().iter().filter(|scene| !scene.grant.server_parameters.is_empty()) {
        let mut ask = scene.ask("for_the_server");
        ask.data.as_mut().unwrap()["audience"] = "server".into();
        let answer = served.call(&ask).await.unwrap_or_else(|error| panic!("{}: {error:?}", scene.name()));
        assert!(answer.audience == TokenAudience::SERVER, "{}", scene.name());
        for name in scene.grant.server_parameters {
            let value = &answer.server_parameters[*name].value;
            assert!(
                !value.is_empty() && !answer.client_parameters.values().any(|public| public.contains(value.as_str())),
                "{}",
                scene.name()
            );
            let token = answer.access_token.as_option().unwrap();
            assert!(!token.value.contains(value.as_str()), "{}", scene.name());
            assert!(!format!("{answer:?}").contains(value.as_str()), "{}", scene.name());
        }
    }
}

/// One payment's token would else reach the payer of another.
#[tokio::test]
async fn what_is_for_one_payment_is_no_other_references_also_when_a_backend_asks() {
    let served = Served::sandboxed();
    let mut count = 0;
    for scene in scenes().iter().filter(|scene| !scene.grant.is_shared()) {
        if scene.grant.audience == Audience::Client && scene.grant.server_parameters.is_empty() {
            continue;
        }
        let mut tokens = Vec::new();
        for reference in ["first", "second", "first"] {
            let mut ask = scene.ask(reference);
            ask.data.as_mut().unwrap()["audience"] = "server".into();
            let answer = served.call(&ask).await.unwrap_or_else(|error| panic!("{}: {error:?}", scene.name()));
            tokens.push(answer.access_token.as_option().unwrap().value.clone());
        }
        assert!(tokens[0] != tokens[1] && tokens[0] == tokens[2], "{}", scene.name());
        count += 1;
    }
    println!("{count} grants");
}

#[tokio::test]
async fn a_server_grant_is_refused_to_who_does_not_ask_for_it() {
    let served = Served::sandboxed();
    for scene in scenes().iter().filter(|scene| scene.grant.audience == Audience::Server) {
        let mut ask = scene.ask("not_asked_for");
        ask.data.as_mut().unwrap().as_object_mut().unwrap().remove("audience");
        let error = served.call(&ask).await.expect_err(&scene.name());
        assert_eq!(error.code, ErrorCode::FailedPrecondition, "{}: {error:?}", scene.name());
    }
}

#[tokio::test]
async fn what_a_default_grant_needs_is_named_to_who_gives_credentials_alone() {
    let served = Served::sandboxed();
    for scene in scenes().iter().filter(|scene| scene.grant.default == DefaultWhen::Always) {
        let mut ask = scene.ask_with("alone", &scene.credentials(), &Map::new());
        ask.data = None;
        let needs: Vec<_> = scene.grant.inputs.iter().filter(|input| input.required).map(|input| input.name).collect();
        let Err(error) = served.call(&ask).await else {
            assert!(needs.is_empty(), "{} did without {needs:?}", scene.name());
            continue;
        };
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{}: {error:?}", scene.name());
        let message = error.message.unwrap_or_default();
        assert!(needs.iter().all(|name| message.contains(name)), "{}: {message}", scene.name());
    }
}

#[tokio::test]
async fn a_default_grant_needs_no_name() {
    let served = Served::sandboxed();
    for scene in scenes().iter().filter(|scene| scene.grant.default == DefaultWhen::Always) {
        let mut ask = scene.ask("by_default");
        ask.data.as_mut().unwrap().as_object_mut().unwrap().remove("grant");
        let answer = served.call(&ask).await.unwrap_or_else(|error| panic!("{}: {error:?}", scene.name()));
        assert_eq!(answer.grant, scene.grant.name, "{}", scene.name());
    }
}

#[tokio::test]
async fn wrong_credentials_are_the_connectors_no_with_its_own_code() {
    let served = Served::sandboxed();
    for scene in scenes() {
        let (credentials, inputs) = scene.with_word("-wrong-invalid");
        let name = scene.name();
        match served.call(&scene.ask_with("wrong", &credentials, &inputs)).await {
            Ok(answer) if answer.status == OperationStatus::AUTHENTICATION_FAILED => {
                let error = answer.error.as_option().unwrap().connector_details.as_option().unwrap();
                assert!(error.code.as_ref().is_some_and(|code| !code.is_empty()), "{name}: {answer:?}");
                assert!(!format!("{answer:?}").contains("wrong-"), "{name}: {answer:?}");
            }
            // Tokens that are made without a call, and keys that show by their form that they are none.
            Ok(answer) if answer.status == OperationStatus::SUCCESS && answer.status_code == 200 => {
                assert!(made_here(&served, &scene).await, "{name}: {answer:?}");
            }
            Ok(answer) => panic!("{name}: {answer:?}"),
            Err(error) if error.code == ErrorCode::Unauthenticated || error.code == ErrorCode::InvalidArgument => {
                assert!(!format!("{error:?}").contains("wrong-"), "{name}: {error:?}");
                assert!(may_show_by_its_form(scene.meta.id), "{name}: {error:?}");
            }
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
}

fn append(value: &mut Value, word: &str) {
    match value {
        Value::String(text) => text.push_str(word),
        Value::Object(members) => members.values_mut().for_each(|value| append(value, word)),
        _ => {}
    }
}

async fn made_here(served: &Served, scene: &Scene) -> bool {
    let answer = served.call_with_attempts(&scene.ask("made_here")).await;
    answer == Some(0)
}

/// Connectors whose keys are not just texts: PEM, base64 of a length.
fn may_show_by_its_form(id: &str) -> bool {
    [
        "coinbase",
        "truelayer",
        "cybersource",
        "bankofamerica",
        "wellsfargo",
        "barclaycard",
        "paytm",
        "tsys",
        "adyenplatform",
    ]
    .contains(&id)
}

#[tokio::test]
async fn each_required_input_that_is_left_out_is_named() {
    let served = Served::sandboxed();
    let mut count = 0;
    for scene in scenes() {
        for input in scene.grant.inputs.iter().filter(|input| input.required) {
            let mut inputs = scene.inputs.clone();
            assert!(inputs.remove(input.name).is_some(), "{}: the example lacks {}", scene.name(), input.name);
            let ask = scene.ask_with("left_out", &scene.credentials(), &inputs);
            let error = served.call(&ask).await.expect_err(&scene.name());
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{} {}: {error:?}", scene.name(), input.name);
            assert!(error.message.as_deref().unwrap_or_default().contains(input.name), "{error:?}");
            count += 1;
        }
    }
    println!("{count} required inputs");
}

#[tokio::test]
async fn a_client_can_do_what_the_grant_allows_and_nothing_else_and_not_for_ever() {
    let served = Served::sandboxed();
    let sandbox = served.sandbox.clone().unwrap();
    let mut passes = Vec::new();
    let scenes = scenes();
    for scene in &scenes {
        let Some(story) = scene.fake.clients.iter().find(|story| story.grant == scene.grant.name) else {
            assert_eq!(scene.grant.audience, Audience::Server, "{} has no client", scene.name());
            continue;
        };
        // One to use, one to let expire: some are good for one use only.
        let pass = pass(&served.call(&scene.ask("used")).await.unwrap(), "used");
        let refused = |call: &ClientCall| send(&sandbox, call);
        assert!(refused(&(story.forbidden)(&pass)), "{}: {}", scene.name(), (story.forbidden)(&pass).title);
        assert!(!refused(&(story.allowed)(&pass)), "{}: {}", scene.name(), (story.allowed)(&pass).title);
        let answer = served.call(&scene.ask("to_expire")).await.unwrap();
        if let Some(left) = answer.lifetime_seconds {
            passes.push((left, scene.name(), story, self::pass(&answer, "to_expire")));
        }
    }
    passes.sort_by_key(|(left, ..)| *left);
    let mut moved = 0;
    for (left, name, story, pass) in passes {
        if left + 5 > moved {
            advance(&sandbox, left + 5 - moved);
            moved = left + 5;
        }
        assert!(send(&sandbox, &(story.allowed)(&pass)), "{name}: usable after its end");
    }
}

fn pass(answer: &CreateAccessTokenResponse, reference: &str) -> ClientToken {
    ClientToken {
        token: answer.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default(),
        client_parameters: answer.client_parameters.clone().into_iter().collect(),
        reference: reference.into(),
    }
}

fn http(address: &str, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let reply = crate::common::raw_http(address.parse().unwrap(), &format!("{request}\r\n{body}"));
    let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Whether the fake refuses a client's call.
fn send(sandbox: &str, call: &ClientCall) -> bool {
    let (status, body) = http(sandbox, call.method, &call.path, &call.headers, &call.body);
    sandbox::refused(status, &body)
}

fn advance(sandbox: &str, seconds: i64) {
    let body = json!({ "advance_seconds": seconds }).to_string();
    let (status, _) = http(sandbox, "POST", "/_sandbox/clock", &[("content-type", "application/json".into())], &body);
    assert_eq!(status, 200);
}

#[test]
fn the_pages_are_those_of_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/connectors");
    let mut names: Vec<String> = Vec::new();
    for (name, text) in daypass_server::connector_docs::pages() {
        let written = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(written == text, "docs/connectors/{name} is stale: run `daypass connectors --pages docs/connectors`");
        names.push(name);
    }
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "docs/connectors/{name} belongs to no connector");
    }
}

#[tokio::test]
async fn the_calls_on_the_pages_work() {
    let served = Served::sandboxed();
    let mut count = 0;
    for (name, text) in daypass_server::connector_docs::pages() {
        for block in text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let part = |mark: &str| {
                let quoted = block.split(mark).nth(1).unwrap_or_else(|| panic!("{name}: {mark}"));
                quoted.split("' \\\n").next().unwrap().split("' ").next().unwrap().replace(r"'\''", "'")
            };
            let credentials = block.split("x-connector-auth: ").nth(1).unwrap().split("' \\\n").next().unwrap();
            let body = block.split("-d '").nth(1).unwrap().split("' \\\n").next().unwrap().replace(r"'\''", "'");
            let headers = [
                ("content-type", "application/json".to_owned()),
                ("x-connector", part("x-connector: ")),
                ("x-connector-auth", credentials.replace(r"'\''", "'")),
            ];
            let path = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";
            let (status, answer) = http(&served.address.to_string(), "POST", path, &headers, &body);
            assert!(status == 200 && answer.contains("\"status\":\"SUCCESS\""), "{name}: {status} {answer}\n{block}");
            count += 1;
        }
    }
    println!("{count} calls");
}

#[tokio::test]
async fn outages_and_rubbish_are_told_apart_for_every_connector() {
    let served = Served::sandboxed();
    for (nth, scene) in scenes().iter().enumerate() {
        // The first grant of each connector; a word in its credentials makes the fake fail.
        if scene.meta.grants.first().is_none_or(|first| first.name != scene.grant.name) || nth > 1000 {
            continue;
        }
        let with = |word: &str| {
            let (credentials, inputs) = scene.with_word(word);
            scene.ask_with("outage", &credentials, &inputs)
        };
        match served.call(&with("_decline_503")).await {
            Err(error) if error.code == ErrorCode::Unavailable => {
                assert!(error.details.iter().any(|detail| detail.type_url.ends_with("RetryInfo")), "{}", scene.name());
            }
            // Signed requests fail before the word is seen, and some keys show by their form that they are none.
            Ok(answer) if answer.status == OperationStatus::AUTHENTICATION_FAILED => {}
            Ok(answer) if answer.status == OperationStatus::SUCCESS => {
                assert!(made_here(&served, scene).await, "{answer:?}")
            }
            Err(error) if may_show_by_its_form(scene.meta.id) => {
                assert_ne!(error.code, ErrorCode::Internal, "{error:?}")
            }
            other => panic!("{}: {other:?}", scene.name()),
        }
    }
}
