//! What happened a moment ago, by key: each value is remembered for a fixed time. The cache and the
//! fetch use it; it knows nothing of tokens.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Values that are remembered for a fixed time. Moments are on the monotonic clock.
pub(super) struct Recent<K, V> {
    values: Mutex<Values<K, V>>,
    life: Duration,
    most: usize,
}

struct Values<K, V> {
    /// Each value and its end.
    by_key: HashMap<K, (V, Duration)>,
    /// When the last of them ends.
    last_end: Duration,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Remembers each value for this time, and so many at most: a full one takes nothing new.
    pub(super) fn new(life: Duration, most: usize) -> Self {
        let values = Values { by_key: HashMap::new(), last_end: Duration::ZERO };
        Self { values: Mutex::new(values), life, most }
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self, now: Duration) -> bool {
        self.values().last_end <= now
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K, now: Duration) -> Option<V> {
        let values = self.values();
        let (value, end) = values.by_key.get(key)?;
        (*end > now).then(|| value.clone())
    }

    /// Remembers a value.
    pub(super) fn insert(&self, key: K, value: V, now: Duration) {
        let mut values = self.values();
        // Before the map grows: what has ended goes.
        if values.by_key.len() == values.by_key.capacity() || values.by_key.len() >= self.most {
            values.by_key.retain(|_, (_, end)| *end > now);
        }
        if values.by_key.len() < self.most {
            values.last_end = now + self.life;
            values.by_key.insert(key, (value, now + self.life));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut values = self.values();
        values.by_key.clear();
        values.last_end = Duration::ZERO;
    }

    fn values(&self) -> MutexGuard<'_, Values<K, V>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_remembered_for_a_time_and_in_a_bounded_number() {
        let at = Duration::from_secs;
        let recent = Recent::new(at(3), 100);
        assert!(recent.is_empty(at(0)));
        recent.insert(0, 'a', at(1));
        assert!(!recent.is_empty(at(3)) && recent.is_empty(at(4)));
        assert_eq!((recent.get(&0, at(3)), recent.get(&0, at(4)), recent.get(&1, at(3))), (Some('a'), None, None));
        for key in 0..150 {
            recent.insert(key, 'b', at(10));
        }
        assert_eq!((recent.get(&99, at(11)), recent.get(&100, at(11))), (Some('b'), None));
        recent.insert(100, 'c', at(13));
        assert_eq!((recent.get(&100, at(13)), recent.get(&99, at(11))), (Some('c'), None));
        recent.clear();
        assert!(recent.is_empty(at(13)) && recent.get(&100, at(13)).is_none());
    }
}
