use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// Calls that are under way, so that everybody who wants the same waits for one.
///
/// A flight is a task of its own: it goes on when those who wait for it leave. One that dies without a result wakes everybody.
pub(crate) struct Flights<K, T>(Arc<Mutex<Underway<K, T>>>);

type Underway<K, T> = HashMap<K, watch::Receiver<Option<T>>>;

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A place on a flight.
pub(crate) struct Seat<T> {
    result: watch::Receiver<Option<T>>,
    /// Whether this caller started it.
    pub started: bool,
}

impl<K: Eq + Hash + Clone + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// Whether there is a flight of this key.
    pub fn is_under_way(&self, key: &K) -> bool {
        lock(&self.0).contains_key(key)
    }

    /// A seat on the flight of this key; it is started if there is none.
    pub fn board<F: Future<Output = T> + Send + 'static>(&self, key: &K, start: impl FnOnce() -> F) -> Seat<T> {
        let mut underway = lock(&self.0);
        let (sender, result) = match underway.entry(key.clone()) {
            Entry::Occupied(flight) => return Seat { result: flight.get().clone(), started: false },
            Entry::Vacant(place) => {
                let (sender, result) = watch::channel(None);
                place.insert(result.clone());
                (sender, result)
            }
        };
        drop(underway);
        let landing = Landing { underway: self.0.clone(), key: key.clone() };
        let flight = start();
        tokio::spawn(async move {
            let result = flight.await;
            // First off the list, then the result: who comes now finds what was stored, or starts anew.
            drop(landing);
            let _ = sender.send(Some(result));
        });
        Seat { result, started: true }
    }
}

impl<T: Clone> Seat<T> {
    /// The flight's result; nothing where it died.
    pub async fn result(mut self) -> Option<T> {
        self.result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone())
    }
}

/// Takes the flight off the list, also when it panics.
struct Landing<K: Eq + Hash, T> {
    underway: Arc<Mutex<Underway<K, T>>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        lock(&self.underway).remove(&self.key);
    }
}

fn lock<K, T>(underway: &Mutex<Underway<K, T>>) -> MutexGuard<'_, Underway<K, T>> {
    underway.lock().unwrap_or_else(PoisonError::into_inner)
}
