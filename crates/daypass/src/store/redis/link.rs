//! The connection to Redis: its state, the time limit of an operation, and the node's heartbeat.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, ErrorKind, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::store::{
    Fingerprint,
    redis::scripts::{FORGOTTEN, NODES, RIGHTS, Scripts, milliseconds},
    remembered::Remembered,
};

/// The number of steps in which the time for an operation is counted.
const STEPS: u32 = 3;
/// Shortest time limit for the repetition of an operation on a closed connection: the connection
/// must be made again.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// How often a store in trouble is probed.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// A healthy store gets a heartbeat at every so many of these moments.
const PROBES_PER_HEARTBEAT: u32 = 4;
/// How long a silent node stays on the list, and how long a mark is kept for it.
pub(super) const KEEP_NODE: Duration = Duration::from_secs(24 * 3600);
/// How often a lasting refusal is logged.
const REFUSAL_EVERY: Duration = Duration::from_secs(60);
/// Most operations at a time. The time that further ones wait does not count as the store's.
const MAX_UNDER_WAY: usize = 64;

/// The error codes of Redis that a metric may carry. All others are counted as one.
const CODES: [&str; 16] = [
    "ERR",
    "NOPERM",
    "NOAUTH",
    "WRONGPASS",
    "READONLY",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "TRYAGAIN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "BUSY",
];

/// Why an operation was not done.
#[derive(Clone, Copy)]
pub(super) enum Trouble {
    /// The connection broke.
    Broken,
    /// No answer in time.
    Slow,
    /// The store answered with an error code, one of [`CODES`].
    Refused(&'static str),
    /// Too many operations were ahead of this one.
    Busy,
    /// The store is down.
    Lost,
}

/// The state that the operations and the heartbeat share.
pub(super) struct Link {
    client: Client,
    connection: Mutex<ConnectionManager>,
    pub up: AtomicBool,
    pub under_way: Semaphore,
    pub scripts: Scripts,
    /// Longest time for one operation: a store in trouble delays a call by this much at most.
    pub timeout: Duration,
    /// The node's memory and its name. `None` where the node has no memory: forgetting does not
    /// wait for it.
    memory: Option<(Arc<Remembered>, String)>,
    /// The last mark that the memory has obeyed.
    obeyed: Mutex<String>,
    /// When the store first listed this node.
    known_since: Mutex<Option<Instant>>,
    left: AtomicBool,
    refusal: Mutex<Option<(&'static str, Instant)>>,
}

impl Link {
    /// Must be called inside the store's runtime.
    pub(super) fn new(client: Client, timeout: Duration, memory: Option<Arc<Remembered>>) -> RedisResult<Self> {
        Ok(Self {
            timeout,
            connection: Mutex::new(connect(&client)?),
            client,
            // Down until the first heartbeat: an absent store must not delay the first calls.
            up: AtomicBool::new(false),
            under_way: Semaphore::new(MAX_UNDER_WAY),
            scripts: Scripts::new(),
            memory: memory.map(|memory| (memory, name())),
            obeyed: Mutex::new("0".into()),
            known_since: Mutex::default(),
            left: AtomicBool::new(false),
            refusal: Mutex::default(),
        })
    }

