//! Three nodes, a Redis with a replica and 200 callers, while everything fails that fails in
//! production. No caller gets a wrong, dead or forgotten token, and no call fails but on a node
//! that is killed.
#![cfg(target_os = "linux")]

mod node;
mod vendor;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use connectors::Audience;
use serde_json::json;

use crate::cluster::{client, server};
use crate::common::{TokenRequest, until};
use crate::redis_server::{
    Answer, RedisServer,
    groups::{pair, swap},
    relay::Relay,
};
use crate::reload::Certificate;
use node::{LogTo, Node};
use vendor::{Truth, TruthfulVendor, now_ms};

const CALLERS: usize = 200;
const MERCHANTS: u64 = 20;
const FIRST_KILL: Duration = Duration::from_secs(10);
const KILL_EVERY: Duration = Duration::from_secs(30);

/// A merchant's tokens up to this one were forgotten, as `cache forget` said at this moment.
#[derive(Clone, Copy, Default)]
struct Forgotten {
    up_to: u64,
    said_ms: u128,
}

/// The figures of a run.
#[derive(Default)]
struct Table {
    counts: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<Vec<String>>,
    forgotten: Mutex<HashMap<String, Forgotten>>,
    over: AtomicBool,
}

impl Table {
    fn count(&self, what: &str) {
        self.add(what, 1);
    }

    fn add(&self, what: &str, number: u64) {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += number;
    }

    fn fault(&self, what: &str, detail: String) {
        self.count(what);
        self.faults.lock().unwrap().push(format!("{what}: {detail}"));
    }

    fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Whether the call of this merchant, which began at this moment, got a token of its own that
    /// is alive and was not forgotten before.
    fn check(&self, merchant: &str, began_ms: u128, token: &str) {
        let truth = Truth::of(token);
        if truth.merchant != merchant {
            self.fault("token of another merchant", format!("{merchant} got {token}"));
        }
        if truth.ends_ms <= now_ms() {
            self.fault("dead token", token.into());
        }
        let forgotten = self.forgotten.lock().unwrap().get(merchant).copied().unwrap_or_default();
        if began_ms > forgotten.said_ms && truth.nth <= forgotten.up_to {
            self.fault("forgotten token", format!("{token}, forgotten up to {}", forgotten.up_to));
        }
    }
}

/// Pseudo-random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One caller: shared SERVER tokens, own CLIENT tokens, and those once more.
async fn call_until_over(nth: usize, nodes: Vec<Arc<Node>>, table: Arc<Table>) {
    let mut dice = Dice(nth as u64);
    let mut own: Vec<(String, String, Truth)> = Vec::new();
    for round in 0u64.. {
        if table.is_over() {
            return;
        }
        let merchant = format!("m{}", dice.below(MERCHANTS));
        let new = format!("ref-{nth}-{round}");
        let node = &nodes[usize::try_from(dice.below(3)).unwrap()];
        let earlier = own.pop();
        let (what, merchant, reference) = match (dice.below(100), &earlier) {
            (0..2, _) => ("SERVER token, no-cache", merchant, new),
            (2..50, _) => ("SERVER token, shared", merchant, new),
            (50..75, Some((merchant, reference, _))) => {
                ("CLIENT token, asked for again", merchant.clone(), reference.clone())
            }
            _ => ("CLIENT token, new", merchant, new),
        };
        let mut request = match what.starts_with("SERVER") {
            true => server(&merchant, &reference),
            false => client(&merchant, &reference),
        };
        if what.ends_with("no-cache") {
            request.headers.push(("cache-control", "no-cache"));
        }
        if let Some(truth) = one_call(node, nth, &merchant, &request, what, &table).await {
            let repeated = what == "CLIENT token, asked for again";
            if let (true, Some((_, _, before))) = (repeated, &earlier) {
                let alive = before.ends_ms > now_ms() + 6_000;
                table.add("  of them another token while the first lives", u64::from(alive && *before != truth));
            }
            if request_audience(&request) == Audience::Client {
                own.push((merchant, reference.clone(), truth));
            }
        }
        tokio::time::sleep(Duration::from_millis(100 + dice.below(300))).await;
    }
}

