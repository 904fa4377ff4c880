//! The memory of one node beside a shared store, and the marks of forgotten credentials. The
//! fallback store reads and writes it, the heartbeat to Redis clears it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    clock::Clock,
    store::{Fingerprint, StoreKey, StoredValue, memory::MemoryStore},
};

/// The memory of one node.
pub(super) struct Remembered {
    /// Values that the shared store held when it was last read.
    pub taken: MemoryStore,
    /// Values that it did not take.
    pub refused: MemoryStore,
    forgotten: RwLock<Forgotten>,
}

#[derive(Default)]
struct Forgotten {
    /// How many times values were forgotten here.
    times: u64,
    /// The mark that the shared store holds for each forgotten set of credentials.
    marks: HashMap<Fingerprint, u64>,
}

impl Remembered {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (taken, refused) = (MemoryStore::new(clock.clone()), MemoryStore::new(clock));
        Self { taken, refused, forgotten: RwLock::default() }
    }

    /// The count of forgettings: read before an operation, for [`Self::unless_forgotten`] after it.
    pub(super) fn times_forgotten(&self) -> u64 {
        self.forgotten.read().unwrap_or_else(PoisonError::into_inner).times
    }

    /// Remembers, unless values were forgotten since: an answer that was on its way at that moment
    /// may contain a forgotten value.
    pub(super) fn unless_forgotten(&self, since: u64, remember: impl FnOnce()) {
        let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        if forgotten.times == since {
            remember();
        }
    }

    /// The last mark that was obeyed. It is read before its value.
    pub(super) fn mark(&self, fingerprint: Fingerprint) -> u64 {
        let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        forgotten.marks.get(&fingerprint).copied().unwrap_or(0)
    }

    /// Obeys all marks of the shared store that are new.
    pub(super) fn obey(&self, marks: HashMap<Fingerprint, u64>) {
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

    /// Forgets on this node alone; returns how many values only this node had.
    pub(super) fn forget(&self, fingerprint: Fingerprint) -> u64 {
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        forgotten.times += 1;
        self.taken.remove_all(fingerprint);
        self.refused.remove_all(fingerprint)
    }

    /// Removes the remembered values of these keys.
    pub(super) fn remove(&self, keys: &[StoreKey]) {
        for key in keys {
            self.taken.remove(*key);
            self.refused.remove(*key);
        }
    }

    /// The remembered values of these keys.
    pub(super) fn find(&self, keys: &[StoreKey]) -> Vec<StoredValue> {
        let at = |key: &StoreKey| {
            let key = std::slice::from_ref(key);
            self.refused.find(key).next().or_else(|| self.taken.find(key).next())
        };
        keys.iter().filter_map(at).collect()
    }

    /// Remembers what the shared store holds. It replaces a value of this node under the same key.
    pub(super) fn follow(&self, since: u64, keys: &[StoreKey], found: &[StoredValue]) {
        self.unless_forgotten(since, || {
            self.taken.follow(keys, found);
            found.iter().for_each(|found| self.refused.remove(found.key));
        });
    }
}
