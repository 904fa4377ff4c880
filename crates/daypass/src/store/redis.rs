use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncCommands, Client, ErrorKind, FromRedisValue, RedisError, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{Claim, Fingerprint, Found, LOOK_EVERY, Owner, Place, Store, StoreError};

/// Longest that one operation may take: what a store in trouble can cost a call.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(15);
/// In how many steps that time is counted.
const STEPS: u32 = 3;
/// How often a store in trouble is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// Who knows that another node is making the value bears with a slow store for this long: it is sooner there than made again.
const PATIENCE: Duration = Duration::from_millis(250);
/// Most operations under way at a time: in a rush the others wait, which is not held against the store.
const MAX_UNDER_WAY: usize = 64;
/// Longest that an operation waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(250);
/// How many keys are looked at in one step of forgetting.
const SCAN_COUNT: usize = 1000;

/// Those of KEYS that have a value: `{{nth, value, milliseconds left}, …}`.
const GET: &str = "
    local found = {}
    for nth, key in ipairs(KEYS) do
        local value = redis.call('GET', key)
        if value then found[#found + 1] = {nth, value, redis.call('PTTL', key)} end
    end
    return found";

/// Puts a value at the last of KEYS, unless one of the others has one: `{{nth, value, milliseconds left}}`.
const PUT_NEW: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value then return {{nth, value, redis.call('PTTL', KEYS[nth])}} end
    end
    redis.call('SET', KEYS[#KEYS], ARGV[1], 'PX', ARGV[2])
    return {}";

/// The first value at all but the last of KEYS, which is the lease; without a value the lease is taken: `{-1, '', 0}` ours,
/// `{-2, '', milliseconds}` somebody else's.
const CLAIM: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value then return {nth, value, redis.call('PTTL', KEYS[nth])} end
    end
    local lease = KEYS[#KEYS]
    local holder = redis.call('GET', lease)
    if holder and holder ~= ARGV[1] then return {-2, '', redis.call('PTTL', lease)} end
    redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
    return {-1, '', 0}";

/// Puts the value if the lease is still the owner's, or if it is gone (evicted, or run out) and nobody has put another.
const SETTLE: &str = "
    local holder = redis.call('GET', KEYS[2])
    if holder == ARGV[1] or (not holder and redis.call('EXISTS', KEYS[1]) == 0) then
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        redis.call('DEL', KEYS[2])
        return 1
    end
    return 0";

const RENEW: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0";

const GIVE_UP: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 1";

/// A store that the processes of a cluster share: Redis 6 or later, or Valkey.
///
/// It talks on a thread of its own, so that a busy service does not mistake its own slowness for the store's. After a failed
/// operation it is left alone until a probe succeeds: then a call without it costs nothing.
pub struct RedisStore {
    runtime: Option<Runtime>,
    inner: Arc<Inner>,
}

struct Inner {
    connection: ConnectionManager,
    up: AtomicBool,
    under_way: Semaphore,
    get: Script,
    put_new: Script,
    claim: Script,
    settle: Script,
    renew: Script,
    give_up: Script,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. It need not be there yet.
    ///
    /// # Errors
    /// Where the URL cannot be read. Never with a part of it.
    pub fn new(url: &str) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| "store.url: expected redis://host:port or rediss://host:port")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("daypass-store")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(1)))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let connection = {
            let _inside = runtime.enter();
            ConnectionManager::new_lazy_with_config(client, config).map_err(|_| "store.url: cannot be used")?
        };
        let inner = Arc::new(Inner {
            connection,
            // Down until the first probe: a store that is not there must not delay the first calls.
            up: AtomicBool::new(false),
            under_way: Semaphore::new(MAX_UNDER_WAY),
            get: Script::new(GET),
            put_new: Script::new(PUT_NEW),
            claim: Script::new(CLAIM),
            settle: Script::new(SETTLE),
            renew: Script::new(RENEW),
            give_up: Script::new(GIVE_UP),
        });
        let watched = Arc::downgrade(&inner);
        runtime.spawn(async move {
            let mut missed = false;
            while let Some(inner) = watched.upgrade() {
                if inner.up.load(Ordering::Relaxed) {
                    missed = true;
                } else if inner.answers().await {
                    if missed {
                        tracing::info!("the store is back");
                    }
                    inner.up.store(true, Ordering::Relaxed);
                } else {
                    missed = true;
                }
                drop(inner);
                sleep(PROBE_EVERY).await;
            }
        });
        Ok(Self { runtime: Some(runtime), inner })
    }

    /// Runs one operation on the store's thread, inside the time limit of a store that is well.
    async fn run<T, F>(&self, operation: impl FnOnce(Arc<Inner>, ConnectionManager) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let done = match self.inner.up.load(Ordering::Relaxed) {
            true => self.run_within(OPERATION_TIMEOUT, operation).await,
            false => Err(Trouble::Lost),
        };
        done.map_err(|trouble| {
            match trouble {
                Trouble::Broken => self.inner.lost("broken"),
                Trouble::Slow => self.inner.lost("slow"),
                Trouble::Refused | Trouble::Busy | Trouble::Lost => {}
            }
            metrics::counter!("daypass_kept_tokens_total", "event" => "store_error").increment(1);
            StoreError
        })
    }

    async fn run_within<T, F>(
        &self,
        limit: Duration,
        operation: impl FnOnce(Arc<Inner>, ConnectionManager) -> F,
    ) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        // Before it burdens the store's thread, which must be free to hear the answers.
        let turn = timeout(QUEUE_TIMEOUT, self.inner.under_way.acquire()).await;
        let _turn = turn.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Lost)?;
        let runtime = self.runtime.as_ref().ok_or(Trouble::Lost)?;
        let operation = operation(self.inner.clone(), self.inner.connection.clone());
        match runtime.spawn(in_time(limit, operation)).await {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(error))) if refused(&error) => Err(Trouble::Refused),
            Ok(Some(Err(_))) => Err(Trouble::Broken),
            Ok(None) => Err(Trouble::Slow),
            Err(_) => Err(Trouble::Lost),
        }
    }
}

