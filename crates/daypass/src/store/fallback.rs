//! The shared store with the memory of this node beside it. The server puts it into the engine.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    clock::Clock,
    store::{
        Fingerprint, Forgotten, LeaseOutcome, Owner, Put, Store, StoreError, StoreKey, StoredValue,
        redis::{
            Offered, RedisStore,
            access::{OpenError, StoreAccess},
            trouble::StoreState,
        },
        remembered::Remembered,
    },
};

/// A shared store with a fallback to the memory of this node, for the time that the shared store
/// does not answer. Only the sharing is lost then.
///
/// A value of the shared store replaces the one in memory. A value that the shared store did not
/// take is offered to it again when it is read. The shared store knows this node, and `forget`
/// waits until this node has forgotten, too.
pub struct FallbackStore {
    shared: RedisStore,
    here: Arc<Remembered>,
}

impl FallbackStore {
    /// The store that is reached in this way (see [`RedisStore::new`]), with a fallback.
    ///
    /// # Errors
    /// The URL or the certificates cannot be used. The error contains no part of the URL.
    pub fn new(
        access: impl Into<StoreAccess>,
        operation_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let here = Arc::new(Remembered::new(clock));
        Ok(Self { shared: RedisStore::with_memory(&access.into(), operation_timeout, here.clone())?, here })
    }

    /// Offers the shared store a value that it has not taken; returns the value that it holds then,
    /// which may be another node's.
    async fn offer(&self, read_first: &[StoreKey]) -> Option<StoredValue> {
        let since = self.here.times_forgotten();
        let (mark, ours) = read_first.iter().find_map(|key| {
            // The mark is read before the value: a value that is still there after the mark was
            // obeyed is younger than the mark.
            let mark = self.here.mark(key.fingerprint);
            Some((mark, self.here.refused.find(std::slice::from_ref(key)).next()?))
        })?;
        let found = match self.shared.offer(ours.key, ours.value.clone(), ours.left, mark).await {
            Ok(Offered::Taken) => ours,
            Ok(Offered::Found(theirs)) => theirs,
            Ok(Offered::Forgotten) => return None,
            Err(StoreError) => return Some(ours),
        };
        self.here.follow(since, &[found.key], std::slice::from_ref(&found));
        Some(found)
    }

    /// Remembers a value that the shared store took (`Ok`) or did not take.
    fn remember<T>(&self, since: u64, put: Result<T, StoreError>, key: StoreKey, value: Vec<u8>, life: Duration) {
        self.here.unless_forgotten(since, || match put {
            Ok(_) => {
                self.here.refused.remove(key);
                self.here.taken.insert(key, value, life);
            }
            Err(StoreError) => self.here.refused.insert(key, value, life),
        });
    }
}

#[async_trait::async_trait]
impl Store for FallbackStore {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        self.shared.wait_until_up(limit).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_complete(&self) -> bool {
        self.shared.is_complete()
    }

    fn state(&self) -> StoreState {
        self.shared.state()
    }

    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError> {
        let since = self.here.times_forgotten();
        let Ok(mut found) = self.shared.get(keys).await else { return Ok(self.here.find(keys)) };
        self.here.follow(since, keys, &found);
        for key in keys {
            if !found.iter().any(|found| found.key == *key) {
                found.extend(self.offer(&[*key]).await);
            }
        }
        found.sort_by_key(|found| keys.iter().position(|key| *key == found.key));
        Ok(found)
    }

    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        let since = self.here.times_forgotten();
        let put = self.shared.put(key, value.clone(), life).await;
        self.remember(since, put, key, value, life);
        Ok(())
    }

    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError> {
        let since = self.here.times_forgotten();
        match self.shared.put_if_absent(read_first, key, value.clone(), life).await {
            Ok(Some(found)) => {
                self.here.follow(since, &[found.key], std::slice::from_ref(&found));
                Ok(Some(found))
            }
            Ok(None) => {
                self.remember(since, Ok(()), key, value, life);
                Ok(None)
            }
            Err(StoreError) => match self.here.find(read_first).into_iter().next() {
                Some(found) => Ok(Some(found)),
                None => self.here.refused.put_if_absent(read_first, key, value, life).await,
            },
        }
    }

    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError> {
        let since = self.here.times_forgotten();
        match self.shared.acquire_lease(read_first, key, owner, lease, wait_until).await {
            Ok(LeaseOutcome::Acquired) => match self.offer(read_first).await {
                Some(found) => {
                    let _ = self.shared.release(key, owner).await;
                    Ok(LeaseOutcome::Found(found))
                }
                None => Ok(LeaseOutcome::Acquired),
            },
            Ok(LeaseOutcome::Found(found)) => {
                self.here.follow(since, &[found.key], std::slice::from_ref(&found));
                Ok(LeaseOutcome::Found(found))
            }
            Ok(LeaseOutcome::TimedOut) => Ok(LeaseOutcome::TimedOut),
            Err(StoreError) => match self.here.find(read_first).into_iter().next() {
                Some(found) => Ok(LeaseOutcome::Found(found)),
                None => self.here.refused.acquire_lease(read_first, key, owner, lease, wait_until).await,
            },
        }
    }

    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        let here = self.here.refused.renew(key, owner, lease).await?;
        Ok(self.shared.renew(key, owner, lease).await.unwrap_or(false) || here)
    }

    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let since = self.here.times_forgotten();
        let put = self.shared.put_and_release(key, owner, value.clone(), life).await;
        if put != Ok(false) {
            self.remember(since, put, key, value, life);
        }
        self.here.refused.release(key, owner).await?;
        Ok(put.unwrap_or(true))
    }

    async fn put_all_and_release(&self, owner: Owner, put: Put, also: Vec<Put>) -> Result<bool, StoreError> {
        let since = self.here.times_forgotten();
        let taken = self.shared.put_all_and_release(owner, put.clone(), also.clone()).await;
        let key = put.key;
        if taken != Ok(false) {
            for put in also.into_iter().chain([put]) {
                self.remember(since, taken, put.key, put.value, put.life);
            }
        }
        self.here.refused.release(key, owner).await?;
        Ok(taken.unwrap_or(true))
    }

    async fn remove(&self, keys: &[StoreKey]) -> Result<(), StoreError> {
        self.here.remove(keys);
        let _ = self.shared.remove(keys).await;
        Ok(())
    }

    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError> {
        self.here.refused.release(key, owner).await?;
        self.shared.release(key, owner).await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        let here = self.here.forget(fingerprint);
        let forgotten = self.shared.forget(fingerprint).await?;
        Ok(Forgotten { values: forgotten.values + here, ..forgotten })
    }

    async fn leave(&self) {
        self.shared.leave().await;
    }
}
