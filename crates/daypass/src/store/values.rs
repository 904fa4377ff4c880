//! Values with a lifetime in this process, bounded in bytes. The memory store keeps its values here.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indexmap::IndexMap;

use crate::{
    random,
    store::{ByDigest, Fingerprint, StoreKey},
};

/// Number of tables, each under a lock of its own.
const TABLES: usize = 64;
/// Bytes of memory that a value takes besides its own.
const ENTRY_BYTES: usize = 144;
/// Values that each new one looks at in turn, to remove those that have expired.
const SWEPT: usize = 4;
/// Places of a table that does not give any back.
const SMALL: usize = 64;
/// Values, chosen at random, of which the one that was not asked for the longest makes room.
const CANDIDATES: usize = 16;

/// Values by their keys. Moments are on the monotonic clock.
pub(super) struct Values {
    tables: Vec<Mutex<Table>>,
    most_bytes_of_table: usize,
}

#[derive(Default)]
struct Table {
    entries: IndexMap<StoreKey, Entry, ByDigest>,
    /// Of all entries together.
    bytes: usize,
    /// How many times values were put or asked for.
    uses: u64,
    /// The place of the entry that is looked at next.
    next_swept: usize,
}

struct Entry {
    value: Box<[u8]>,
    /// In nanoseconds: half the size of a `Duration`.
    expires_at: u64,
    /// [`Table::uses`] at its last use.
    used: u64,
}

impl Values {
    /// No values, and room for so many bytes.
    pub(super) fn of_bytes(most: usize) -> Self {
        let tables = std::iter::repeat_with(Mutex::default).take(TABLES).collect();
        Self { tables, most_bytes_of_table: most / TABLES }
    }

    /// A value and the time until it expires.
    pub(super) fn get(&self, key: &StoreKey, now: Duration) -> Option<(Vec<u8>, Duration)> {
        let mut table = self.table(key);
        table.uses += 1;
        let uses = table.uses;
        let entry = table.entries.get_mut(key)?;
        let left = entry.expires_at.checked_sub(nanoseconds(now)).filter(|left| *left > 0)?;
        entry.used = uses;
        Some((entry.value.to_vec(), Duration::from_nanos(left)))
    }

    /// Whether the key holds this value.
    pub(super) fn holds(&self, key: &StoreKey, value: &[u8], now: Duration) -> bool {
        let table = self.table(key);
        table.entries.get(key).is_some_and(|entry| entry.expires_at > nanoseconds(now) && *entry.value == *value)
    }

    /// Puts a value. Where there is no room, values make it that were not asked for in a long time.
    pub(super) fn insert(&self, key: StoreKey, value: Vec<u8>, life: Duration, now: Duration) {
        let expires_at = nanoseconds(now.saturating_add(life));
        let mut table = self.table(&key);
        table.remove(&key);
        table.sweep(now);
        let bytes = value.len() + ENTRY_BYTES;
        while table.bytes + bytes > self.most_bytes_of_table && table.make_room() {}
        table.uses += 1;
        table.bytes += bytes;
        let used = table.uses;
        table.entries.insert(key, Entry { value: value.into(), expires_at, used });
    }

    /// Removes a value.
    pub(super) fn remove(&self, key: &StoreKey) {
        self.table(key).remove(key);
    }

    /// Removes every value of these credentials; returns how many had not expired.
    pub(super) fn remove_all(&self, fingerprint: Fingerprint, now: Duration) -> u64 {
        let mut living = 0;
        for table in &self.tables {
            let mut table = lock(table);
            let of_these = |(key, _): &(&StoreKey, &Entry)| key.fingerprint == fingerprint;
            let keys: Vec<(StoreKey, u64)> =
                table.entries.iter().filter(of_these).map(|(key, entry)| (*key, entry.expires_at)).collect();
            for (key, expires_at) in keys {
                table.remove(&key);
                living += u64::from(expires_at > nanoseconds(now));
            }
        }
        living
    }

    fn table(&self, key: &StoreKey) -> MutexGuard<'_, Table> {
        // The first bytes are the hash within the table: keys of one table must differ in them.
        let [.., last] = key.digest;
        let at = usize::from(last) % TABLES;
        #[expect(clippy::indexing_slicing, reason = "there are as many tables")]
        lock(&self.tables[at])
    }
}

impl Table {
    fn remove(&mut self, key: &StoreKey) {
        if let Some(at) = self.entries.get_index_of(key) {
            self.remove_at(at);
        }
    }

    fn remove_at(&mut self, at: usize) {
        if let Some((_, entry)) = self.entries.swap_remove_index(at) {
            self.bytes -= entry.value.len() + ENTRY_BYTES;
        }
    }

