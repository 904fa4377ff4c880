//! Runs operations on the store's own thread, within the time that a token can wait for the store.
//! The store and its forgetting use it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::RedisResult;
use tokio::{
    runtime::Runtime,
    time::{Instant, timeout},
};

use tracing::Instrument;

use crate::{
    spans,
    store::{
        StoreError,
        redis::{connection::Connection, link::Link, trouble::Trouble},
    },
};

/// Longest time that an operation waits for a permit.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(250);
/// Longest time for one step of forgetting. No token waits for it.
const FORGET_TIMEOUT: Duration = Duration::from_secs(1);

/// The store's thread and its link to Redis.
pub(super) struct Runner {
    runtime: Option<Runtime>,
    pub link: Arc<Link>,
}

impl Runner {
    pub(super) fn new(runtime: Runtime, link: Arc<Link>) -> Self {
        Self { runtime: Some(runtime), link }
    }

    /// Runs an operation within the time limit of a healthy store. A failure takes the store down.
    pub(super) async fn run<T, F>(
        &self,
        operation: impl Fn(Arc<Link>, Connection) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let began = Instant::now();
        let done = match self.link.up.load(Ordering::Relaxed) {
            true => self.run_within(self.link.timeout, operation).instrument(spans::store()).await,
            false => Err(Trouble::Lost),
        };
        // A store that is down was not asked.
        if !matches!(done, Err(Trouble::Lost)) {
            metrics::histogram!("daypass_store_operation_seconds").record(began.elapsed());
        }
        done.map_err(|trouble| {
            self.link.failed(&trouble);
            failed()
        })
    }

    /// Runs an operation within this time limit.
    pub(super) async fn run_within<T, F>(
        &self,
        limit: Duration,
        operation: impl Fn(Arc<Link>, Connection) -> F + Send + Sync + 'static,
    ) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        // The operation waits here, not on the store's thread, which must be free to read replies.
        let permit = timeout(QUEUE_TIMEOUT, self.link.under_way.acquire()).await;
        let _permit = permit.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Lost)?;
        let runtime = self.runtime.as_ref().ok_or(Trouble::Lost)?;
        let link = self.link.clone();
        let work = async move { link.attempt(limit, |connection| operation(link.clone(), connection)).await };
        runtime.spawn(work).await.unwrap_or(Err(Trouble::Lost))
    }

    /// Runs one step of forgetting, also on a slow store.
    pub(super) async fn run_patiently<T, F>(
        &self,
        operation: impl Fn(Arc<Link>, Connection) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        self.run_within(FORGET_TIMEOUT, operation).await.map_err(|trouble| {
            if let Trouble::Refused(_) = trouble {
                self.link.failed(&trouble);
            }
            failed()
        })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn failed() -> StoreError {
    metrics::counter!("daypass_kept_tokens_total", "event" => "store_error").increment(1);
    StoreError
}
