//! The store that nodes share. `scripts` holds what runs inside Redis, `link` the connection and
//! the heartbeat.

mod link;
mod scripts;

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{AsyncCommands, Client, FromRedisValue, RedisResult, aio::ConnectionManager};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep, timeout},
};

use self::{
    link::{KEEP_NODE, Link, OPERATION_TIMEOUT, Trouble, attempt},
    scripts::{FORGOTTEN, NODES, Row, found, hex, lease_key, milliseconds, value_key},
};
use super::{
    Claim, Fingerprint, Forgotten, Found, LOOK_EVERY, Owner, Place, Store, StoreError, remembered::Remembered,
};

/// Who knows that another node is making the value bears with a slow store for this long: it is sooner there than made again.
const PATIENCE: Duration = Duration::from_millis(250);
/// Longest that an operation waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(250);
/// How many keys are looked at in one step of forgetting.
const SCAN_COUNT: usize = 1000;
/// Longest that one step of forgetting takes. No token waits for it.
const FORGET_TIMEOUT: Duration = Duration::from_secs(1);
/// How long other nodes have for confirming that they forgot: several heartbeats.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// A store that did not know this node has lost its data, or is new: so long the others have for
/// making themselves known.
const GATHER_WITHIN: Duration = Duration::from_secs(2);

/// A store that the processes of a cluster share: Redis 6 or later, or Valkey.
///
/// It talks on a thread of its own, so that a busy service does not mistake its own slowness for the store's. After a failed
/// operation it is left alone until a probe succeeds: then a call without it costs nothing.
pub struct RedisStore {
    runtime: Option<Runtime>,
    link: Arc<Link>,
}

/// What came of offering a remembered value.
pub(super) enum Offered {
    Taken,
    /// Another was there.
    Found(Found),
    /// It is to be forgotten.
    Forgotten,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. It need not be there yet.
    ///
    /// # Errors
    /// Where the URL cannot be read. Never with a part of it.
    pub fn new(url: &str) -> Result<Self, String> {
        Self::open(url, None)
    }

    /// A store that knows this node as one that remembers, and clears that memory.
    pub(super) fn backed_by(url: &str, memory: Arc<Remembered>) -> Result<Self, String> {
        Self::open(url, Some(memory))
    }

