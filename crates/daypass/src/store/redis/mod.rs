//! The store that nodes share: Redis 6 or later, or Valkey. `access` holds the way to it,
//! `connection` the connections, `scripts` what runs inside Redis, `link` the heartbeat, `runner` the
//! thread and the time limits, `forget` the forgetting, `trouble` and `status` what goes wrong.

pub(crate) mod access;
mod connection;
mod forget;
mod link;
mod runner;
mod scripts;
mod status;
pub(crate) mod trouble;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{AsyncCommands, FromRedisValue, RedisResult};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep, timeout},
};

use crate::store::{
    Fingerprint, Forgotten, LeaseOutcome, Owner, POLL_EVERY, Put, Store, StoreError, StoreKey, StoredValue,
    redis::{
        access::{OpenError, StoreAccess},
        connection::{Connection, Connector},
        link::Link,
        runner::Runner,
        scripts::{Names, Row, milliseconds, stored},
        trouble::{StoreState, Trouble},
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
    /// A store that is reached in this way, which may be a URL. Redis need not be there yet. An
    /// operation that takes longer than `operation_timeout` takes the store down.
    ///
    /// # Errors
    /// The URL or the certificates cannot be used. The error contains no part of the URL.
    pub fn new(access: impl Into<StoreAccess>, operation_timeout: Duration) -> Result<Self, OpenError> {
        Self::open(&access.into(), operation_timeout, None)
    }

    /// A store that lists this node as one that remembers values, and that clears its memory.
    pub(super) fn with_memory(
        access: &StoreAccess,
        operation_timeout: Duration,
        memory: Arc<Remembered>,
    ) -> Result<Self, OpenError> {
        Self::open(access, operation_timeout, Some(memory))
    }

    fn open(
        access: &StoreAccess,
        operation_timeout: Duration,
        memory: Option<Arc<Remembered>>,
    ) -> Result<Self, OpenError> {
        let connector = Connector::new(access.target()?);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("daypass-store")
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let link = Arc::new(Link::new(connector, Names::new(access.is_cluster()), operation_timeout, memory));
        runtime.spawn(Link::watch(Arc::downgrade(&link)));
        Ok(Self(Runner::new(runtime, link)))
    }

    fn names(&self) -> &Names {
        &self.0.link.names
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
                    call.key(link.names.value(&key)).key(&link.names.forgotten).arg(value).arg(milliseconds(life));
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

    fn state(&self) -> StoreState {
        self.0.link.status.state()
    }

    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        let names: Arc<[String]> = keys.iter().map(|key| self.names().value(key)).collect();
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
            .run(move |link, mut connection| {
                let (name, value) = (link.names.value(&key), value.clone());
                async move { connection.pset_ex::<_, _, ()>(name, value, milliseconds(life)).await }
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
        let keys: Arc<[String]> = read_first.iter().chain([&key]).map(|key| self.names().value(key)).collect();
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
        let keys: Arc<[String]> =
            read_first.iter().map(|key| self.names().value(key)).chain([self.names().lease(&key)]).collect();
        let acquire = move |link: Arc<Link>, mut connection: Connection| {
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
                call.key(link.names.lease(&key)).arg(hex::encode(owner)).arg(milliseconds(lease));
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
        let lease = self.names().lease(&put.key);
        let puts: Arc<[Put]> = std::iter::once(put).chain(also).collect();
        self.0
            .run(move |link, mut connection| {
                let (lease, puts) = (lease.clone(), puts.clone());
                async move {
                    let mut call = link.scripts.put_and_release.prepare_invoke();
                    call.key(lease).arg(hex::encode(owner));
                    for put in puts.iter() {
                        call.key(link.names.value(&put.key)).arg(&put.value).arg(milliseconds(put.life));
                    }
                    as_bool(call.invoke_async(&mut connection).await)
                }
            })
            .await
    }

    async fn remove(&self, keys: &[StoreKey]) -> Result<(), StoreError> {
        let names: Vec<String> = keys.iter().map(|key| self.names().value(key)).collect();
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
                call.key(link.names.lease(&key)).arg(hex::encode(owner));
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