fn request_audience(request: &TokenRequest<'_>) -> Audience {
    match request.data.as_ref().is_some_and(|data| data["audience"] == json!("server")) {
        true => Audience::Server,
        false => Audience::Client,
    }
}

async fn one_call(
    node: &Node,
    nth: usize,
    merchant: &str,
    request: &TokenRequest<'_>,
    what: &str,
    table: &Table,
) -> Option<Truth> {
    let (life, began_ms) = (node.life(), now_ms());
    if life % 2 == 1 {
        table.count("calls not made, as their node was down");
        return None;
    }
    let result = request.send(&node.client(nth)).await;
    table.count(what);
    let survived = node.life() == life;
    match result {
        Ok(answer) if answer.access_token.is_set() => {
            let token = answer.access_token.as_option().unwrap().value.clone();
            table.check(merchant, began_ms, &token);
            Some(Truth::of(&token))
        }
        _ if !survived => {
            table.count("failed on a killed node");
            None
        }
        failed => {
            table.fault("failed on a living node", format!("{what} at {}: {failed:?}", node.address));
            None
        }
    }
}

/// The fingerprint of a merchant's credentials, from the log of the node that writes one.
async fn fingerprint(node: &Node, merchant: &str) -> String {
    let file = node.folder.path().join("log");
    let last_call = || {
        let log = std::fs::read_to_string(&file).unwrap();
        let mut lines = log.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.find_map(|line| Some(line["credentials"].as_str()?.to_owned()))
    };
    let before = last_call();
    server(merchant, "fingerprint").send(&node.client(0)).await.unwrap();
    until("the call is in the log", async || last_call() != before).await;
    last_call().unwrap()
}

/// The faults of a run, each at its own pace.
struct Chaos {
    nodes: Vec<Arc<Node>>,
    redis: [RedisServer; 2],
    relay: Relay,
    vendor: TruthfulVendor,
    fingerprints: Vec<(String, String)>,
    table: Arc<Table>,
}

