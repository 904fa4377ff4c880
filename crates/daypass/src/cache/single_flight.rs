//! Single flight: callers that ask for the same thing at the same time wait for one task. The token
//! cache uses it; it knows nothing of tokens.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument;

/// The tasks that are running, by key.
///
/// A task goes on when its waiters leave. Where it panics, its waiters wake without a result.
pub(super) struct SingleFlight<K, T>(Arc<Mutex<Running<K, T>>>);

type Running<K, T> = HashMap<K, watch::Receiver<Option<T>>>;

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One caller that waits for a task.
pub(super) struct Waiter<T> {
    result: watch::Receiver<Option<T>>,
    pub role: Role,
}

/// The part of a caller in the task that it waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Started,
    Joined,
}

impl<K: Eq + Hash + Clone + Send + 'static, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    /// Whether a task of this key is running.
    pub(super) fn contains(&self, key: &K) -> bool {
        lock(&self.0).contains_key(key)
    }

    /// Joins the task of this key, or starts it.
    pub(super) fn join<F: Future<Output = T> + Send + 'static>(&self, key: &K, start: impl FnOnce() -> F) -> Waiter<T> {
        let mut running = lock(&self.0);
        let (sender, result) = match running.entry(key.clone()) {
            Entry::Occupied(task) => return Waiter { result: task.get().clone(), role: Role::Joined },
            Entry::Vacant(vacant) => {
                let (sender, result) = watch::channel(None);
                vacant.insert(result.clone());
                (sender, result)
            }
        };
        drop(running);
        let remove = RemoveOnDrop { running: self.0.clone(), key: key.clone() };
        let task = start();
        let running = async move {
            let result = task.await;
            // The key goes first: a caller that comes after the result must read the store, or
            // start a task of its own.
            drop(remove);
            let _ = sender.send(Some(result));
        };
        tokio::spawn(running.in_current_span());
        Waiter { result, role: Role::Started }
    }
}

impl<T: Clone> Waiter<T> {
    /// The task's result. `None` where the task panicked.
    pub(super) async fn result(mut self) -> Option<T> {
        self.result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone())
    }
}

/// Removes a key from the running tasks, also where the task panics.
struct RemoveOnDrop<K: Eq + Hash, T> {
    running: Arc<Mutex<Running<K, T>>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for RemoveOnDrop<K, T> {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.key);
    }
}

fn lock<K, T>(running: &Mutex<Running<K, T>>) -> MutexGuard<'_, Running<K, T>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
