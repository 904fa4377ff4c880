//! The connection to Redis: whether it is up, what an operation on it may cost, and the node's
//! heartbeat.

use std::{
    collections::HashMap,
    future::Future,
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

use super::scripts::{FORGOTTEN, NODES, RIGHTS, Scripts, milliseconds};
use crate::store::{Fingerprint, remembered::Remembered};

/// Longest that one operation may take: what a store in trouble can cost a call.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_millis(15);
/// In how many steps that time is counted.
const STEPS: u32 = 3;
/// Longest that it may take once more where the connection was closed and has to be made first.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// How often a store in trouble is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// A store that is well gets a heartbeat at every so many of these times.
const PROBES_PER_HEARTBEAT: u32 = 4;
/// For how long a node that is not heard of any more is waited for, and a mark is kept for it.
pub(super) const KEEP_NODE: Duration = Duration::from_secs(24 * 3600);
/// How often a refusal that lasts is logged.
const REFUSAL_EVERY: Duration = Duration::from_secs(60);
/// Most operations under way at a time: in a rush the others wait, which is not held against the
/// store.
const MAX_UNDER_WAY: usize = 64;

/// Codes of Redis' errors that a metric may carry. Others are counted together.
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
    /// The connection is gone.
    Broken,
    /// No answer in time.
    Slow,
    /// The store answered, and will not: one of [`CODES`].
    Refused(&'static str),
    /// Too many operations are ahead of this one.
    Busy,
    /// The store is known to be in trouble.
    Lost,
}

/// What the operations and the heartbeat share.
pub(super) struct Link {
    client: Client,
    connection: Mutex<ConnectionManager>,
    pub up: AtomicBool,
    pub under_way: Semaphore,
    pub scripts: Scripts,
    /// What the node remembers, and its name. Nothing where it does not remember: then nobody has
    /// to wait for it.
    memory: Option<(Arc<Remembered>, String)>,
    /// The last mark that the memory has obeyed.
    obeyed: Mutex<String>,
    /// Since when the store has known this node.
    known_since: Mutex<Option<Instant>>,
    left: AtomicBool,
    refusal: Mutex<Option<(&'static str, Instant)>>,
}

impl Link {
    /// To be made inside the store's runtime.
    pub fn new(client: Client, memory: Option<Arc<Remembered>>) -> RedisResult<Self> {
        Ok(Self {
            connection: Mutex::new(connect(&client)?),
            client,
            // Down until the first heartbeat: a store that is not there must not delay the first
            // calls.
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

    pub fn connection(&self) -> ConnectionManager {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Under what name the store knows this node, and since when.
    pub fn known(&self) -> Option<(&str, Option<Instant>)> {
        let (_, name) = self.memory.as_ref()?;
        Some((name, *self.known_since.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// No heartbeat from here on.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.up.store(false, Ordering::Relaxed);
    }

    /// Heartbeats while the store is well, probes while it is not, until the link is dropped.
    pub async fn watch(link: Weak<Self>) {
        let (mut missed, mut probes) = (false, 0);
        while let Some(link) = link.upgrade().filter(|link| !link.left.load(Ordering::Relaxed)) {
            let was_up = link.up.load(Ordering::Relaxed);
            probes = if was_up { (probes + 1) % PROBES_PER_HEARTBEAT } else { 0 };
            if probes == 0 {
                match link.probe(was_up).await {
                    Ok(()) if !was_up => {
                        if missed {
                            tracing::info!("the store is back");
                        }
                        // Not before the marks were obeyed: what was forgotten meanwhile is not
                        // offered to the store again.
                        link.up.store(true, Ordering::Relaxed);
                    }
                    Ok(()) => {}
                    Err(trouble) => link.fell_out(trouble, was_up),
                }
                missed = true;
            }
            drop(link);
            sleep(PROBE_EVERY).await;
        }
    }

    /// A heartbeat. From a store in trouble also another one, in time: the first has made the
    /// connection.
    async fn probe(&self, was_up: bool) -> Result<(), Trouble> {
        match self.heartbeat().await {
            Err(Trouble::Broken) => self.heartbeat().await?,
            other => other?,
        }
        match was_up {
            true => Ok(()),
            false => in_time(OPERATION_TIMEOUT, self.heartbeat()).await.unwrap_or(Err(Trouble::Slow)),
        }
    }

    fn fell_out(&self, trouble: Trouble, was_up: bool) {
        match trouble {
            Trouble::Refused(code) => self.refused(code),
            Trouble::Slow => self.lost("slow"),
            Trouble::Broken | Trouble::Busy | Trouble::Lost => self.lost("broken"),
        }
        self.up.store(false, Ordering::Relaxed);
        if !was_up && let Ok(new) = connect(&self.client) {
            // The old one may be dead without knowing it, or keep the error that it met when it was
            // made.
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    /// Tells the store that this node lives and what it has forgotten, and forgets what the store
    /// says.
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
            let told_anew = last != obeyed;
            if told_anew {
                memory.obey(pairs(&marks));
                *self.obeyed.lock().unwrap_or_else(PoisonError::into_inner) = last;
            }
            if !fault.is_empty() {
                let code = known_code(fault.trim_start_matches('-').split(' ').next().unwrap_or_default());
                if !known {
                    // Who is not on the list must not remember what others may forget.
                    return Err(Trouble::Refused(code));
                }
                self.refused(code);
                return Ok(());
            }
            if !known {
                *self.known_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            if !told_anew {
                return Ok(());
            }
        }
    }

    pub fn lost(&self, how: &str) {
        if self.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(how, "the store is in trouble; tokens are made without it");
        }
    }

    /// Logs and counts a refusal: not at each call, while it is the same.
    pub fn refused(&self, code: &'static str) {
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

/// The machine's name, the process, and something that no other node has.
fn name() -> String {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = if machine.trim().is_empty() { "node" } else { machine.trim() };
    format!("{machine}/{}/{}", std::process::id(), super::scripts::hex(&random))
}

fn pairs(marks: &[String]) -> HashMap<Fingerprint, u64> {
    let pair = |pair: &[String]| match pair {
        [fingerprint, mark] => Some((fingerprint.parse().ok()?, mark.parse().ok()?)),
        _ => None,
    };
    marks.chunks(2).filter_map(pair).collect()
}

/// Does an operation within this time. Where the connection turns out to be closed, it is made anew
/// and the operation repeated.
pub(super) async fn attempt<T, F>(limit: Duration, operation: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = RedisResult<T>>,
{
    let first = in_time(limit, operation()).await.ok_or(Trouble::Slow)?.map_err(|error| trouble(&error));
    match first {
        Err(Trouble::Broken) => match in_time(RECONNECT_TIMEOUT, operation()).await {
            Some(second) => second.map_err(|error| trouble(&error)),
            None => Err(Trouble::Broken),
        },
        other => other,
    }
}

/// The operation's result, if it comes in time.
async fn in_time<T>(limit: Duration, operation: impl Future<Output = T>) -> Option<T> {
    let too_late = async {
        // In steps: on a machine where everybody waits to be let run, this thread is late for each
        // of them as the store is.
        for _ in 0..STEPS {
            sleep(limit / STEPS).await;
        }
        // Where this thread was not let run, the answer may lie in the socket: read it first.
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

/// Whether the store is gone, or is there and said no.
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
