//! What one node remembers beside a shared store, and what it knows to be forgotten of that.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Fingerprint, Found, MemoryStore, Place};
use crate::Clock;

/// The memory of a [`FallbackStore`](super::FallbackStore). The shared store's heartbeat clears it.
pub(super) struct Remembered {
    /// Values that the shared store was last seen to hold.
    pub taken: MemoryStore,
    /// Values that it did not take.
    pub refused: MemoryStore,
    forgotten: RwLock<Forgotten>,
}

#[derive(Default)]
struct Forgotten {
    /// How many times something was forgotten here.
    times: u64,
    /// The mark that the shared store holds for each forgotten set of credentials.
    marks: HashMap<Fingerprint, u64>,
}

impl Remembered {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (taken, refused) = (MemoryStore::new(clock.clone()), MemoryStore::new(clock));
        Self { taken, refused, forgotten: RwLock::default() }
    }

    /// Taken before an operation, for [`Self::unless_forgotten`] after it.
    pub fn times_forgotten(&self) -> u64 {
        self.forgotten.read().unwrap_or_else(PoisonError::into_inner).times
    }

    /// Remembers, unless something was forgotten since: an answer that was under way at that time
    /// may hold it.
    pub fn unless_forgotten(&self, since: u64, remember: impl FnOnce()) {
        let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        if forgotten.times == since {
            remember();
        }
    }

    /// The last mark that was obeyed. Read before the value that it goes with.
    pub fn mark(&self, fingerprint: Fingerprint) -> u64 {
        let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        forgotten.marks.get(&fingerprint).copied().unwrap_or(0)
    }

    /// Obeys all marks of the shared store that were not obeyed yet.
    pub fn obey(&self, marks: HashMap<Fingerprint, u64>) {
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        for (fingerprint, mark) in &marks {
            if forgotten.marks.get(fingerprint) != Some(mark) {
                self.taken.remove_all(*fingerprint);
                self.refused.remove_all(*fingerprint);
            }
        }
        forgotten.times += 1;
        forgotten.marks = marks;
    }

    /// Forgets on this node alone; how many values only this node had.
    pub fn forget(&self, fingerprint: Fingerprint) -> u64 {
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        forgotten.times += 1;
        self.taken.remove_all(fingerprint);
        self.refused.remove_all(fingerprint)
    }

    /// What is remembered of these places.
    pub fn find(&self, places: &[Place]) -> Vec<Found> {
        let at = |place: &Place| {
            let place = std::slice::from_ref(place);
            self.refused.find(place).next().or_else(|| self.taken.find(place).next())
        };
        places.iter().filter_map(at).collect()
    }

    /// Remembers what the shared store holds. A value of our own at the same place gives way to it.
    pub fn follow(&self, since: u64, places: &[Place], found: &[Found]) {
        self.unless_forgotten(since, || {
            self.taken.follow(places, found);
            found.iter().for_each(|found| self.refused.remove(found.place));
        });
    }
}