impl Chaos {
    /// Lets things fail for so many steps, and so long. A step is half a second or more; each fault
    /// has its own beat. Every half minute a node is killed.
    async fn run(&self, steps: u64, time: Duration) {
        let began = Instant::now();
        let (mut kill_at, mut killed) = (FIRST_KILL, 0);
        for step in 1u64.. {
            if step > steps && began.elapsed() > time {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            let nth = usize::try_from(step).unwrap();
            if step % 7 == 0 {
                self.forget(nth);
            }
            if step % 11 == 0 {
                self.redis[0].command(&["CLIENT", "KILL", "TYPE", "normal"]);
                self.redis[1].command(&["CLIENT", "KILL", "TYPE", "normal"]);
                self.table.count("connections to Redis closed");
            }
            if step % 13 == 0 {
                self.nodes[nth % 3].reload(step);
                self.table.count("SIGHUP with another configuration");
            }
            if step % 23 == 0 {
                self.pause_redis().await;
            }
            if step % 29 == 0 {
                self.renew_certificate(nth).await;
            }
            if step % 37 == 0 {
                self.fail_over(step / 37 % 2 == 1);
            }
            if began.elapsed() >= kill_at {
                kill_at += KILL_EVERY;
                killed += 1;
                let node = &self.nodes[killed % 3];
                let number = node.kill();
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.take_off_list(number);
                node.begin().await;
                self.table.count("kill -9 of a node");
            }
        }
    }

    fn forget(&self, nth: usize) {
        let (merchant, fingerprint) = &self.fingerprints[nth % self.fingerprints.len()];
        let up_to = self.vendor.made(merchant);
        if self.nodes[nth % 3].forget(fingerprint) {
            let said = Forgotten { up_to, said_ms: now_ms() };
            self.table.forgotten.lock().unwrap().insert(merchant.clone(), said);
            self.table.count("cache forget, done");
        } else {
            self.table.count("cache forget, said that it failed");
        }
    }

    /// What the operator does after a crash, as docs/store.md says: the node will not confirm.
    fn take_off_list(&self, number: u32) {
        for server in &self.redis {
            let Answer::Many(names) = server.command(&["HKEYS", "daypass-nodes"]) else { continue };
            for name in names {
                let Answer::Bytes(name) = name else { continue };
                let name = String::from_utf8(name).unwrap();
                if name.contains(&format!("/{number}/")) {
                    // The replica refuses, and follows its primary.
                    server.command(&["HDEL", "daypass-nodes", &name]);
                }
            }
        }
    }

    async fn pause_redis(&self) {
        for server in &self.redis {
            server.signal("STOP");
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for server in &self.redis {
            server.signal("CONT");
        }
        self.table.count("Redis paused for 1.5 s");
    }

    async fn renew_certificate(&self, nth: usize) {
        let (node, certificate) = (&self.nodes[nth % 3], Certificate::ending_in(2091));
        certificate.write(node.folder.path());
        until("the renewed certificate is served", async || certificate.is_served_at(node.address).await).await;
        self.table.count("certificate renewed and served");
    }

    fn fail_over(&self, to_second: bool) {
        let [first, second] = &self.redis;
        let (from, to) = if to_second { (first, second) } else { (second, first) };
        self.relay.lead_to(to.port);
        swap(from, to);
        self.table.count("failover of Redis");
    }
}

async fn run(steps: u64, time: Duration) {
    let Some(redis) = pair() else { return };
    let vendor = TruthfulVendor::start().await;
    let relay = Relay::start(redis[0].port);
    let mut nodes = Vec::new();
    for log_to in [LogTo::File, LogTo::StalledReader, LogTo::FullDisk] {
        nodes.push(Node::start(&vendor, &relay.url(), log_to).await);
    }
    let mut fingerprints = Vec::new();
    for nth in 0..5 {
        let merchant = format!("m{nth}");
        fingerprints.push((merchant.clone(), fingerprint(&nodes[0], &merchant).await));
    }
    let table = Arc::new(Table::default());
    let callers: Vec<_> =
        (0..CALLERS).map(|nth| tokio::spawn(call_until_over(nth, nodes.clone(), table.clone()))).collect();
    let chaos = Chaos { nodes, redis, relay, vendor, fingerprints, table: table.clone() };
    chaos.run(steps, time).await;
    table.over.store(true, SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    table.add("tokens made by the vendor", chaos.vendor.all_made());
    for name in ["daypass_log_lines_lost_total", "daypass_reloads_total{outcome=\"taken\"}"] {
        let counted: f64 = chaos.nodes.iter().map(|node| node.counted(name)).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        table.add(name, counted as u64);
    }
    for (what, count) in &*table.counts.lock().unwrap() {
        println!("{count:>8}  {what}");
    }
    let faults = table.faults.lock().unwrap();
    assert!(faults.is_empty(), "{} faults, the first of them: {:#?}", faults.len(), &faults[..faults.len().min(5)]);
    let counts = table.counts.lock().unwrap();
    let done = |what: &str| counts.get(what).copied().unwrap_or(0);
    assert!(done("CLIENT token, new") > 0 && done("SERVER token, shared") > 0, "callers were served");
    for fault in ["cache forget, done", "failover of Redis", "kill -9 of a node", "certificate renewed and served"] {
        assert!(done(fault) > 0, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fault_of_each_kind_fails_no_call() {
    run(37, Duration::ZERO).await;
}

// cargo test --release -p daypass-server --test all chaos -- --ignored --nocapture
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten minutes"]
async fn ten_minutes_of_trouble_fail_no_call() {
    run(37, Duration::from_secs(600)).await;
}
