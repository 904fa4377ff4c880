//! The state that all fakes share: the clock, a [`VendorState`] each, the faults and the last
//! requests. It also answers the sandbox's own paths below `/_sandbox`.
//!
//! The listener calls it; it uses no sockets.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultError},
    http::{Answer, Request},
    vendor::{FakeVendor, Switch},
    vendor_state::VendorState,
    vendors::{VENDORS, fake_vendor},
};

/// The number of requests that `/_sandbox/seen` lists.
const MAX_SEEN: usize = 1_000;
/// The limit of the clock's offset: 100 years, so that the fakes can still write dates.
const MAX_OFFSET_SECONDS: i64 = 100 * 365 * 86_400;

#[derive(Default)]
struct Seen {
    last: VecDeque<(String, Value)>,
    answered: BTreeMap<String, u64>,
}

pub(crate) struct SandboxState {
    offset_seconds: AtomicI64,
    vendors: Vec<(&'static FakeVendor, Mutex<VendorState>)>,
    seen: Mutex<Seen>,
    faults: Mutex<BTreeMap<&'static str, Fault>>,
}

impl Default for SandboxState {
    fn default() -> Self {
        let random = RandomState::new();
        let with_state =
            |vendor: &&'static FakeVendor| (*vendor, Mutex::new(VendorState::new(random.hash_one(vendor.name), 0)));
        Self {
            offset_seconds: AtomicI64::new(0),
            vendors: VENDORS.iter().map(with_state).collect(),
            seen: Mutex::default(),
            faults: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SandboxState {
    pub(crate) fn now(&self) -> i64 {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(system).unwrap_or(i64::MAX).saturating_add(self.offset_seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, seconds: u32) {
        let later = |offset: i64| Some(offset.saturating_add(seconds.into()).min(MAX_OFFSET_SECONDS));
        let _before = self.offset_seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// Sets the offset of the clock to this many seconds.
    pub(crate) fn set_ahead(&self, seconds: u32) {
        self.offset_seconds.store(i64::from(seconds).min(MAX_OFFSET_SECONDS), Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, connector: &str) -> u64 {
        lock(&self.seen).answered.get(connector).copied().unwrap_or_default()
    }

    fn vendor(&self, name: &str) -> Option<&(&'static FakeVendor, Mutex<VendorState>)> {
        self.vendors.iter().find(|(vendor, _)| vendor.name == name)
    }

    /// Whether the credentials ask for a slow answer.
    pub(crate) fn is_slow(&self, request: &Request) -> bool {
        self.vendor(&request.connector)
            .is_some_and(|(vendor, state)| vendor.switch(request, &lock(state)) == Some(Switch::Slow))
    }

    /// Sets the fault of a fake; `None` removes it.
    ///
    /// # Errors
    /// [`FaultError::UnknownConnector`] if there is no fake of that name.
    pub(crate) fn set_fault(&self, connector: &str, fault: Option<Fault>) -> Result<(), FaultError> {
        let vendor = fake_vendor(connector).ok_or_else(|| FaultError::UnknownConnector(connector.to_owned()))?;
        let mut faults = lock(&self.faults);
        match fault {
            Some(fault) => faults.insert(vendor.name, fault),
            None => faults.remove(vendor.name),
        };
        Ok(())
    }

    /// The fault of a connector's fake.
    pub(crate) fn fault(&self, connector: &str) -> Option<Fault> {
        lock(&self.faults).get(connector).copied()
    }

    /// Records a request that gets no answer; its status is 0.
    pub(crate) fn record_without_answer(&self, request: &Request) {
        self.record(request, 0);
    }

    pub(crate) fn answer(&self, request: &Request) -> Answer {
        if request.connector == "_sandbox" {
            return self.own(request);
        }
        let Some((vendor, state)) = self.vendor(&request.connector) else {
            let names: Vec<_> = VENDORS.iter().map(|vendor| vendor.name).collect();
            return Answer::json(404, &json!({"error": "no such processor", "processors": names}));
        };
        let mut state = lock(state);
        state.now = self.now();
        let answer = match self.fault(vendor.name) {
            Some(Fault::Status(status)) => vendor.fail(status, &mut state),
            Some(Fault::Garbage) => Answer::garbage(),
            Some(Fault::Empty) => Answer::of(200, "application/json", String::new()),
            Some(Fault::Redirect) => Answer::text(302, "elsewhere").with("location", "https://elsewhere.invalid/"),
            Some(Fault::Slow(_) | Fault::Reset | Fault::Hang) | None => vendor.answer(request, &mut state),
        };
        drop(state);
        self.record(request, answer.status);
        answer
    }

    fn record(&self, request: &Request, status: u16) {
        let line =
            json!({"connector": request.connector, "method": request.method, "path": request.path, "status": status});
        let mut seen = lock(&self.seen);
        *seen.answered.entry(request.connector.clone()).or_default() += 1;
        seen.last.push_back((request.connector.clone(), line));
        if seen.last.len() > MAX_SEEN {
            seen.last.pop_front();
        }
    }

    /// The sandbox's own paths.
    fn own(&self, request: &Request) -> Answer {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/clock") => self.clock(),
            ("POST", "/clock") => self.advance_clock(&request.json().unwrap_or_default()),
            ("GET", "/seen") => self.list_seen(request.query.value("connector")),
            ("GET", "/fault") => self.list_faults(),
            ("POST", "/fault") => match self.change_fault(&request.json().unwrap_or_default()) {
                Ok(()) => self.list_faults(),
                Err(error) => Answer::json(400, &json!({"error": error.to_string()})),
            },
            _ => Answer::json(
                404,
                &json!({"error": "the sandbox has GET and POST /_sandbox/clock and /_sandbox/fault, and GET /_sandbox/seen"}),
            ),
        }
    }

    /// `{"connector": "stripe", "fault": "status_503"}`, or `null` for none.
    fn change_fault(&self, body: &Value) -> Result<(), FaultError> {
        let connector = body.get("connector").and_then(Value::as_str).ok_or(FaultError::NoConnector)?;
        let fault = match body.get("fault") {
            Some(Value::Null) => None,
            Some(Value::String(fault)) => Some(fault.parse()?),
            _ => return Err(FaultError::NoFault),
        };
        self.set_fault(connector, fault)
    }

    fn list_faults(&self) -> Answer {
        let faults: BTreeMap<_, _> =
            lock(&self.faults).iter().map(|(name, fault)| (*name, fault.to_string())).collect();
        Answer::json(200, &json!({"faults": faults}))
    }

    fn list_seen(&self, connector: Option<&str>) -> Answer {
        let seen = lock(&self.seen);
        let last = seen.last.iter().filter(|(name, _)| connector.is_none_or(|connector| connector == name));
        let last: Vec<&Value> = last.map(|(_, line)| line).collect();
        Answer::json(200, &json!({"answered": seen.answered, "requests": last}))
    }

    fn clock(&self) -> Answer {
        let offset = self.offset_seconds.load(Ordering::Relaxed);
        Answer::json(200, &json!({"now": self.now(), "advanced_seconds": offset}))
    }

    fn advance_clock(&self, body: &Value) -> Answer {
        let seconds = body.get("advance_seconds").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
        let Some(seconds) = seconds else {
            let message = "advance_seconds must be a whole number from 0 to 4294967295";
            return Answer::json(400, &json!({"error": message}));
        };
        self.advance(seconds);
        self.clock()
    }
}
