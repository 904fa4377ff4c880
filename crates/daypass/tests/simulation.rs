//! Days of calls to three nodes that share a store, with clocks that are off by up to 20 minutes,
//! tokens that end each other, codes that work once, several ends of one token, and lost replies.
//! No answer has a dead token or an expiry later than the truth, and no code is sent twice.
//!
//! The full size, 100,000 calls for each seed from 1 to 5:
//! `cargo test -p daypass --release --test all simulation -- --ignored --nocapture`

use std::collections::{BTreeMap, VecDeque};

use crate::{
    fake_vendor::{Answer, Ask, Fate, Nodes},
    load::Seeded,
};
use connectors::Kind;
use daypass::Clock;

const NODES: usize = 3;
/// The largest difference of a clock.
const OFF_MS: u64 = 20 * 60_000;

struct Simulation {
    nodes: Nodes,
    random: Seeded,
    /// How far each node's wall clock is off.
    off: [i64; NODES],
    /// The codes and refresh tokens of the last calls.
    codes: VecDeque<String>,
    secrets: VecDeque<String>,
    outcomes: BTreeMap<String, usize>,
    dead: usize,
    late: usize,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            nodes: Nodes::new(NODES),
            random: Seeded(seed),
            off: [0; NODES],
            codes: VecDeque::from(["code-0".to_owned()]),
            secrets: (0..5).map(|nth| format!("secret-{nth}")).collect(),
            outcomes: BTreeMap::new(),
            dead: 0,
            late: 0,
        }
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.random.below(bound) == 0
    }

    fn difference(&mut self) -> i64 {
        i64::try_from(self.random.below(2 * OFF_MS + 1)).unwrap() - i64::try_from(OFF_MS).unwrap()
    }

    /// Time passes, clocks are set, and the vendor changes its ways.
    fn world(&mut self) {
        let seconds = if self.one_in(50) { self.random.below(3_000) } else { self.random.below(15) };
        self.nodes.pass(u32::try_from(seconds).unwrap());
        if self.one_in(200) {
            let node = usize::try_from(self.random.below(NODES as u64)).unwrap();
            let off = self.difference();
            self.nodes.clocks[node].step_ms(off - self.off[node]);
            self.off[node] = off;
        }
        let (changes, ahead) = (self.one_in(200), self.difference());
        let lives = i64::try_from(1_800 + self.random.below(7_200)).unwrap();
        let several_ends = self.one_in(2);
        let fate = match self.random.below(100) {
            0..3 => Some(Fate::ReplyLost),
            3 => Some(Fate::Fails(503)),
            4 => Some(Fate::Fails(422)),
            5 => Some(Fate::Fails(429)),
            _ => None,
        };
        let mut vendor = self.nodes.http.lock();
        vendor.fates = fate.into_iter().collect();
        if changes {
            vendor.set_clock(ahead);
            (vendor.lives, vendor.several_ends) = (lives, several_ends);
        }
    }

    fn ask(&mut self) -> Ask {
        let nth = self.random.below(40);
        let reference = format!("ref-{nth}");
        let ask = match self.random.below(7) {
            0 => Ask::of_grant("session", &format!("session-{nth}")),
            1 => Ask::of_grant("order", &format!("order-{nth}")),
            2 => Ask::of_grant("access", &reference),
            3 => Ask::of_grant("connection", &reference),
            4 => {
                if self.one_in(4) {
                    let next = self.codes.back().unwrap().trim_start_matches("code-").parse::<u64>().unwrap() + 1;
                    self.codes.push_back(format!("code-{next}"));
                    if self.codes.len() > 6 {
                        self.codes.pop_front();
                    }
                }
                let nth = usize::try_from(self.random.below(self.codes.len() as u64)).unwrap();
                Ask::of_grant("code", &reference).with("code", self.codes[nth].clone())
            }
            _ => {
                let nth = usize::try_from(self.random.below(self.secrets.len() as u64)).unwrap();
                let (ask, secret) = (Ask::of_grant("refresh", &reference), self.secrets[nth].clone());
                if self.one_in(2) {
                    ask.with("refresh_token", secret)
                } else {
                    ask.credential("refresh_token", &secret)
                }
            }
        };
        if self.one_in(30) { ask.fresh() } else { ask }
    }

    /// One call, or several at once. Tokens that another one of them ends were alive.
    async fn step(&mut self) -> usize {
        self.world();
        let count = if self.one_in(20) { 1 + self.random.below(6) } else { 1 };
        let calls_before = self.nodes.calls();
        let mut calls = Vec::new();
        let same = self.ask();
        for _ in 0..count {
            let node = usize::try_from(self.random.below(NODES as u64)).unwrap();
            let ask = if self.one_in(2) { same.clone() } else { self.ask() };
            let engine = self.nodes.engines[node].clone();
            calls.push((node, tokio::spawn(async move { ask.of(&engine).await })));
        }
        let alone = count == 1;
        for (node, call) in calls {
            let outcome = match call.await.unwrap() {
                Ok(answer) => {
                    self.judge(node, &answer, if alone { usize::MAX } else { calls_before });
                    if answer.replayed { "replayed".to_owned() } else { "given".to_owned() }
                }
                Err(error) => {
                    assert!(error.kind != Kind::Internal, "{error:?}");
                    error.kind.label().to_owned()
                }
            };
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        usize::try_from(count).unwrap()
    }

    fn judge(&mut self, node: usize, answer: &Answer, calls_before: usize) {
        let now = self.nodes.now();
        let truth = self.nodes.http.lock().tokens[&answer.token()].clone();
        let left = truth.ends_at - now;
        let dead = left <= 0 || truth.killed_by.is_some_and(|call| call <= calls_before);
        let told = answer.issued.lifetime_seconds().map(|seconds| seconds * 1000);
        let wall = self.nodes.clocks[node].now().as_millisecond();
        let by_moment = answer.issued.expires_at.map(|moment| moment * 1000 - wall);
        let late = [told, by_moment].into_iter().flatten().any(|told| told > left);
        (self.dead, self.late) = (self.dead + usize::from(dead), self.late + usize::from(late));
        if dead || late {
            println!("at {now} on node {node}: {truth:?}, told {told:?} and {by_moment:?}: {:?}", answer.issued);
        }
        for (_, secret) in &answer.issued.token.server_parameters {
            if !self.secrets.iter().any(|known| known == secret.expose()) {
                self.secrets.pop_front();
                self.secrets.push_back(secret.expose().to_owned());
            }
        }
    }
}