/// Why an operation was not done.
enum Trouble {
    /// The connection is gone.
    Broken,
    /// No answer in time.
    Slow,
    /// The store answered, and will not: it is full, or may only be read.
    Refused,
    /// Too many operations are ahead of this one.
    Busy,
    /// The store is known to be in trouble.
    Lost,
}

/// The operation's result, if it comes in time.
async fn in_time<T>(limit: Duration, operation: impl Future<Output = T>) -> Option<T> {
    let too_late = async {
        // In steps: on a machine where everybody waits to be let run, this thread is late for each of them as the store is.
        for _ in 0..STEPS {
            sleep(limit / STEPS).await;
        }
        // Where this thread was not let run, the answer may lie in the socket: read it first.
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

impl Inner {
    /// Whether the store answers, and in time: once to connect, once to see how long it takes.
    async fn answers(&self) -> bool {
        let mut connection = self.connection.clone();
        if redis::cmd("PING").query_async::<String>(&mut connection).await.is_err() {
            return false;
        }
        matches!(
            in_time(OPERATION_TIMEOUT, redis::cmd("PING").query_async::<String>(&mut connection)).await,
            Some(Ok(_))
        )
    }

    fn lost(&self, how: &str) {
        if self.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(how, "the store is in trouble; tokens are made without it");
        }
    }
}

/// Whether the store is there and said no (full, read-only): it may still be read.
fn refused(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) || error.code().is_some()
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn value_key(place: &Place) -> String {
    format!("daypass:{}:{}", place.fingerprint, hex(&place.slot))
}

fn lease_key(place: &Place) -> String {
    format!("daypass-lease:{}", hex(&place.slot))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

type Row = (i64, Vec<u8>, i64);

fn found(places: &[Place], (nth, value, left): Row) -> Option<Found> {
    let place = *places.get(usize::try_from(nth).ok()?.checked_sub(1)?)?;
    // A value without an end cannot be ours.
    let left = Duration::from_millis(u64::try_from(left).ok()?);
    Some(Found { place, value, left })
}

#[async_trait::async_trait]
impl Store for RedisStore {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        let up = async {
            while !self.inner.up.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(limit, up).await.is_ok()
    }

    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        let keys: Vec<String> = places.iter().map(value_key).collect();
        let rows: Vec<Row> = self
            .run(|inner, mut connection| async move {
                let mut call = inner.get.prepare_invoke();
                keys.iter().for_each(|key| _ = call.key(key));
                call.invoke_async(&mut connection).await
            })
            .await?;
        Ok(rows.into_iter().filter_map(|row| found(places, row)).collect())
    }

    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.run(|_, mut connection| async move {
            connection.pset_ex::<_, _, ()>(value_key(&place), value, milliseconds(life)).await
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
        let keys: Vec<String> = look_at.iter().chain([&place]).map(value_key).collect();
        let rows: Vec<Row> = self
            .run(|inner, mut connection| async move {
                let mut call = inner.put_new.prepare_invoke();
                keys.iter().for_each(|key| _ = call.key(key));
                call.arg(value).arg(milliseconds(life)).invoke_async(&mut connection).await
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
        let claim = |inner: Arc<Inner>, mut connection: ConnectionManager| {
            let keys = keys.clone();
            async move {
                let mut call = inner.claim.prepare_invoke();
                keys.iter().for_each(|key| _ = call.key(key));
                call.arg(hex(&owner)).arg(milliseconds(lease)).invoke_async(&mut connection).await
            }
        };
        let mut row: Row = self.run(claim).await?;
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
            row = match self.run_within(PATIENCE, claim).await {
                Ok(row) => row,
                Err(Trouble::Slow | Trouble::Busy) if heard.elapsed() < PATIENCE => continue,
                // Told, and counted, as of any other operation.
                Err(_) => self.run(claim).await?,
            };
            heard = Instant::now();
        }
    }

    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        self.run(|inner, mut connection| async move {
            let mut call = inner.renew.prepare_invoke();
            call.key(lease_key(&place)).arg(hex(&owner)).arg(milliseconds(lease));
            as_bool(call.invoke_async(&mut connection).await)
        })
        .await
    }

    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError> {
        self.run(|inner, mut connection| async move {
            let mut call = inner.settle.prepare_invoke();
            call.key(value_key(&place)).key(lease_key(&place)).arg(hex(&owner)).arg(value).arg(milliseconds(life));
            as_bool(call.invoke_async(&mut connection).await)
        })
        .await
    }

    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError> {
        self.run(|inner, mut connection| async move {
            let mut call = inner.give_up.prepare_invoke();
            call.key(lease_key(&place)).arg(hex(&owner));
            as_bool(call.invoke_async(&mut connection).await).map(|_| ())
        })
        .await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<u64, StoreError> {
        let pattern = format!("daypass:{fingerprint}:*");
        let (mut cursor, mut forgotten) = (0_u64, 0_u64);
        loop {
            let pattern = pattern.clone();
            let (next, keys): (u64, Vec<String>) = self
                .run(|_, mut connection| async move {
                    redis::cmd("SCAN")
                        .arg(cursor)
                        .arg("MATCH")
                        .arg(pattern)
                        .arg("COUNT")
                        .arg(SCAN_COUNT)
                        .query_async(&mut connection)
                        .await
                })
                .await?;
            if !keys.is_empty() {
                forgotten +=
                    self.run(|_, mut connection| async move { connection.unlink::<_, u64>(keys).await }).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(forgotten);
            }
        }
    }
}

fn as_bool(answer: RedisResult<redis::Value>) -> RedisResult<bool> {
    Ok(i64::from_redis_value(answer?)? == 1)
}
