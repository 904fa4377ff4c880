//! What all fakes share: the clock, a state each, the list of requests seen, and the way from a path to a fake.

use crate::{
    VENDORS,
    fault::{FAULTS, Fault},
    vendor::{Answer, Request, Switch},
    vendor_state::VendorState,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Requests that are remembered.
const SEEN: usize = 1_000;
/// The clock goes no further than about a hundred years ahead: dates stay writable.
const FAR_SECONDS: i64 = 100 * 365 * 86_400;

#[derive(Default)]
struct Seen {
    last: VecDeque<(String, Value)>,
    answered: BTreeMap<String, u64>,
}

pub(crate) struct SandboxState {
    ahead_seconds: AtomicI64,
    desks: Vec<Mutex<VendorState>>,
    seen: Mutex<Seen>,
    faults: Mutex<BTreeMap<&'static str, Fault>>,
}

impl Default for SandboxState {
    fn default() -> Self {
        let random = RandomState::new();
        let desks = VENDORS.iter().map(|it| Mutex::new(VendorState::new(random.hash_one(it.name), 0))).collect();
        Self { ahead_seconds: AtomicI64::new(0), desks, seen: Mutex::default(), faults: Mutex::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SandboxState {
    pub(crate) fn now(&self) -> i64 {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(system).unwrap_or(i64::MAX).saturating_add(self.ahead_seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, seconds: u32) {
        let further = |ahead: i64| Some(ahead.saturating_add(seconds.into()).min(FAR_SECONDS));
        let _before = self.ahead_seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, further);
    }

    pub(crate) fn answered(&self, connector: &str) -> u64 {
        lock(&self.seen).answered.get(connector).copied().unwrap_or_default()
    }

    /// Whether the credentials ask for a slow answer.
    pub(crate) fn is_slow(&self, request: &Request) -> bool {
        VENDORS.iter().zip(&self.desks).any(|(processor, state)| {
            processor.name == request.connector && processor.switch(request, &lock(state)) == Some(Switch::Slow)
        })
    }

    /// Breaks a processor, or mends it.
    ///
    /// # Errors
    /// Where there is no such processor.
    pub(crate) fn set_fault(&self, connector: &str, fault: Option<Fault>) -> Result<(), String> {
        let processor = crate::fake_vendor(connector).ok_or_else(|| format!("no such processor: {connector}"))?;
        let mut faults = lock(&self.faults);
        match fault {
            Some(fault) => faults.insert(processor.name, fault),
            None => faults.remove(processor.name),
        };
        Ok(())
    }

    /// How a connector's processor is broken now.
    pub(crate) fn fault(&self, connector: &str) -> Option<Fault> {
        lock(&self.faults).get(connector).copied()
    }

    /// Notes a request that got no answer of a vendor.
    pub(crate) fn unanswered(&self, request: &Request, status: u16) {
        self.see(request, status);
    }

    pub(crate) fn answer(&self, request: &Request) -> Answer {
        if request.connector == "_sandbox" {
            return self.own(request);
        }
        let found = VENDORS.iter().zip(&self.desks).find(|(processor, _)| processor.name == request.connector);
        let Some((processor, state)) = found else {
            let names: Vec<_> = VENDORS.iter().map(|processor| processor.name).collect();
            return Answer::json(404, &json!({"error": "no such processor", "processors": names}));
        };
        let mut state = lock(state);
        state.now = self.now();
        let answer = match self.fault(processor.name) {
            Some(Fault::Status(429)) => (processor.failure)(429, &mut state).with("retry-after", "7"),
            Some(Fault::Status(status)) => (processor.failure)(status, &mut state),
            Some(Fault::Garbage) => Answer::of(200, "application/json", "{\"id\": \"cut off he".to_owned()),
            Some(Fault::Empty) => Answer::of(200, "application/json", String::new()),
            Some(Fault::Redirect) => Answer::text(302, "elsewhere").with("location", "https://elsewhere.invalid/"),
            Some(Fault::Slow(_) | Fault::Reset | Fault::Hang) | None => processor.answer(request, &mut state),
        };
        drop(state);
        self.see(request, answer.status);
        answer
    }

    fn see(&self, request: &Request, status: u16) {
        let line =
            json!({"connector": request.connector, "method": request.method, "path": request.path, "status": status});
        let mut seen = lock(&self.seen);
        *seen.answered.entry(request.connector.clone()).or_default() += 1;
        seen.last.push_back((request.connector.clone(), line));
        if seen.last.len() > SEEN {
            seen.last.pop_front();
        }
    }

    /// The sandbox's own paths.
    fn own(&self, request: &Request) -> Answer {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/clock") => self.clock(),
            ("POST", "/clock") => {
                let body = request.json().unwrap_or_default();
                let seconds = body.get("advance_seconds").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
                let Some(seconds) = seconds else {
                    return Answer::json(
                        400,
                        &json!({"error": "advance_seconds must be a whole number from 0 to 4294967295"}),
                    );
                };
                self.advance(seconds);
                self.clock()
            }
            ("GET", "/seen") => {
                let wanted = request.query.value("connector");
                let seen = lock(&self.seen);
                let last = seen.last.iter().filter(|(connector, _)| wanted.is_none_or(|wanted| wanted == connector));
                let last: Vec<&Value> = last.map(|(_, line)| line).collect();
                Answer::json(200, &json!({"answered": seen.answered, "requests": last}))
            }
            ("GET", "/fault") => self.faults(),
            ("POST", "/fault") => match self.turn(&request.json().unwrap_or_default()) {
                Ok(()) => self.faults(),
                Err(error) => Answer::json(400, &json!({"error": error})),
            },
            _ => Answer::json(
                404,
                &json!({"error": "the sandbox has GET and POST /_sandbox/clock and /_sandbox/fault, and GET /_sandbox/seen"}),
            ),
        }
    }

    /// `{"connector": "stripe", "fault": "status_503"}`, or `null` for none.
    fn turn(&self, body: &Value) -> Result<(), String> {
        let connector = body.get("connector").and_then(Value::as_str).ok_or("connector must be a processor's name")?;
        let fault = match body.get("fault") {
            Some(Value::Null) => None,
            Some(Value::String(fault)) => Some(fault.parse()?),
            _ => return Err(format!("fault must be null or one of {FAULTS}")),
        };
        self.set_fault(connector, fault)
    }

    fn faults(&self) -> Answer {
        let faults: BTreeMap<_, _> =
            lock(&self.faults).iter().map(|(name, fault)| (*name, fault.to_string())).collect();
        Answer::json(200, &json!({"faults": faults}))
    }

    fn clock(&self) -> Answer {
        let ahead = self.ahead_seconds.load(Ordering::Relaxed);
        Answer::json(200, &json!({"now": self.now(), "advanced_seconds": ahead}))
    }
}
