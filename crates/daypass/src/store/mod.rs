//! The store of the cache: sealed values with a lifetime, and leases. A store sees neither
//! credentials nor tokens. The cache uses it through [`Store`]; nothing here uses the cache.

pub(crate) mod fallback;
pub(crate) mod memory;
pub(crate) mod redis;
mod remembered;
mod values;

use std::{
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::Instant;

use self::redis::trouble::StoreState;

/// The key of a stored value. It begins with the fingerprint of the credentials, so that all values
/// of one set of credentials can be forgotten together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoreKey {
    /// The fingerprint of the credentials.
    pub fingerprint: Fingerprint,
    /// A keyed hash of everything that the value depends on.
    pub digest: [u8; 32],
}

impl std::hash::Hash for StoreKey {
    /// Eight bytes of the digest are enough for a table: it is a keyed hash itself.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The hasher of tables by [`StoreKey`]: nobody without the key of the ring can choose digests that collide.
pub(crate) type ByDigest = BuildHasherDefault<DigestHasher>;

/// Takes a part of a digest as the hash; further parts are combined with it.
#[derive(Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write_u64(&mut self, part: u64) {
        self.0 ^= part;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A keyed hash of a connector's credentials. Logs show it in their place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 8]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fingerprint has 16 hex digits, as logs show it")]
pub struct FingerprintError;

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut digits = [0; 16];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| std::fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| std::fmt::Error)?)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

/// A value in the store, and the time until it disappears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// The key that holds it, one of those that were read.
    pub key: StoreKey,
    /// The sealed value.
    pub value: Vec<u8>,
    /// The time until it disappears, by the store's clock.
    pub left: Duration,
}

/// The result of an attempt to acquire a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The value exists already.
    Found(StoredValue),
    /// The caller holds the lease until it releases the lease, or does not renew it in time.
    Acquired,
    /// Another owner still holds the lease.
    TimedOut,
}

/// The result of forgetting a set of credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many values the store held.
    pub values: u64,
    /// The nodes that did not confirm that they forgot, each with the time since its last sign of
    /// life.
    pub unconfirmed: Vec<String>,
}

/// A value that is put together with another one.
#[derive(Clone, Debug)]
pub struct Put {
    /// Its key.
    pub key: StoreKey,
    /// The sealed value.
    pub value: Vec<u8>,
    /// The time until it disappears.
    pub life: Duration,
}

/// How often a waiting caller checks whether another owner's lease has ended.
const POLL_EVERY: Duration = Duration::from_millis(25);

/// The owner of a lease: random bytes, new for each fetch.
pub type Owner = [u8; 16];

/// The store is not there, answered too late, or refused. The caller goes on without the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the store did not answer")]
pub struct StoreError;

/// Sealed values with leases, so that one value is made once.
///
/// Several keys in a method's arguments are alternatives for one value, the preferred one first:
/// the keyring has several keys, and each gives one store key.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Waits until the store answers, for this long at most; returns whether it does.
    async fn wait_until_up(&self, limit: Duration) -> bool {
        let _ = limit;
        true
    }

    /// Whether several nodes use it.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether it holds what every node has put. A shared store that does not answer now, with the
    /// memory of one node in its place, is not complete.
    fn is_complete(&self) -> bool {
        true
    }

    /// The state of the store, for the operator.
    fn state(&self) -> StoreState {
        StoreState::InProcess
    }

    /// The values of these keys as [`Store::get`] gives them, where the store has them in this process.
    /// `None` where it must be asked.
    fn at_hand(&self, keys: &[StoreKey]) -> Option<Vec<StoredValue>> {
        let _ = keys;
        None
    }

    /// The values of these keys, in the order of the keys. A key without a value is left out.
    async fn get(&self, keys: &[StoreKey]) -> Result<Vec<StoredValue>, StoreError>;

    /// Puts a value, also where another owner holds the lease.
    async fn put(&self, key: StoreKey, value: Vec<u8>, life: Duration) -> Result<(), StoreError>;

    /// Puts a value, unless one of `read_first` has one, which is returned. Atomic.
    async fn put_if_absent(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<StoredValue>, StoreError>;

    /// The value of one of `read_first`, else the lease on `key`. Atomic. With an empty
    /// `read_first`, the lease only. Where another owner holds the lease, waits for the value or
    /// the lease until `wait_until`.
    async fn acquire_lease(
        &self,
        read_first: &[StoreKey],
        key: StoreKey,
        owner: Owner,
        lease: Duration,
        wait_until: Instant,
    ) -> Result<LeaseOutcome, StoreError>;

    /// Extends the lease. `false` where this owner does not hold it.
    async fn renew(&self, key: StoreKey, owner: Owner, lease: Duration) -> Result<bool, StoreError>;

    /// Puts the value and releases the lease. `false`, with nothing put, where another owner holds
    /// the lease.
    async fn put_and_release(
        &self,
        key: StoreKey,
        owner: Owner,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<bool, StoreError>;

    /// The same, and these further values where the first one was put. A store that can do both at
    /// once replaces this method.
    async fn put_all_and_release(&self, owner: Owner, put: Put, also: Vec<Put>) -> Result<bool, StoreError> {
        let ours = self.put_and_release(put.key, owner, put.value, put.life).await?;
        if ours {
            for put in also {
                self.put(put.key, put.value, put.life).await?;
            }
        }
        Ok(ours)
    }

    /// Removes the values of these keys. A store without removal replaces each by an empty value,
    /// which counts as absent.
    async fn remove(&self, keys: &[StoreKey]) -> Result<(), StoreError> {
        for key in keys {
            self.put(*key, Vec::new(), Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    /// Releases the lease without a value.
    async fn release(&self, key: StoreKey, owner: Owner) -> Result<(), StoreError>;

    /// Forgets every value of these credentials, on every node. It is complete only where
    /// [`Forgotten::unconfirmed`] is empty.
    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError>;

    /// Takes this node off the store's list of nodes. The store must not be used afterwards.
    async fn leave(&self) {}
}
