//! The engine with a scripted connector, and clocks that tests move by hand.

mod request;
mod script;
mod spy;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use connectors::Result;
use daypass::{Clock, Engine, Keyring, ManualClock, MemoryStore, Settings};
use tokio::sync::Semaphore;

pub(crate) use request::{TestAnswer, TestRequest};
pub(crate) use script::{START_MS, holder_and_expiry, ms};

use script::{Script, ScriptedHttp};
use spy::Spy;

pub(crate) struct ScriptedEngine {
    pub engine: Arc<Engine<ScriptedHttp>>,
    pub script: Arc<Script>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<Spy>,
}

pub(crate) fn ring(bytes: &[u8]) -> Keyring {
    let mut keys = bytes.iter().map(|byte| connectors::Secret::from(STANDARD.encode([*byte; 32])));
    let current = keys.next().unwrap();
    Keyring::configured(&current, &keys.collect::<Vec<_>>()).unwrap()
}

impl ScriptedEngine {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at_ms(START_MS));
        Self::with(clock.clone(), clock)
    }

    /// With leases on the machine's clock.
    pub(crate) fn with_running_leases() -> Self {
        Self::with(Arc::new(ManualClock::at_ms(START_MS)), Arc::new(daypass::SystemClock::default()))
    }

    fn with(clock: Arc<ManualClock>, of_store: Arc<dyn Clock>) -> Self {
        let script = Arc::new(Script {
            clock: clock.clone(),
            calls: AtomicUsize::new(0),
            expires_in: AtomicI64::new(3600),
            status: AtomicU16::new(200),
            takes_ms: AtomicI64::new(0),
            steps_ms: AtomicI64::new(0),
            ahead_ms: AtomicI64::new(0),
            panics: AtomicUsize::new(0),
            next: Mutex::default(),
            gated: AtomicBool::new(false),
            gate: Semaphore::new(0),
            known: Mutex::default(),
        });
        let store = Arc::new(Spy {
            inner: MemoryStore::new(of_store),
            seen: Mutex::default(),
            alter: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let engine = engine(&script, &store, Settings::default(), &[1]);
        Self { engine, script, clock, store }
    }

    /// Another node on the same store, with these settings and keys.
    pub(crate) fn node(&self, settings: Settings, keys: &[u8]) -> Self {
        let engine = engine(&self.script, &self.store, settings, keys);
        Self { engine, script: self.script.clone(), clock: self.clock.clone(), store: self.store.clone() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.script.calls.load(SeqCst)
    }

    /// Waits until the connector was called this number of times. Paused time passes only while no
    /// task runs.
    pub(crate) async fn until_called(&self, calls: usize) {
        while self.calls() < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn ask(&self, ask: &TestRequest) -> Result<TestAnswer> {
        ask.of(&self.engine).await
    }
}

fn engine(script: &Arc<Script>, store: &Arc<Spy>, settings: Settings, keys: &[u8]) -> Arc<Engine<ScriptedHttp>> {
    Arc::new(Engine::new(settings, ScriptedHttp(script.clone()), script.clock.clone(), store.clone(), ring(keys)))
}
