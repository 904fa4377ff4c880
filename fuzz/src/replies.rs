//! The target `replies`: any bytes as what a vendor answers, in a conversation about any grant.

use std::sync::OnceLock;

use connectors::{Exchange, Grant, Inputs, Mode, Nonce, Registration, Reply, Step};
use serde_json::{Map, Value};

use super::seeds::{Case, cases};

/// A grant, with the credentials, inputs and mode of its first fixture that ends with a token.
struct Subject {
    registration: &'static Registration,
    grant: &'static Grant,
    mode: Mode,
    credentials: Map<String, Value>,
    inputs: Inputs,
}

/// How far an input of [`replies`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The connector's id.
    pub connector: &'static str,
    /// The grant's name.
    pub grant: &'static str,
    /// Whether the replies ended in a token.
    pub token: bool,
}

impl Subject {
    fn of(case: &Case) -> Option<Self> {
        let registration = connectors::find(&case.connector)?;
        let grant = registration.meta.grants.iter().find(|grant| grant.name == case.grant())?;
        let scopes = case.case.get("scopes").and_then(Value::as_array).into_iter().flatten();
        let scopes = scopes.filter_map(Value::as_str).map(str::to_owned).collect();
        let ttl_seconds = case.case.get("ttl_seconds").and_then(Value::as_i64);
        let inputs = Inputs::check(grant, case.object("input"), scopes, ttl_seconds, &case.object("metadata")).ok()?;
        let mode = if case.case.get("mode").is_some_and(|mode| mode == "live") { Mode::Live } else { Mode::Test };
        Some(Self { registration, grant, mode, credentials: case.credentials.clone(), inputs })
    }

    fn names(&self) -> (&'static str, &'static str) {
        (self.registration.meta.id, self.grant.name)
    }

    fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Subject>> = OnceLock::new();
        ALL.get_or_init(|| {
            // Several connectors may share one list of grants, so a grant is known by both names.
            let mut all: Vec<Self> = Vec::new();
            for subject in cases().iter().filter(|case| case.succeeds()).filter_map(Self::of) {
                if !all.iter().any(|known| known.names() == subject.names()) {
                    all.push(subject);
                }
            }
            all
        })
    }

    /// Plays the replies one by one; the law is that a token is a text that can stand in a header.
    fn play(&self, replies: &[Reply]) -> Option<Reached> {
        let meta = self.registration.meta;
        let bound = self.registration.bind(&self.credentials).ok()?;
        let bases: Vec<String> = meta.hosts.iter().map(|host| host.of(self.mode).to_owned()).collect();
        let mut reached = Reached { connector: meta.id, grant: self.grant.name, token: false };
        for given in 0..=replies.len() {
            let exchange = Exchange {
                grant: self.grant,
                mode: self.mode,
                hosts: meta.hosts,
                bases: &bases,
                reference: "tok_1",
                input: &self.inputs,
                now: super::now(),
                began: super::now(),
                nonce: Nonce([7; 32]),
                generation: 0,
                idempotency_key: "00000000-0000-4000-8000-000000000001",
                replies: replies.get(..given)?,
            };
            match bound.step(&exchange) {
                Ok(Step::Done(token)) => {
                    let token = token.value.expose();
                    assert!(!token.trim().is_empty() && !token.chars().any(char::is_control), "a dead token");
                    reached.token = true;
                }
                Ok(Step::Call(_)) => {}
                Err(_) => break,
            }
        }
        Some(reached)
    }
}

/// The first line is the connector's id, the second the grant's name; then the replies, with a zero
/// byte between them. A reply is a line with its status, lines with its headers, an empty line, its
/// body.
pub fn replies(data: &[u8]) {
    reach(data);
}

/// [`replies`], and how far the input came: nothing where it names no grant.
pub fn reach(data: &[u8]) -> Option<Reached> {
    let (connector, rest) = line(data)?;
    let (grant, rest) = line(rest)?;
    let names = (std::str::from_utf8(connector).ok()?, std::str::from_utf8(grant).ok()?);
    let subject = Subject::all().iter().find(|subject| subject.names() == names)?;
    let replies: Vec<Reply> = rest.split(|byte| *byte == 0).take(4).filter_map(reply).collect();
    subject.play(&replies)
}

fn reply(text: &[u8]) -> Option<Reply> {
    let (status, mut rest) = line(text)?;
    let status: u16 = std::str::from_utf8(status).ok()?.parse().ok()?;
    let mut headers = http::HeaderMap::new();
    while let Some((header, after)) = line(rest) {
        rest = after;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = http::HeaderName::from_bytes(header.get(..colon)?).ok()?;
        headers.append(name, http::HeaderValue::from_bytes(header.get(colon + 1..)?).ok()?);
    }
    Some(Reply { status, headers, body: rest.to_vec().into(), sent_at: super::now() })
}

/// The first line and what follows it.
pub(crate) fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    Some((data.get(..end)?, data.get(end + 1..)?))
}
