//! All grants of all connectors, through the service to the fakes of the sandbox: tokens and their
//! expiry, errors, the calls of clients, the calls on the pages of the documentation and the form of
//! their answers.

mod answers;
mod canary;
mod clients;
mod docs;
mod errors;
mod tokens;

use buffa::Enumeration as _;
use connectors::{Audience, CONNECTORS, Grant, InputKind, Meta};
use protocol::ucs::v2::Connector;
use sandbox::FakeVendor;
use serde_json::{Map, Value, json};

use crate::common::TokenRequest;

/// A grant with the fake of its connector and the inputs of the fake's example.
struct GrantCase {
    meta: &'static Meta,
    grant: &'static Grant,
    fake: &'static FakeVendor,
    inputs: Map<String, Value>,
    nth: usize,
}

fn grant_cases() -> Vec<GrantCase> {
    let mut cases: Vec<GrantCase> = CONNECTORS
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
                GrantCase { meta, grant, fake, inputs: serde_json::from_str(example).unwrap(), nth: 0 }
            })
        })
        .collect();
    cases.iter_mut().enumerate().for_each(|(nth, case)| case.nth = nth);
    cases
}

impl GrantCase {
    fn name(&self) -> String {
        format!("{} {}", self.meta.id, self.grant.name)
    }

    fn credentials(&self) -> Map<String, Value> {
        serde_json::from_str(self.fake.credentials).unwrap()
    }

    /// Credentials and secret inputs, each with a word at its end. The beginning of a key may say
    /// its kind.
    fn with_word(&self, word: &str) -> (Map<String, Value>, Map<String, Value>) {
        let (mut credentials, mut inputs) = (self.credentials(), self.inputs.clone());
        for field in self.meta.credentials.iter().filter(|field| !field.public) {
            credentials.get_mut(field.name).into_iter().for_each(|value| append(value, word));
        }
        for input in self.grant.inputs.iter().filter(|input| input.kind == InputKind::Secret) {
            inputs.get_mut(input.name).into_iter().for_each(|value| append(value, word));
        }
        (credentials, inputs)
    }

    fn request(&self, reference: &str) -> TokenRequest<'static> {
        self.request_with(reference, &self.credentials(), &self.inputs)
    }

    fn request_with(
        &self,
        reference: &str,
        credentials: &Map<String, Value>,
        inputs: &Map<String, Value>,
    ) -> TokenRequest<'static> {
        let connector = Connector::from_proto_name(&self.meta.id.to_ascii_uppercase()).unwrap();
        let mut data = inputs.clone();
        data.insert("grant".into(), self.grant.name.into());
        if self.grant.audience == Audience::Server {
            data.insert("audience".into(), "server".into());
        }
        let credentials = json!({ self.meta.id: credentials });
        TokenRequest {
            reference: format!("{reference}_{:03}", self.nth),
            ..TokenRequest::of(connector, self.meta.id, credentials)
        }
        .data(Value::Object(data))
    }
}

fn append(value: &mut Value, word: &str) {
    match value {
        Value::String(text) => text.push_str(word),
        Value::Object(members) => members.values_mut().for_each(|value| append(value, word)),
        _ => {}
    }
}

/// A request and response in HTTP/1.1: the status and the body.
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
