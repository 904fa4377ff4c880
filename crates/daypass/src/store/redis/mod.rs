//! The store that nodes share: Redis 6 or later, or Valkey. `scripts` holds what runs inside Redis,
//! `link` the connection and the heartbeat, `runner` the thread and the time limits, `forget` the
//! forgetting.

mod forget;
mod link;
mod runner;
mod scripts;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{AsyncCommands, Client, FromRedisValue, RedisResult, aio::ConnectionManager};
use thiserror::Error;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep, timeout},
};

use crate::store::{
    Fingerprint, Forgotten, LeaseOutcome, Owner, POLL_EVERY, Put, Store, StoreError, StoreKey, StoredValue,
    redis::{
        link::{Link, Trouble},
        runner::Runner,
        scripts::{FORGOTTEN, Row, lease_key, milliseconds, stored, value_key},
    },
    remembered::Remembered,
};

/// The longest slowness of the store for a caller that waits for another node's token: that token
/// comes sooner than a new one.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often [`Store::wait_until_up`] checks the store.
const CHECK_UP_EVERY: Duration = Duration::from_millis(10);

/// A store that the nodes of a cluster share.
///
/// It runs on a thread of its own, so that a busy service does not take its own slowness for the
/// store's. After a failed operation it is not used until a probe succeeds; until then, an
/// operation fails at once.
pub struct RedisStore(Runner);

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is of another form.
    #[error("store.url: expected redis://host:port or rediss://host:port")]
    Url,
    /// The URL is of the right form and cannot be used.
    #[error("store.url: cannot be used")]
    Unusable,
    /// The system gives no thread.
    #[error("{0}")]
    Thread(std::io::Error),
}

/// The result of offering a remembered value.
pub(super) enum Offered {
    /// The store has taken it.
    Taken,
    /// The store holds another value.
    Found(StoredValue),
    /// The value is to be forgotten.
    Forgotten,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Redis need not
    /// be there yet. An operation that takes longer than `operation_timeout` takes the store down.
    ///
    /// # Errors
    /// The URL cannot be used. The error contains no part of it.
    pub fn new(url: &str, operation_timeout: Duration) -> Result<Self, OpenError> {
        Self::open(url, operation_timeout, None)
    }

    /// A store that lists this node as one that remembers values, and that clears its memory.
    pub(super) fn with_memory(
        url: &str,
        operation_timeout: Duration,
        memory: Arc<Remembered>,
    ) -> Result<Self, OpenError> {
        Self::open(url, operation_timeout, Some(memory))
    }

    fn open(url: &str, operation_timeout: Duration, memory: Option<Arc<Remembered>>) -> Result<Self, OpenError> {
        let client = Client::open(url).map_err(|_| OpenError::Url)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("daypass-store")
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let link = {
            let _inside = runtime.enter();
            Arc::new(Link::new(client, operation_timeout, memory).map_err(|_| OpenError::Unusable)?)
        };
        runtime.spawn(Link::watch(Arc::downgrade(&link)));
        Ok(Self(Runner::new(runtime, link)))
    }