async fn simulate(seed: u64, calls: usize) {
    let mut simulation = Simulation::new(seed);
    let mut made = 0;
    while made < calls {
        made += simulation.step().await;
    }
    let days = simulation.nodes.now() / 86_400_000;
    let vendor = simulation.nodes.http.lock();
    let twice = vendor.codes.values().filter(|sent| **sent > 1).count();
    println!(
        "seed {seed}: {made} calls in {days} days, {} vendor calls, {} codes; dead {}, late {}, twice {twice}; {:?}",
        vendor.calls,
        vendor.codes.len(),
        simulation.dead,
        simulation.late,
        simulation.outcomes
    );
    assert_eq!((simulation.dead, simulation.late, twice), (0, 0, 0), "seed {seed}");
    let tokens = simulation.outcomes["given"] + simulation.outcomes["replayed"];
    assert!(tokens > made / 2, "seed {seed}: too few calls got a token");
}

#[tokio::test(start_paused = true)]
async fn no_dead_token_no_late_expiry_and_no_code_sent_twice() {
    for seed in [1, 2] {
        simulate(seed, 500).await;
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "full size"]
async fn no_dead_token_no_late_expiry_and_no_code_sent_twice_full_size() {
    for seed in 1..=5 {
        simulate(seed, 100_000).await;
    }
}
