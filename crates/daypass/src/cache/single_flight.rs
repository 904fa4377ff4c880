//! Single flight: callers that ask for the same thing at the same time wait for one task. The token
//! cache uses it; it knows nothing of tokens.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::watch};
use tracing::{Instrument, instrument::Instrumented};

use crate::store::ByDigest;

/// The tasks that are running, by key. The keys hash as store keys do.
///
/// A task runs within its first waiter, which saves a wake-up on another thread. Where that one
/// leaves, the task goes on by itself. Where it panics, its waiters wake without a result.
pub(super) struct SingleFlight<K, T>(Arc<Mutex<Running<K, T>>>);

type Running<K, T> = HashMap<K, watch::Receiver<Option<T>>, ByDigest>;

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One caller that waits for a task.
pub(super) struct Waiter<T> {
    result: watch::Receiver<Option<T>>,
    /// The task, in its first waiter.
    task: Task,
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
            Entry::Occupied(task) => {
                return Waiter { result: task.get().clone(), task: Task(None), role: Role::Joined };
            }
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
        let running: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(running);
        Waiter { result, task: Task(Some(running.in_current_span())), role: Role::Started }
    }
}

impl<T: Clone> Waiter<T> {
    /// The task's result. `None` where the task panicked.
    pub(super) async fn result(mut self) -> Option<T> {
        self.task.await;
        self.result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone())
    }
}

/// A task that goes on by itself where the future is dropped before the task's end.
struct Task(Option<Instrumented<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(task) = &mut self.0 {
            // A panic ends the task, and not the call that it runs in.
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(task).poll(context)));
            ready!(polled.unwrap_or(Poll::Ready(())));
        }
        self.0 = None;
        Poll::Ready(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // At the end of the process there is no runtime any more.
        if let Some(task) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(task);
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_task_goes_on_without_the_caller_that_started_it() {
        for runs_at_first in [true, false] {
            let flights = SingleFlight::<u8, u8>::default();
            let (go, going) = oneshot::channel::<()>();
            let first = flights.join(&1, || async move { if going.await.is_ok() { 7 } else { 0 } });
            let second = flights.join(&1, || async { 8 });
            assert!(first.role == Role::Started && second.role == Role::Joined);
            if runs_at_first {
                assert!(timeout(Duration::ZERO, first.result()).await.is_err());
            } else {
                drop(first);
            }
            assert!(flights.contains(&1));
            go.send(()).unwrap();
            assert_eq!(second.result().await, Some(7));
            assert!(!flights.contains(&1));
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_task_and_no_caller() {
        let flights = SingleFlight::<u8, u8>::default();
        let first = flights.join(&1, || async { panic!("on purpose") });
        let second = flights.join(&1, || async { 8 });
        assert_eq!(first.result().await, None);
        assert_eq!(second.result().await, None);
        assert!(!flights.contains(&1));
    }
}
