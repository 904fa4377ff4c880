//! Instructions for parts of a call, by callgrind: this program runs a part a hundred times and two
//! hundred times, and the difference is what a hundred cost. Each has a limit.

use std::hint::black_box;

use clap::Args;
use connectors::{BoundConnector, Exchange, Grant, Inputs, Mode, Nonce, Registration, Reply, Step, Timestamp};
use daypass::{Keyring, RawCredentials};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Result,
    counts::{Folder, callgrind, none_over, total},
};

/// The parts, and the most instructions that each may take: a quarter above what it took in
/// BENCHMARKS.md.
const PARTS: [(&str, u64); 11] = [
    ("credentials header", 5_200),
    ("paypal call", 12_000),
    ("paypal reply", 17_600),
    ("stripe call", 26_700),
    ("stripe reply", 7_000),
    ("adyen call", 21_600),
    ("adyen reply", 10_200),
    ("braintree call", 17_300),
    ("braintree reply", 37_000),
    ("seal", 6_400),
    ("open", 6_900),
];

/// The case and the credentials of each connector.
const FIXTURES: [(&str, &str, &str); 4] = [
    (
        "paypal",
        include_str!("../../connectors/fixtures/paypal/client_token.json"),
        include_str!("../../connectors/fixtures/paypal/credentials.json"),
    ),
    (
        "stripe",
        include_str!("../../connectors/fixtures/stripe/customer_session.json"),
        include_str!("../../connectors/fixtures/stripe/credentials.json"),
    ),
    (
        "adyen",
        include_str!("../../connectors/fixtures/adyen/session.json"),
        include_str!("../../connectors/fixtures/adyen/credentials.json"),
    ),
    (
        "braintree",
        include_str!("../../connectors/fixtures/braintree/client_token.json"),
        include_str!("../../connectors/fixtures/braintree/credentials.json"),
    ),
];

/// Repetitions of the shorter run.
const TIMES: u32 = 100;

#[derive(Args)]
pub(crate) struct Part {
    name: String,
    times: u32,
}

/// Prints what each part costs.
///
/// # Errors
/// A part costs more than its limit.
#[expect(clippy::print_stdout, reason = "a command line tool")]
pub(crate) fn run() -> Result {
    let (folder, mut exceeded) = (Folder::new()?, Vec::new());
    for (name, most) in PARTS {
        let count = (instructions(&folder, name, 2 * TIMES)? - instructions(&folder, name, TIMES)?) / u64::from(TIMES);
        println!("{name:20} {count:8} instructions, of {most}");
        if count > most {
            exceeded.push(format!("{name}: {count} instructions are over {most}"));
        }
    }
    none_over(&exceeded)
}

/// Instructions of this program while it runs a part so many times.
fn instructions(folder: &Folder, name: &str, times: u32) -> Result<u64> {
    let profile = folder.profile(name);
    let mut command = callgrind(&profile).run(&std::env::current_exe()?);
    let output = command.args(["part", name, &times.to_string()]).output()?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    total(&profile)
}

/// Runs a part so many times.
pub(crate) fn run_part(Part { name, times }: Part) -> Result {
    match name.as_str() {
        "credentials header" => {
            let header = br#"{"Paypal":{"client_id":"id-1","client_secret":"secret-1"}}"#;
            repeat(times, || Ok(RawCredentials::parse_auth(black_box(header), Some("paypal"))?))
        }
        "seal" => {
            let ring = Keyring::ephemeral()?;
            repeat(times, || ring.seal(black_box(&[1; 32]), &[2; 400]).ok_or("not sealed".into()))
        }
        "open" => {
            let ring = Keyring::ephemeral()?;
            let sealed = ring.seal(&[1; 32], &[2; 400]).ok_or("not sealed")?;
            repeat(times, || ring.open(black_box(&[1; 32]), &sealed).ok_or("not opened".into()))
        }
        step => {
            let (id, which) = step.split_once(' ').ok_or("no such part")?;
            let case = Case::of(id)?;
            repeat(times, || match (case.step(which == "reply")?, which) {
                (step @ Step::Call(_), "call") | (step @ Step::Done(_), "reply") => Ok(step),
                _ => Err("not the step of this part".into()),
            })
        }
    }
}

fn repeat<T>(times: u32, mut part: impl FnMut() -> Result<T>) -> Result {
    for _ in 0..times {
        black_box(part()?);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Written {
    grant: String,
    #[serde(default)]
    input: Map<String, Value>,
    replies: Vec<WrittenReply>,
}

#[derive(Deserialize)]
struct WrittenReply {
    status: u16,
    body: Value,
}

/// One connector's exchange, up to its one reply.
struct Case {
    registration: &'static Registration,
    grant: &'static Grant,
    bound: Box<dyn BoundConnector>,
    bases: Vec<String>,
    input: Inputs,
    replies: Vec<Reply>,
    now: Timestamp,
}

impl Case {
    fn of(id: &str) -> Result<Self> {
        let (_, case, credentials) =
            FIXTURES.into_iter().find(|(of, ..)| *of == id).ok_or("no fixture of this connector")?;
        let (case, credentials): (Written, Map<String, Value>) =
            (serde_json::from_str(case)?, serde_json::from_str(credentials)?);
        let registration = connectors::find(id).ok_or("no such connector")?;
        let grant = registration.meta.grants.iter().find(|grant| grant.name == case.grant).ok_or("no such grant")?;
        let now = Timestamp::from_second(1_767_225_600)?;
        let reply = |reply: WrittenReply| Reply {
            status: reply.status,
            headers: http::HeaderMap::new(),
            body: reply.body.to_string().into(),
            sent_at: now,
        };
        Ok(Self {
            registration,
            grant,
            bound: registration.bind(&credentials)?,
            bases: registration.meta.hosts.iter().map(|host| host.of(Mode::Test).to_owned()).collect(),
            input: Inputs::check(grant, case.input, Vec::new(), None, &Map::new())?,
            replies: case.replies.into_iter().map(reply).collect(),
            now,
        })
    }

    fn step(&self, replied: bool) -> Result<Step> {
        let exchange = Exchange {
            grant: self.grant,
            mode: Mode::Test,
            hosts: self.registration.meta.hosts,
            bases: &self.bases,
            reference: "order-1",
            input: &self.input,
            now: self.now,
            began: self.now,
            nonce: Nonce([7; 32]),
            generation: 0,
            idempotency_key: "00000000-0000-4000-8000-000000000001",
            replies: if replied { &self.replies } else { &[] },
        };
        Ok(self.bound.step(black_box(&exchange))?)
    }
}
