//! Runs operations on the store's own thread, within the time that a token can wait for the store.
//! The store and its forgetting use it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::ConnectionManager};
use tokio::{runtime::Runtime, time::timeout};

use crate::store::{
    StoreError,
    redis::link::{Link, Trouble, attempt},
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
        operation: impl Fn(Arc<Link>, ConnectionManager) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let done = match self.link.up.load(Ordering::Relaxed) {
            true => {
                let started = Instant::now();
                let done = self.run_within(self.link.timeout, operation).await;
                metrics::histogram!("daypass_store_operation_seconds").record(started.elapsed().as_secs_f64());
                done
            }
            false => Err(Trouble::Lost),
        };
        done.map_err(|trouble| {
            match trouble {
                Trouble::Broken => self.link.lost("broken"),
                Trouble::Slow => self.link.lost("slow"),
                Trouble::Refused(code) => self.link.refused(code),
                Trouble::Busy | Trouble::Lost => {}
            }
            failed()
        })
    }

    /// Runs an operation within this time limit.
    pub(super) async fn run_within<T, F>(
        &self,
        limit: Duration,
        operation: impl Fn(Arc<Link>, ConnectionManager) -> F + Send + Sync + 'static,
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
        let work = async move { attempt(limit, || operation(link.clone(), link.connection())).await };
        runtime.spawn(work).await.unwrap_or(Err(Trouble::Lost))
    }

    /// Runs one step of forgetting, also on a slow store.
    pub(super) async fn run_patiently<T, F>(
        &self,
        operation: impl Fn(Arc<Link>, ConnectionManager) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        self.run_within(FORGET_TIMEOUT, operation).await.map_err(|trouble| {
            if let Trouble::Refused(code) = trouble {
                self.link.refused(code);
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