    fn open(url: &str, memory: Option<Arc<Remembered>>) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| "store.url: expected redis://host:port or rediss://host:port")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("daypass-store")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let link = {
            let _inside = runtime.enter();
            Arc::new(Link::new(client, memory).map_err(|_| "store.url: cannot be used")?)
        };
        runtime.spawn(Link::watch(Arc::downgrade(&link)));
        Ok(Self { runtime: Some(runtime), link })
    }

    /// Runs one operation on the store's thread, inside the time limit of a store that is well.
    async fn run<T, F>(
        &self,
        operation: impl Fn(Arc<Link>, ConnectionManager) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let done = match self.link.up.load(Ordering::Relaxed) {
            true => self.run_within(OPERATION_TIMEOUT, operation).await,
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

    async fn run_within<T, F>(
        &self,
        limit: Duration,
        operation: impl Fn(Arc<Link>, ConnectionManager) -> F + Send + Sync + 'static,
    ) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        // Before it burdens the store's thread, which must be free to hear the answers.
        let turn = timeout(QUEUE_TIMEOUT, self.link.under_way.acquire()).await;
        let _turn = turn.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Lost)?;
        let runtime = self.runtime.as_ref().ok_or(Trouble::Lost)?;
        let link = self.link.clone();
        let work = async move { attempt(limit, || operation(link.clone(), link.connection())).await };
        runtime.spawn(work).await.unwrap_or(Err(Trouble::Lost))
    }

    /// Runs a step of forgetting, also at a store that is slow.
    async fn run_patiently<T, F>(
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

    /// Puts a value that this node remembered, unless another is there, or it was forgotten under
    /// another mark than this.
    pub(super) async fn offer(
        &self,
        place: Place,
        value: Vec<u8>,
        life: Duration,
        mark: u64,
    ) -> Result<Offered, StoreError> {
        let row: Row = self
            .run(move |link, mut connection| {
                let value = value.clone();
                async move {
                    let mut call = link.scripts.offer.prepare_invoke();
                    call.key(value_key(&place)).key(FORGOTTEN).arg(value).arg(milliseconds(life));
                    call.arg(place.fingerprint.to_string()).arg(mark).invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(match row {
            (0, ..) => Offered::Taken,
            (-1, ..) => Offered::Forgotten,
            row => Offered::Found(found(&[place], row).ok_or(StoreError)?),
        })
    }

    /// Marks these credentials as forgotten, for all nodes.
    async fn mark(&self, fingerprint: Fingerprint) -> Result<u64, StoreError> {
        self.run_patiently(move |link, mut connection| async move {
            let mut call = link.scripts.mark.prepare_invoke();
            call.key(FORGOTTEN).arg(fingerprint.to_string()).arg(milliseconds(KEEP_NODE));
            call.invoke_async(&mut connection).await
        })
        .await
    }

    /// Removes every value of these credentials from Redis; how many there were.
    async fn remove_all(&self, fingerprint: Fingerprint) -> Result<u64, StoreError> {
        let (mut cursor, mut removed) = (0_u64, 0_u64);
        loop {
            let (next, keys): (u64, Vec<String>) = self
                .run_patiently(move |_, mut connection| async move {
                    let mut scan = redis::cmd("SCAN");
                    scan.arg(cursor).arg("MATCH").arg(format!("daypass:{fingerprint}:*"));
                    scan.arg("COUNT").arg(SCAN_COUNT).query_async(&mut connection).await
                })
                .await?;
            if !keys.is_empty() {
                let unlink = move |_, mut connection: ConnectionManager| {
                    let keys = keys.clone();
                    async move { connection.unlink::<_, u64>(keys).await }
                };
                removed += self.run_patiently(unlink).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
        }
    }

    /// Waits until every node has obeyed this mark; those that did not in time.
    async fn unconfirmed(&self, mark: u64) -> Result<Vec<String>, StoreError> {
        let until = Instant::now() + CONFIRM_WITHIN;
        loop {
            let nodes: Vec<String> = self
                .run_patiently(move |link, mut connection| async move {
                    let mut call = link.scripts.unconfirmed.prepare_invoke();
                    call.key(NODES).arg(mark).arg(milliseconds(KEEP_NODE)).invoke_async(&mut connection).await
                })
                .await?;
            let gathered = match self.link.known() {
                Some((_, Some(since))) => since.elapsed() >= GATHER_WITHIN,
                Some((_, None)) => false,
                None => true,
            };
            match (nodes.is_empty() && gathered, Instant::now() < until) {
                (true, _) => return Ok(nodes),
                (false, true) => sleep(LOOK_EVERY).await,
                (false, false) if nodes.is_empty() => return Err(StoreError),
                (false, false) => return Ok(nodes),
            }
        }
    }
}

fn failed() -> StoreError {
    metrics::counter!("daypass_kept_tokens_total", "event" => "store_error").increment(1);
    StoreError
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        let up = async {
            while !self.link.up.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(limit, up).await.is_ok()
    }

    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        let keys: Arc<[String]> = places.iter().map(value_key).collect();
        let rows: Vec<Row> = self
            .run(move |link, mut connection| {
                let keys = keys.clone();
                async move {
                    let mut call = link.scripts.get.prepare_invoke();
                    keys.iter().for_each(|key| _ = call.key(key));
                    call.invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(rows.into_iter().filter_map(|row| found(places, row)).collect())
    }

    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.run(move |_, mut connection| {
            let value = value.clone();
            async move { connection.pset_ex::<_, _, ()>(value_key(&place), value, milliseconds(life)).await }
        })
        .await
    }

    async fn put_new(
        &self,
        look_at: &[Place],
        place: Place,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<Found>, StoreError> {
        let keys: Arc<[String]> = look_at.iter().chain([&place]).map(value_key).collect();
        let rows: Vec<Row> = self
            .run(move |link, mut connection| {
                let (keys, value) = (keys.clone(), value.clone());
                async move {
                    let mut call = link.scripts.put_new.prepare_invoke();
                    keys.iter().for_each(|key| _ = call.key(key));
                    call.arg(value).arg(milliseconds(life)).invoke_async(&mut connection).await
                }
            })
            .await?;
        Ok(rows.into_iter().find_map(|row| found(look_at, row)))
    }

    async fn claim(
        &self,
        look_at: &[Place],
        place: Place,
        owner: Owner,
        lease: Duration,
        until: Instant,
    ) -> Result<Claim, StoreError> {
        let keys: Arc<[String]> = look_at.iter().map(value_key).chain([lease_key(&place)]).collect();
        let claim = move |link: Arc<Link>, mut connection: ConnectionManager| {
            let keys = keys.clone();
            async move {
                let mut call = link.scripts.claim.prepare_invoke();
                keys.iter().for_each(|key| _ = call.key(key));
                call.arg(hex(&owner)).arg(milliseconds(lease)).invoke_async(&mut connection).await
            }
        };
        let mut row: Row = self.run(claim.clone()).await?;
        let mut heard = Instant::now();
        loop {
            match row {
                (-1, ..) => return Ok(Claim::Ours),
                (-2, _, left) if Instant::now() < until => {
                    let left = Duration::from_millis(u64::try_from(left).unwrap_or(1));
                    sleep(left.min(LOOK_EVERY)).await;
                }
                (-2, ..) => return Ok(Claim::Theirs),
                row => return found(look_at, row).map(Claim::Found).ok_or(StoreError),
            }
            row = match self.run_within(PATIENCE, claim.clone()).await {
                Ok(row) => row,
                Err(Trouble::Slow | Trouble::Busy) if heard.elapsed() < PATIENCE => continue,
                // Told, and counted, as of any other operation.
                Err(_) => self.run(claim.clone()).await?,
            };
            heard = Instant::now();
        }
    }

    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        self.run(move |link, mut connection| async move {
            let mut call = link.scripts.renew.prepare_invoke();
            call.key(lease_key(&place)).arg(hex(&owner)).arg(milliseconds(lease));
            as_bool(call.invoke_async(&mut connection).await)
        })
        .await
    }

    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError> {
        self.run(move |link, mut connection| {
            let value = value.clone();
            async move {
                let mut call = link.scripts.settle.prepare_invoke();
                call.key(value_key(&place)).key(lease_key(&place)).arg(hex(&owner)).arg(value).arg(milliseconds(life));
                as_bool(call.invoke_async(&mut connection).await)
            }
        })
        .await
    }

    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError> {
        self.run(move |link, mut connection| async move {
            let mut call = link.scripts.give_up.prepare_invoke();
            call.key(lease_key(&place)).arg(hex(&owner));
            as_bool(call.invoke_async(&mut connection).await).map(|_| ())
        })
        .await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        // From here on no node offers again what it remembers of them.
        self.mark(fingerprint).await?;
        let values = self.remove_all(fingerprint).await?;
        // What a node read before the values were gone is older than this mark.
        let mark = self.mark(fingerprint).await?;
        Ok(Forgotten { values, unconfirmed: self.unconfirmed(mark).await? })
    }

    async fn leave(&self) {
        self.link.leave();
        let Some((name, _)) = self.link.known() else { return };
        let name = name.to_owned();
        let leave = move |_, mut connection: ConnectionManager| {
            let name = name.clone();
            async move { connection.hdel::<_, _, ()>(NODES, name).await }
        };
        let _ = self.run_patiently(leave).await;
    }
}

fn as_bool(answer: RedisResult<redis::Value>) -> RedisResult<bool> {
    Ok(i64::from_redis_value(answer?)? == 1)
}