    /// Offers a value that this node remembers. It is put unless there is another value, or unless
    /// its credentials were forgotten under another mark than this.
    pub(super) async fn offer(
        &self,
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
        mark: u64,
    ) -> Result<Offered, StoreError> {
        let row: Row = self
            .0
            .run(move |link, mut connection| {
                let value = value.clone();
                async move {
                    let mut call = link.scripts.offer.prepare_invoke();
                    call.key(value_key(&key)).key(FORGOTTEN).arg(value).arg(milliseconds(life));
                    call.arg(key.fingerprint.to_string()).arg(mark).invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(match row {
            (0, ..) => Offered::Taken,
            (-1, ..) => Offered::Forgotten,
            row => Offered::Found(stored(&[key], row).ok_or(StoreError)?),
        })
    }
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        let up = async {
            while !self.0.link.up.load(Ordering::Relaxed) {
                sleep(CHECK_UP_EVERY).await;
            }
        };
        timeout(limit, up).await.is_ok()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_complete(&self) -> bool {
        self.0.link.up.load(Ordering::Relaxed)
    }

    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        let names: Arc<[String]> = keys.iter().map(value_key).collect();
        let rows: Vec<Row> = self
            .0
            .run(move |link, mut connection| {
                let names = names.clone();
                async move {
                    let mut call = link.scripts.get.prepare_invoke();
                    names.iter().for_each(|key| _ = call.key(key));
                    call.invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(rows.into_iter().filter_map(|row| stored(keys, row)).collect())
    }

    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.0
            .run(move |_, mut connection| {
                let value = value.clone();
                async move { connection.pset_ex::<_, _, ()>(value_key(&key), value, milliseconds(life)).await }
            })
            .await
    }

    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError> {
        let keys: Arc<[String]> = read_first.iter().chain([&key]).map(value_key).collect();
        let rows: Vec<Row> = self
            .0
            .run(move |link, mut connection| {
                let (keys, value) = (keys.clone(), value.clone());
                async move {
                    let mut call = link.scripts.put_if_absent.prepare_invoke();
                    keys.iter().for_each(|key| _ = call.key(key));
                    call.arg(value).arg(milliseconds(life)).invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(rows.into_iter().find_map(|row| stored(read_first, row)))
    }

    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError> {
        let keys: Arc<[String]> = read_first.iter().map(value_key).chain([lease_key(&key)]).collect();
        let acquire = move |link: Arc<Link>, mut connection: ConnectionManager| {
            let keys = keys.clone();
            async move {
                let mut call = link.scripts.acquire_lease.prepare_invoke();
                keys.iter().for_each(|key| _ = call.key(key));
                call.arg(hex::encode(owner)).arg(milliseconds(lease)).invoke_async(&mut connection).await
            }
        };
        let mut row: Row = self.0.run(acquire.clone()).await?;
        let mut heard = Instant::now();
        loop {
            match row {
                (-1, ..) => return Ok(LeaseOutcome::Acquired),
                (-2, _, left) if Instant::now() < wait_until => {
                    let left = Duration::from_millis(u64::try_from(left).unwrap_or(1));
                    sleep(left.min(POLL_EVERY)).await;
                }
                (-2, ..) => return Ok(LeaseOutcome::TimedOut),
                row => return stored(read_first, row).map(LeaseOutcome::Found).ok_or(StoreError),
            }
            row = match self.0.run_within(PATIENCE, acquire.clone()).await {
                Ok(row) => row,
                Err(Trouble::Slow | Trouble::Busy) if heard.elapsed() < PATIENCE => continue,
                // Logged and counted, as for any other operation.
                Err(_) => self.0.run(acquire.clone()).await?,
            };
            heard = Instant::now();
        }
    }

    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        self.0
            .run(move |link, mut connection| async move {
                let mut call = link.scripts.renew.prepare_invoke();
                call.key(lease_key(&key)).arg(hex::encode(owner)).arg(milliseconds(lease));
                as_bool(call.invoke_async(&mut connection).await)
            })
            .await
    }

    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        self.put_all_and_release(owner, Put { key, value, life }, Vec::new()).await
    }

    async fn put_all_and_release(&self, owner: Owner, put: Put, also: Vec<Put>) -> Result<bool, StoreError> {
        let lease = lease_key(&put.key);
        let puts: Arc<[Put]> = std::iter::once(put).chain(also).collect();
        self.0
            .run(move |link, mut connection| {
                let (lease, puts) = (lease.clone(), puts.clone());
                async move {
                    let mut call = link.scripts.put_and_release.prepare_invoke();
                    call.key(lease).arg(hex::encode(owner));
                    for put in puts.iter() {
                        call.key(value_key(&put.key)).arg(&put.value).arg(milliseconds(put.life));
                    }
                    as_bool(call.invoke_async(&mut connection).await)
                }
            })
            .await
    }

    async fn remove(&self, keys: &[StoreKey]) -> Result<(), StoreError> {
        let names: Vec<String> = keys.iter().map(value_key).collect();
        if names.is_empty() {
            return Ok(());
        }
        self.0
            .run(move |_, mut connection| {
                let names = names.clone();
                async move { connection.del::<_, ()>(names).await }
            })
            .await
    }

    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError> {
        self.0
            .run(move |link, mut connection| async move {
                let mut call = link.scripts.release.prepare_invoke();
                call.key(lease_key(&key)).arg(hex::encode(owner));
                as_bool(call.invoke_async(&mut connection).await).map(|_| ())
            })
            .await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        forget::forget(&self.0, fingerprint).await
    }

    async fn leave(&self) {
        forget::leave(&self.0).await;
    }
}

/// Whether a script has answered 1.
fn as_bool(answer: RedisResult<redis::Value>) -> RedisResult<bool> {
    Ok(i64::from_redis_value(answer?)? == 1)
}
