//! The connection to Redis: its state, the time limit of an operation, and the node's heartbeat.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::store::{
    Fingerprint,
    redis::{
        connection::{Connection, Connector, Numbered},
        scripts::{Names, Scripts, milliseconds},
        status::Status,
        trouble::{Refusal, Trouble, trouble},
    },
    remembered::Remembered,
};

/// The number of steps in which the time for an operation is counted.
const STEPS: u32 = 3;
/// Shortest time limit for the repetition of an operation on a closed connection: the connection
/// must be made again.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// The same, as a multiple of the time limit of an operation: connection, TLS, login and scripts take
/// a round trip each.
const RECONNECT_ROUND_TRIPS: u32 = 6;
/// How often a store in trouble is probed.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// A healthy store gets a heartbeat at every so many of these moments.
const PROBES_PER_HEARTBEAT: u32 = 4;
/// How long a silent node stays on the list, and how long a mark is kept for it.
pub(super) const KEEP_NODE: Duration = Duration::from_secs(24 * 3600);
/// Most operations at a time. The time that further ones wait does not count as the store's.
const MAX_UNDER_WAY: usize = 64;

/// The state that the operations and the heartbeat share.
pub(super) struct Link {
    pub connector: Connector,
    pub status: Status,
    pub up: AtomicBool,
    pub under_way: Semaphore,
    pub scripts: Scripts,
    pub names: Names,
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
}

impl Link {
    pub(super) fn new(connector: Connector, names: Names, timeout: Duration, memory: Option<Arc<Remembered>>) -> Self {
        Self {
            timeout,
            connector,
            names,
            status: Status::new(timeout),
            // Down until the first heartbeat: an absent store must not delay the first calls.
            up: AtomicBool::new(false),
            under_way: Semaphore::new(MAX_UNDER_WAY),
            scripts: Scripts::new(),
            memory: memory.map(|memory| (memory, name())),
            obeyed: Mutex::new("0".into()),
            known_since: Mutex::default(),
            left: AtomicBool::new(false),
        }
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
        let mut probes = 0;
        while let Some(link) = link.upgrade().filter(|link| !link.left.load(Ordering::Relaxed)) {
            let was_up = link.up.load(Ordering::Relaxed);
            probes = if was_up { (probes + 1) % PROBES_PER_HEARTBEAT } else { 0 };
            if probes == 0 {
                let result = if was_up { link.heartbeat_or_reconnect().await } else { link.probe().await };
                match result {
                    Ok(()) => {
                        link.status.healthy();
                        // The marks have been obeyed: a value that was forgotten in the meantime is
                        // not offered to the store again.
                        link.up.store(true, Ordering::Relaxed);
                    }
                    Err(trouble) => {
                        link.lost(&trouble);
                        // The old connection may not have noticed that the peer is gone.
                        link.connector.discard_any();
                    }
                }
            }
            drop(link);
            sleep(PROBE_EVERY).await;
        }
    }

    /// A heartbeat, and a second one where the connection was closed.
    async fn heartbeat_or_reconnect(&self) -> Result<(), Trouble> {
        match self.heartbeat().await {
            Err(trouble) if trouble.may_pass_on_a_new_connection() => {
                self.connector.discard_any();
                self.heartbeat().await
            }
            other => other,
        }
    }

    /// The heartbeats to a store in trouble: the first makes the connection, the second must be as
    /// fast as an operation.
    async fn probe(&self) -> Result<(), Trouble> {
        self.heartbeat_or_reconnect().await?;
        in_time(self.timeout, self.heartbeat()).await.unwrap_or(Err(Trouble::Slow))
    }

    /// Takes the store down, unless it still does other operations.
    pub(super) fn failed(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Busy | Trouble::Lost => {}
            Trouble::Refused(refusal) if refusal.is_partial() => self.status.failed(trouble),
            Trouble::Broken(_) | Trouble::Slow | Trouble::Refused(_) => self.lost(trouble),
        }
    }

    /// Takes the store down.
    fn lost(&self, trouble: &Trouble) {
        self.status.failed(trouble);
        self.up.store(false, Ordering::Relaxed);
    }

    /// Reports this node's name and last mark to the store, and obeys the store's new marks.
    async fn heartbeat(&self) -> Result<(), Trouble> {
        let name = self.memory.as_ref().map_or("", |(_, name)| name);
        loop {
            let obeyed = self.obeyed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut connection = self.connector.connection().await?.connection;
            let mut call = self.scripts.heartbeat.prepare_invoke();
            call.key(&self.names.nodes).key(&self.names.forgotten).arg(name).arg(&obeyed).arg(milliseconds(KEEP_NODE));
            let began = Instant::now();
            let (last, known, fault, marks): (String, bool, String, Vec<String>) =
                call.invoke_async(&mut connection).await.map_err(|error| trouble(&error))?;
            self.status.round_trip(began.elapsed());
            let has_new_marks = last != obeyed;
            if let Some((memory, _)) = &self.memory
                && has_new_marks
            {
                memory.obey(pairs(&marks));
                *self.obeyed.lock().unwrap_or_else(PoisonError::into_inner) = last;
            }
            if !fault.is_empty() {
                let code = fault.trim_start_matches('-').split(' ').next().unwrap_or_default();
                let refusal = Refusal::of(code);
                if !known || !refusal.is_partial() {
                    // A node that is not on the list must not remember: forgetting would not wait
                    // for it.
                    return Err(Trouble::Refused(refusal));
                }
                self.status.failed(&Trouble::Refused(refusal));
                return Ok(());
            }
            if self.memory.is_some() && !known {
                *self.known_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            if self.memory.is_none() || !has_new_marks {
                return Ok(());
            }
        }
    }

    /// Runs an operation within this time. Where the connection was closed, it is made again and the
    /// operation is repeated.
    pub(super) async fn attempt<T, F>(&self, limit: Duration, operation: impl Fn(Connection) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = redis::RedisResult<T>>,
    {
        if let Some(Numbered { number, connection }) = self.connector.current() {
            let first = in_time(limit, operation(connection)).await.ok_or(Trouble::Slow)?;
            match first.map_err(|error| trouble(&error)) {
                Err(trouble) if trouble.may_pass_on_a_new_connection() => self.connector.discard(number),
                other => return other,
            }
        }
        let again = async {
            let connection = self.connector.connection().await?.connection;
            operation(connection).await.map_err(|error| trouble(&error))
        };
        let limit = limit.saturating_mul(RECONNECT_ROUND_TRIPS).max(RECONNECT_TIMEOUT);
        match in_time(limit, again).await {
            Some(result) => result,
            None => Err(Trouble::Broken("the connection was closed, and a new one takes too long".into())),
        }
    }
}

/// The name of this node: the machine, the process, and random digits.
fn name() -> String {
    let random: [u8; 8] = crate::random::bytes();
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
