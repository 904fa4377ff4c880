use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::{Expiry, sync::Cache};
use tokio::time::{Instant, sleep};

use super::{Claim, Fingerprint, Forgotten, Found, LOOK_EVERY, Owner, Place, Store, StoreError};
use crate::Clock;

/// Most bytes of values.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A store inside the process: bounded in bytes, the least used go first.
pub struct MemoryStore {
    values: Cache<Place, Value>,
    leases: Mutex<HashMap<Place, (Owner, Duration)>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Value {
    bytes: Arc<[u8]>,
    life: Duration,
    /// On the clock that only goes forwards.
    dies: Duration,
}

struct ByLife;

impl Expiry<Place, Value> for ByLife {
    fn expire_after_create(&self, _: &Place, value: &Value, _: std::time::Instant) -> Option<Duration> {
        Some(value.life)
    }

    fn expire_after_update(
        &self,
        _: &Place,
        value: &Value,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.life)
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let values = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_, value: &Value| u32::try_from(value.bytes.len() + 200).unwrap_or(u32::MAX))
            .expire_after(ByLife)
            .build();
        Self { values, leases: Mutex::default(), clock }
    }

    pub(super) fn find(&self, places: &[Place]) -> impl Iterator<Item = Found> {
        places.iter().filter_map(|place| {
            let value = self.values.get(place)?;
            let left = value.dies.checked_sub(self.clock.elapsed()).filter(|left| !left.is_zero())?;
            Some(Found { place: *place, value: value.bytes.to_vec(), left })
        })
    }

    /// The value at one of these places, or the right; for how long somebody else has it, where that is so.
    fn try_claim(&self, look_at: &[Place], place: Place, owner: Owner, lease: Duration) -> Result<Claim, Duration> {
        let mut leases = self.leases();
        if let Some(found) = self.find(look_at).next() {
            return Ok(Claim::Found(found));
        }
        let now = self.clock.elapsed();
        match leases.get(&place) {
            Some((holder, until)) if *holder != owner && *until > now => return Err(until.saturating_sub(now)),
            _ => {}
        }
        // Before it would grow: those whose holders died.
        if leases.len() == leases.capacity() {
            leases.retain(|_, (_, until)| *until > now);
        }
        leases.insert(place, (owner, now + lease));
        Ok(Claim::Ours)
    }

    /// Holds what another store was found to hold at these places, in step with it.
    pub(super) fn follow(&self, places: &[Place], found: &[Found]) {
        for place in places {
            match found.iter().find(|found| found.place == *place) {
                None => self.values.invalidate(place),
                Some(found) if self.values.get(place).is_some_and(|held| *held.bytes == *found.value) => {}
                Some(found) => self.insert(*place, found.value.clone(), found.left),
            }
        }
    }

    pub(super) fn remove(&self, place: Place) {
        self.values.invalidate(&place);
    }

    /// Removes every value of these credentials; how many there were.
    pub(super) fn remove_all(&self, fingerprint: Fingerprint) -> u64 {
        let places: Vec<Place> =
            self.values.iter().map(|(place, _)| *place).filter(|place| place.fingerprint == fingerprint).collect();
        places.iter().for_each(|place| self.values.invalidate(place));
        places.len() as u64
    }

    pub(super) fn insert(&self, place: Place, value: Vec<u8>, life: Duration) {
        let dies = self.clock.elapsed() + life;
        self.values.insert(place, Value { bytes: value.into(), life, dies });
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<Place, (Owner, Duration)>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        Ok(self.find(places).collect())
    }

    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        self.insert(place, value, life);
        Ok(())
    }

    async fn put_new(
        &self,
        look_at: &[Place],
        place: Place,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<Found>, StoreError> {
        // The leases' lock is what makes it one step.
        let _one_step = self.leases();
        let found = self.find(look_at).next();
        if found.is_none() {
            self.insert(place, value, life);
        }
        Ok(found)
    }

    async fn claim(
        &self,
        look_at: &[Place],
        place: Place,
        owner: Owner,
        lease: Duration,
        until: Instant,
    ) -> Result<Claim, StoreError> {
        loop {
            match self.try_claim(look_at, place, owner, lease) {
                Ok(claim) => return Ok(claim),
                Err(_) if Instant::now() >= until => return Ok(Claim::Theirs),
                Err(left) => sleep(left.min(LOOK_EVERY)).await,
            }
        }
    }

    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        let until = self.clock.elapsed() + lease;
        let mut leases = self.leases();
        let ours = leases.get_mut(&place).filter(|(holder, _)| *holder == owner);
        Ok(ours.map(|held| held.1 = until).is_some())
    }

    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError> {
        let mut leases = self.leases();
        let ours = match leases.get(&place) {
            Some((holder, _)) => *holder == owner,
            None => self.find(&[place]).next().is_none(),
        };
        if ours {
            self.insert(place, value, life);
            leases.remove(&place);
        }
        Ok(ours)
    }

    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError> {
        let mut leases = self.leases();
        if leases.get(&place).is_some_and(|(holder, _)| *holder == owner) {
            leases.remove(&place);
        }
        Ok(())
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        Ok(Forgotten { values: self.remove_all(fingerprint), unconfirmed: Vec::new() })
    }
}
