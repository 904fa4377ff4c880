//! The audit log: one line for each call, in a chain that shows a line that was changed, removed,
//! moved or repeated. Uses `chain` and `writer`. Used by `access_log`, which has a line written when
//! a call ends, by `rpc` and `listen`, which hand it on, by `server`, and by the command `audit`.

pub(crate) mod chain;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use connectors::{Error, Kind, Secret};
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout};

use chain::AuditKey;
use writer::{Job, Writer};

/// Most lines that wait for the file.
const MAX_WAITING: usize = 4096;
/// Longest time that a call waits for its line.
const WRITE_TIME: Duration = Duration::from_secs(1);

/// Settings of the audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The file. Absent: there is no audit log.
    pub file: Option<PathBuf>,
    /// The key of the chain and of the references' names: 32 bytes as base64 or hex. Needed with a
    /// file.
    pub key: Option<Secret>,
    /// What becomes of a call whose line cannot be written.
    pub on_failure: OnFailure,
    /// The file is put aside when it is so long, under its name with the number of its first line.
    /// Bytes.
    pub max_bytes: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { file: None, key: None, on_failure: OnFailure::Refuse, max_bytes: 256 * 1024 * 1024 }
    }
}

/// What becomes of a call whose line cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is refused.
    Refuse,
    /// It goes on, and the line is lost.
    Continue,
}

/// An audit log that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// There is a file and no key.
    #[error("audit.key: needed with audit.file; `openssl rand -base64 32` makes one")]
    NoKey,
    /// The key is malformed.
    #[error("audit.key: must be 32 bytes, as base64 or as 64 hex digits")]
    NotAKey,
    /// The files are too small.
    #[error("audit.max_bytes: must be at least 65536")]
    TooSmall,
    /// The file cannot be used.
    #[error("audit.file: {0}")]
    File(String),
}

impl AuditConfig {
    /// The key.
    ///
    /// # Errors
    /// There is none, or it is malformed.
    pub(crate) fn key(&self) -> Result<AuditKey, AuditError> {
        let key = self.key.as_ref().ok_or(AuditError::NoKey)?;
        daypass::decode_key(key.expose()).map(|key| AuditKey::of(&key)).ok_or(AuditError::NotAKey)
    }

    /// The fault of these settings.
    pub(crate) fn fault(&self) -> Option<AuditError> {
        self.file.as_ref()?;
        if self.max_bytes < 65536 {
            return Some(AuditError::TooSmall);
        }
        self.key().err()
    }
}

/// What a line says about a call.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The caller's name.
    pub caller: Option<&'a str>,
    /// The credential profile.
    pub profile: Option<&'a str>,
    /// The connector.
    pub connector: Option<&'static str>,
    /// The grant.
    pub grant: Option<&'static str>,
    /// The party that may hold the token.
    pub audience: Option<&'static str>,
    /// Test or live.
    pub mode: Option<&'static str>,
    /// The keyed hash of the reference.
    pub reference: Option<&'a str>,
    /// Fingerprints of the credentials.
    pub credentials: Option<&'a str>,
    /// Whether the reference received this token before.
    pub replayed: bool,
    /// `SUCCESS`, or the kind of the error.
    pub outcome: &'static str,
}

/// The audit log of this process.
pub(crate) struct AuditLog {
    key: AuditKey,
    on_failure: OnFailure,
    queue: SyncSender<Job>,
    /// The last line could not be written.
    failing: Arc<AtomicBool>,
}

impl AuditLog {
    /// Opens the file and starts the thread that writes it. `None` without a file.
    ///
    /// # Errors
    /// The settings are faulty, or the file cannot be used.
    pub(crate) fn start(config: &AuditConfig) -> Result<Option<Arc<Self>>, AuditError> {
        let Some(file) = &config.file else { return Ok(None) };
        let failing = Arc::new(AtomicBool::new(false));
        let (queue, jobs) = sync_channel(MAX_WAITING);
        let writer = Writer::open(file, config.key()?, config.max_bytes, failing.clone()).map_err(AuditError::File)?;
        let thread = std::thread::Builder::new().name("audit".into());
        thread.spawn(move || writer.run(&jobs)).map_err(|error| AuditError::File(error.to_string()))?;
        Ok(Some(Arc::new(Self { key: config.key()?, on_failure: config.on_failure, queue, failing })))
    }

    /// Whether a call may begin: one whose line cannot be written makes no token.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]: the last line could not be written, nor can one now.
    pub(crate) async fn admit(&self) -> Result<(), Error> {
        if self.on_failure == OnFailure::Continue || !self.failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.wait_for(String::new()).await {
            true => Ok(()),
            false => Err(refused()),
        }
    }

    /// Writes the line of a call, and waits until it is in the file.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]: the line cannot be written, and calls without one are refused.
    pub(crate) async fn record(&self, record: &Record<'_>) -> Result<(), Error> {
        if self.on_failure == OnFailure::Continue {
            self.note(record);
            return Ok(());
        }
        match self.wait_for(text(record)).await {
            true => Ok(()),
            false => Err(refused()),
        }
    }

    /// Has the line of a call written, and waits for nothing.
    pub(crate) fn note(&self, record: &Record<'_>) {
        self.send(Job { record: text(record), written: None });
    }

    /// Waits until the lines so far are written, for as long as a call would.
    pub(crate) async fn flush(&self) {
        self.wait_for(String::new()).await;
    }

    /// The keyed hash that stands for a reference.
    pub(crate) fn reference(&self, reference: &str) -> String {
        self.key.reference(reference)
    }

    async fn wait_for(&self, record: String) -> bool {
        let (written, hears) = oneshot::channel();
        self.send(Job { record, written: Some(written) });
        matches!(timeout(WRITE_TIME, hears).await, Ok(Ok(true)))
    }

    fn send(&self, job: Job) {
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = self.queue.try_send(job) {
            self.failing.store(true, Ordering::Relaxed);
            writer::count_lost(u64::from(!job.record.is_empty()));
        }
    }
}

fn text(record: &Record<'_>) -> String {
    // A record of texts is always JSON.
    serde_json::to_string(record).unwrap_or_default()
}

fn refused() -> Error {
    Error::new(Kind::Unavailable, "the audit log cannot be written, and calls without a line in it are refused")
}
