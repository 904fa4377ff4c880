//! The store of the scripted engine.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use connectors::Result;
use daypass::{Fingerprint, LeaseOutcome, MemoryStore, Owner, Store, StoreError, StoreKey, StoredValue};
use tokio::time::Instant;

/// A store that shows what is put into it, and that can return altered values.
pub(crate) struct Spy {
    pub inner: MemoryStore,
    pub seen: Mutex<Vec<(StoreKey, Vec<u8>)>>,
    #[allow(clippy::type_complexity, reason = "one function")]
    pub alter: Mutex<Option<Box<dyn Fn(StoreKey, Vec<u8>) -> Vec<u8> + Send>>>,
    pub down: AtomicBool,
}

impl Spy {
    fn altered(&self, found: StoredValue) -> StoredValue {
        let value = match &*self.alter.lock().unwrap() {
            Some(alter) => alter(found.key, found.value),
            None => found.value,
        };
        StoredValue { value, ..found }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(SeqCst) { Err(StoreError) } else { Ok(()) }
    }

    fn see(&self, key: StoreKey, value: &[u8]) {
        self.seen.lock().unwrap().push((key, value.to_vec()));
    }
}

#[async_trait::async_trait]
impl Store for Spy {
    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        self.check()?;
        Ok(self.inner.get(keys).await?.into_iter().map(|found| self.altered(found)).collect())
    }
    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.check()?;
        self.see(key, &value);
        self.inner.put(key, value, life).await
    }
    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError> {
        self.check()?;
        let found = self.inner.put_if_absent(read_first, key, value.clone(), life).await?;
        if found.is_none() {
            self.see(key, &value);
        }
        Ok(found.map(|found| self.altered(found)))
    }
    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError> {
        self.check()?;
        Ok(match self.inner.acquire_lease(read_first, key, owner, lease, wait_until).await? {
            LeaseOutcome::Found(found) => LeaseOutcome::Found(self.altered(found)),
            other => other,
        })
    }
    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.renew(key, owner, lease).await
    }
    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.see(key, &value);
        self.inner.put_and_release(key, owner, value, life).await
    }
    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError> {
        self.check()?;
        self.inner.release(key, owner).await
    }
    async fn forget(&self, fingerprint: Fingerprint) -> Result<daypass::Forgotten, StoreError> {
        self.check()?;
        self.inner.forget(fingerprint).await
    }
}
