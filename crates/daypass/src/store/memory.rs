//! The store inside the process: for a single node, for the command line and for the fallback.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    clock::Clock,
    store::{
        ByDigest, Fingerprint, Forgotten, LeaseOutcome, Owner, POLL_EVERY, Put, Store, StoreError, StoreKey,
        StoredValue, values::Values,
    },
};

/// Number of lease tables, each under a lock of its own.
const LEASE_TABLES: usize = 32;

/// A store inside the process. It is bounded in bytes; the values that were not asked for the longest are
/// evicted.
pub struct MemoryStore {
    values: Values,
    /// Leases by the last byte of their key's digest.
    leases: [Mutex<Leases>; LEASE_TABLES],
    clock: Arc<dyn Clock>,
}

/// Each lease's owner, and its end on the monotonic clock.
type Leases = HashMap<StoreKey, (Owner, Duration), ByDigest>;

impl MemoryStore {
    /// The memory for values where nothing else is configured, in MiB.
    pub const USUAL_MIB: u64 = 256;

    /// An empty store of the usual size.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of_mib(Self::USUAL_MIB, clock)
    }

    /// An empty store that holds so many MiB at most.
    pub fn of_mib(most: u64, clock: Arc<dyn Clock>) -> Self {
        let values = Values::of_bytes(usize::try_from(most.saturating_mul(1024 * 1024)).unwrap_or(usize::MAX));
        Self { values, leases: Default::default(), clock }
    }

    pub(super) fn find(&self, keys: &[StoreKey]) -> impl Iterator<Item = StoredValue> {
        keys.iter().filter_map(|key| {
            let (value, left) = self.values.get(key, self.clock.elapsed())?;
            Some(StoredValue { key: *key, value, left })
        })
    }

    /// The value of one of `read_first`, or the lease; else the time until another owner's lease
    /// ends.
    fn try_acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseOutcome, Duration> {
        let mut leases = self.leases(&key);
        if let Some(found) = self.find(read_first).next() {
            return Ok(LeaseOutcome::Found(found));
        }
        let now = self.clock.elapsed();
        match leases.get(&key) {
            Some((holder, until)) if *holder != owner && *until > now => return Err(until.saturating_sub(now)),
            _ => {}
        }
        // Before the map grows: remove the leases that have ended.
        if leases.len() == leases.capacity() {
            leases.retain(|_, (_, until)| *until > now);
        }
        leases.insert(key, (owner, now + lease));
        Ok(LeaseOutcome::Acquired)
    }

    /// Takes over what another store was found to hold under these keys.
    pub(super) fn follow(&self, keys: &[StoreKey], found: &[StoredValue]) {
        for key in keys {
            match found.iter().find(|found| found.key == *key) {
                None => self.values.remove(key),
                Some(found) if self.values.holds(key, &found.value, self.clock.elapsed()) => {}
                Some(found) => self.insert(*key, found.value.clone(), found.left),
            }
        }
    }

    pub(super) fn remove(&self, key: StoreKey) {
        self.values.remove(&key);
    }

    /// Removes every value of these credentials; returns how many had not expired.
    pub(super) fn remove_all(&self, fingerprint: Fingerprint) -> u64 {
        self.values.remove_all(fingerprint, self.clock.elapsed())
    }

    pub(super) fn insert(&self, key: StoreKey, value: Vec<u8>, life: Duration) {
        self.values.insert(key, value, life, self.clock.elapsed());
    }

    /// The leases among which that of this key is. Their lock makes steps on the key atomic.
    fn leases(&self, key: &StoreKey) -> MutexGuard<'_, Leases> {
        // The first bytes are the hash within the table: keys of one table must differ in them.
        let [.., last] = key.digest;
        let [zeroth, ..] = &self.leases;
        let table = self.leases.get(usize::from(last) % LEASE_TABLES).unwrap_or(zeroth);
        table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn at_hand(&self, keys: &[StoreKey]) -> Option<Vec<StoredValue>> {
        Some(self.find(keys).collect())
    }

    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        Ok(self.find(keys).collect())
    }

    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.insert(key, value, life);
        Ok(())
    }

    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError> {
        // The lock makes it atomic.
        let _lock = self.leases(&key);
        let found = self.find(read_first).next();
        if found.is_none() {
            self.insert(key, value, life);
        }
        Ok(found)
    }

    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError> {
        loop {
            match self.try_acquire_lease(read_first, key, owner, lease) {
                Ok(outcome) => return Ok(outcome),
                Err(_) if Instant::now() >= wait_until => return Ok(LeaseOutcome::TimedOut),
                Err(left) => sleep(left.min(POLL_EVERY)).await,
            }
        }
    }

    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        let until = self.clock.elapsed() + lease;
        let mut leases = self.leases(&key);
        let ours = leases.get_mut(&key).filter(|(holder, _)| *holder == owner);
        Ok(ours.map(|held| held.1 = until).is_some())
    }

    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let mut leases = self.leases(&key);
        let ours = match leases.get(&key) {
            Some((holder, _)) => *holder == owner,
            None => self.find(&[key]).next().is_none(),
        };
        if ours {
            self.insert(key, value, life);
            leases.remove(&key);
        }
        Ok(ours)
    }

    async fn put_all_and_release(&self, owner: Owner, put: Put, also: Vec<Put>) -> Result<bool, StoreError> {
        let ours = self.put_and_release(put.key, owner, put.value, put.life).await?;
        if ours {
            also.into_iter().for_each(|put| self.insert(put.key, put.value, put.life));
        }
        Ok(ours)
    }

    async fn remove(&self, keys: &[StoreKey]) -> Result<(), StoreError> {
        keys.iter().for_each(|key| Self::remove(self, *key));
        Ok(())
    }

    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError> {
        let mut leases = self.leases(&key);
        if leases.get(&key).is_some_and(|(holder, _)| *holder == owner) {
            leases.remove(&key);
        }
        Ok(())
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        Ok(Forgotten { values: self.remove_all(fingerprint), unconfirmed: Vec::new() })
    }
}