    pub(super) fn connection(&self) -> ConnectionManager {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of this node in the store, and when the store first listed it.
    pub(super) fn known(&self) -> Option<(&str, Option<Instant>)> {
        let (_, name) = self.memory.as_ref()?;
        Some((name, *self.known_since.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Ends the heartbeat.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.up.store(false, Ordering::Relaxed);
    }

    /// Sends heartbeats while the store is healthy and probes while it is not, until the link is
    /// dropped.
    pub(super) async fn watch(link: Weak<Self>) {
        let (mut missed, mut probes) = (false, 0);
        while let Some(link) = link.upgrade().filter(|link| !link.left.load(Ordering::Relaxed)) {
            let was_up = link.up.load(Ordering::Relaxed);
            probes = if was_up { (probes + 1) % PROBES_PER_HEARTBEAT } else { 0 };
            if probes == 0 {
                let result = if was_up { link.heartbeat_or_reconnect().await } else { link.probe().await };
                match result {
                    Ok(()) if !was_up => {
                        if missed {
                            tracing::info!("the store is back");
                        }
                        // The marks have been obeyed: a value that was forgotten in the meantime is
                        // not offered to the store again.
                        link.up.store(true, Ordering::Relaxed);
                    }
                    Ok(()) => {}
                    Err(trouble) => {
                        link.failed(trouble);
                        if !was_up {
                            link.reconnect();
                        }
                    }
                }
                missed = true;
            }
            drop(link);
            sleep(PROBE_EVERY).await;
        }
    }

    /// A heartbeat, and a second one where the connection was closed.
    async fn heartbeat_or_reconnect(&self) -> Result<(), Trouble> {
        match self.heartbeat().await {
            Err(Trouble::Broken) => self.heartbeat().await,
            other => other,
        }
    }

    /// The heartbeats to a store in trouble: the first makes the connection, the second must be as
    /// fast as an operation.
    async fn probe(&self) -> Result<(), Trouble> {
        self.heartbeat_or_reconnect().await?;
        in_time(self.timeout, self.heartbeat()).await.unwrap_or(Err(Trouble::Slow))
    }

    /// Takes the store down.
    fn failed(&self, trouble: Trouble) {
        match trouble {
            Trouble::Refused(code) => self.refused(code),
            Trouble::Slow => self.lost("slow"),
            Trouble::Broken | Trouble::Busy | Trouble::Lost => self.lost("broken"),
        }
        self.up.store(false, Ordering::Relaxed);
    }

    /// Replaces the connection. The old one may not have noticed that the peer is gone, or it
    /// repeats the error of its creation.
    fn reconnect(&self) {
        if let Ok(new) = connect(&self.client) {
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    /// Reports this node's name and last mark to the store, and obeys the store's new marks.
    async fn heartbeat(&self) -> Result<(), Trouble> {
        let name = self.memory.as_ref().map_or("", |(_, name)| name);
        loop {
            let obeyed = self.obeyed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut connection = self.connection();
            let mut call = self.scripts.heartbeat.prepare_invoke();
            call.key(NODES).key(FORGOTTEN).arg(name).arg(&obeyed).arg(milliseconds(KEEP_NODE));
            let (last, known, fault, marks): (String, bool, String, Vec<String>) =
                call.invoke_async(&mut connection).await.map_err(|error| trouble(&error))?;
            let Some((memory, _)) = &self.memory else { return Ok(()) };
            let has_new_marks = last != obeyed;
            if has_new_marks {
                memory.obey(pairs(&marks));
                *self.obeyed.lock().unwrap_or_else(PoisonError::into_inner) = last;
            }
            if !fault.is_empty() {
                let code = known_code(fault.trim_start_matches('-').split(' ').next().unwrap_or_default());
                if !known {
                    // A node that is not on the list must not remember: forgetting would not wait
                    // for it.
                    return Err(Trouble::Refused(code));
                }
                self.refused(code);
                return Ok(());
            }
            if !known {
                *self.known_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            if !has_new_marks {
                return Ok(());
            }
        }
    }

    /// Takes the store down, and logs it once.
    pub(super) fn lost(&self, how: &str) {
        if self.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(how, "the store is in trouble; tokens are made without it");
        }
    }

    /// Counts a refusal, and logs it where it is a new one.
    pub(super) fn refused(&self, code: &'static str) {
        metrics::counter!("daypass_store_refusals_total", "code" => code).increment(1);
        let mut last = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|(last, at)| last == code && at.elapsed() < REFUSAL_EVERY) {
            return;
        }
        *last = Some((code, Instant::now()));
        match code {
            "NOPERM" => tracing::warn!(code, needs = RIGHTS, "the store refuses; tokens are made without it"),
            _ => tracing::warn!(code, "the store refuses; tokens are made without it"),
        }
    }
}

fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(1)))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// The name of this node: the machine, the process, and random digits.
fn name() -> String {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = if machine.trim().is_empty() { "node" } else { machine.trim() };
    format!("{machine}/{}/{}", std::process::id(), hex::encode(random))
}

/// The marks by credentials, from the list of a heartbeat.
fn pairs(marks: &[String]) -> HashMap<Fingerprint, u64> {
    let pair = |pair: &[String]| match pair {
        [fingerprint, mark] => Some((fingerprint.parse().ok()?, mark.parse().ok()?)),
        _ => None,
    };
    marks.chunks(2).filter_map(pair).collect()
}

/// Runs an operation within this time. Where the connection was closed, it is made again and the
/// operation is repeated.
pub(super) async fn attempt<T, F>(limit: Duration, operation: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = RedisResult<T>>,
{
    let first = in_time(limit, operation()).await.ok_or(Trouble::Slow)?.map_err(|error| trouble(&error));
    match first {
        Err(Trouble::Broken) => match in_time(limit.max(RECONNECT_TIMEOUT), operation()).await {
            Some(second) => second.map_err(|error| trouble(&error)),
            None => Err(Trouble::Broken),
        },
        other => other,
    }
}

/// The operation's result. `None` where it comes too late.
async fn in_time<T>(limit: Duration, operation: impl Future<Output = T>) -> Option<T> {
    let too_late = async {
        // In steps: on an overloaded machine this thread is late at each step, and the store gets
        // as much more time.
        for _ in 0..STEPS {
            sleep(limit / STEPS).await;
        }
        // While this thread did not run, the reply may have reached the socket: read it first.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        result = operation => Some(result),
        () = too_late => None,
    }
}

/// The kind of trouble behind an error of the client.
fn trouble(error: &RedisError) -> Trouble {
    match (error.code(), error.kind()) {
        (Some(code), _) => Trouble::Refused(known_code(code)),
        (None, ErrorKind::AuthenticationFailed) => Trouble::Refused("WRONGPASS"),
        (None, _) if error.is_timeout() => Trouble::Slow,
        (None, _) => Trouble::Broken,
    }
}

fn known_code(code: &str) -> &'static str {
    CODES.into_iter().find(|known| *known == code).unwrap_or("other")
}