    /// Looks at some entries, and removes those that have expired.
    fn sweep(&mut self, now: Duration) {
        let now = nanoseconds(now);
        for _ in 0..SWEPT {
            match self.entries.get_index(self.next_swept) {
                None => self.next_swept = 0,
                // The last entry takes this place, and is looked at next.
                Some((_, entry)) if entry.expires_at <= now => self.remove_at(self.next_swept),
                Some(_) => self.next_swept += 1,
            }
        }
        if self.entries.len() < self.entries.capacity() / 4 && self.entries.capacity() > SMALL {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Removes an entry, where there is one.
    fn make_room(&mut self) -> bool {
        let entries = self.entries.len();
        if entries == 0 {
            return false;
        }
        let random: [u8; 4 * CANDIDATES] = random::bytes();
        let (numbers, _) = random.as_chunks::<4>();
        let places = numbers.iter().map(|number| u32::from_le_bytes(*number) as usize % entries);
        let used = |at: &usize| self.entries.get_index(*at).map(|(_, entry)| entry.used);
        places.min_by_key(used).map(|at| self.remove_at(at)).is_some()
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Keys of one table.
    fn key(nth: u16) -> StoreKey {
        let [a, b] = nth.to_le_bytes();
        let mut digest = [0; 32];
        (digest[1], digest[2]) = (a, b);
        StoreKey { fingerprint: Fingerprint([b, 0, 0, 0, 0, 0, 0, 0]), digest }
    }

    #[test]
    fn a_full_store_takes_new_values_and_loses_those_not_asked_for() {
        let values = Values::of_bytes(20_000 * TABLES);
        let holds = |nth: u16| values.get(&key(nth), Duration::ZERO).is_some();
        for nth in 0..200 {
            values.insert(key(nth), vec![1; 800], MINUTE, Duration::ZERO);
            // The first one is asked for all the time.
            assert!(holds(0) && holds(nth), "{nth}");
            assert!(values.table(&key(0)).bytes <= 20_000);
        }
        assert_eq!((0..100).filter(|nth| holds(*nth)).count(), 1);
    }

    #[test]
    fn a_value_without_room_is_held_alone() {
        let values = Values::of_bytes(20_000 * TABLES);
        for nth in 0..3 {
            values.insert(key(nth), vec![1; 30_000], MINUTE, Duration::ZERO);
        }
        assert!(values.get(&key(2), Duration::ZERO).is_some());
        assert_eq!(values.table(&key(0)).entries.len(), 1);
    }

    #[test]
    fn a_new_value_makes_room_for_itself_whatever_goes() {
        for _ in 0..20 {
            let values = Values::of_bytes(20_000 * TABLES);
            for (nth, length) in [(0, 1_000), (1, 12_000), (2, 12_000)] {
                values.insert(key(nth), vec![1; length], MINUTE, Duration::ZERO);
                assert!(values.get(&key(nth), Duration::ZERO).is_some(), "{nth}");
            }
            assert!(values.table(&key(0)).bytes <= 20_000);
        }
    }

    #[test]
    fn values_expire_and_leave_the_memory() {
        let values = Values::of_bytes(usize::MAX);
        for nth in 0..1000 {
            values.insert(key(nth), vec![1; 100], if nth % 2 == 0 { MINUTE } else { MINUTE * 60 }, Duration::ZERO);
        }
        let left = |nth, now| values.get(&key(nth), now).map(|(_, left)| left);
        assert_eq!(left(0, MINUTE / 3), Some(MINUTE * 2 / 3));
        assert_eq!((left(0, MINUTE), left(1, MINUTE)), (None, Some(MINUTE * 59)));
        for nth in 1000..1400 {
            values.insert(key(nth), vec![1; 100], MINUTE, MINUTE);
        }
        let table = values.table(&key(0));
        assert_eq!(table.entries.len(), 900);
        assert_eq!(table.bytes, 900 * (100 + ENTRY_BYTES));
        drop(table);
        for nth in 1400..1800 {
            values.insert(key(nth), vec![1; 100], MINUTE, MINUTE * 70);
        }
        let table = values.table(&key(0));
        assert!(table.entries.len() == 400 && table.entries.capacity() < 1600, "{}", table.entries.capacity());
    }

    #[test]
    fn the_bytes_are_those_of_the_entries() {
        let values = Values::of_bytes(200_000 * TABLES);
        for nth in 0..600 {
            values.insert(key(nth % 300), vec![1; usize::from(nth)], MINUTE, Duration::ZERO);
        }
        values.remove(&key(7));
        values.remove(&key(7));
        let holds = |nth, length, now| values.holds(&key(nth), &vec![1; length], now);
        assert!(!holds(7, 307, Duration::ZERO) && holds(299, 599, Duration::ZERO) && !holds(299, 599, MINUTE));
        let of_second =
            values.table(&key(0)).entries.keys().filter(|key| key.fingerprint == self::key(256).fingerprint).count();
        assert_eq!(values.remove_all(key(256).fingerprint, MINUTE / 2), of_second as u64);
        assert_eq!(values.remove_all(key(0).fingerprint, MINUTE), 0, "all have expired");
        let table = values.table(&key(0));
        assert_eq!(table.bytes, table.entries.values().map(|entry| entry.value.len() + ENTRY_BYTES).sum::<usize>());
    }
}
