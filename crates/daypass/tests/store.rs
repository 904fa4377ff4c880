//! One suite for all stores: the properties that the cache relies on.

use std::{sync::Arc, time::Duration};

use crate::redis_server::{Answer, RedisServer};
use daypass::{
    FallbackStore, Fingerprint, Forgotten, LeaseOutcome, MemoryStore, Owner, Put, RedisStore, Store, StoreKey,
    StoredValue, SystemClock,
};
use tokio::time::Instant;

pub(crate) const LONG: Duration = Duration::from_secs(60);
/// The time limit of an operation. It is long, so that a busy machine does not make the store look
/// slow.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(150);

pub(crate) fn key(credentials: u8, digest: u8) -> StoreKey {
    StoreKey { fingerprint: Fingerprint([credentials; 8]), digest: [digest; 32] }
}

pub(crate) fn owner(nth: u8) -> Owner {
    [nth; 16]
}

/// The value of these keys. Asks again if the store does not answer: on a busy machine a shared
/// store can look slow for a moment.
pub(crate) async fn value(store: &dyn Store, keys: &[StoreKey]) -> Option<Vec<u8>> {
    steady(store, async || store.get(keys).await).await.into_iter().next().map(|found| found.value)
}

pub(crate) async fn steady<T>(store: &dyn Store, work: impl AsyncFn() -> Result<T, daypass::StoreError>) -> T {
    for _ in 0..50 {
        assert!(store.wait_until_up(LONG).await, "the store does not answer");
        if let Ok(done) = work().await {
            return done;
        }
    }
    panic!("the store answers no operation");
}

/// Tries to acquire a lease, without a wait for another owner.
pub(crate) async fn acquire(
    store: &dyn Store,
    read_first: &[StoreKey],
    at: StoreKey,
    nth: u8,
    time: Duration,
) -> LeaseOutcome {
    steady(store, async || store.acquire_lease(read_first, at, owner(nth), time, Instant::now()).await).await
}

async fn until_gone(store: &dyn Store, at: StoreKey) {
    for _ in 0..1000 {
        if value(store, &[at]).await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the value does not go");
}

pub(crate) async fn suite(store: &dyn Store) {
    values_come_back_until_they_expire(store).await;
    keys_are_alternatives(store).await;
    the_first_value_stays(store).await;
    one_owner_holds_the_lease_and_the_others_wait(store).await;
    a_waiting_owner_gets_the_value_or_the_lease(store).await;
    an_owner_without_the_lease_changes_nothing(store).await;
    leases_end_and_can_be_renewed(store).await;
    several_values_come_with_the_end_of_a_lease(store).await;
    removed_values_are_gone(store).await;
    credentials_are_forgotten_together(store).await;
    of_many_owners_one_gets_the_lease(store).await;
}

async fn values_come_back_until_they_expire(store: &dyn Store) {
    let (at, every_byte) = (key(1, 1), (0..=255).cycle().take(70_000).collect::<Vec<u8>>());
    assert_eq!(value(store, &[at]).await, None);
    for bytes in [Vec::new(), b"\0\r\n\xff".to_vec(), every_byte, b"last".to_vec()] {
        steady(store, async || store.put(at, bytes.clone(), LONG).await).await;
        let found = steady(store, async || store.get(&[at]).await).await.remove(0);
        assert_eq!((found.key, &found.value), (at, &bytes));
        assert!(found.left <= LONG && found.left > LONG / 2, "{:?}", found.left);
    }
    steady(store, async || store.put(at, b"brief".to_vec(), SHORT).await).await;
    until_gone(store, at).await;
    assert_eq!(value(store, &[]).await, None);
}

async fn keys_are_alternatives(store: &dyn Store) {
    let (first, second) = (key(2, 1), key(2, 2));
    steady(store, async || store.put(second, b"second".to_vec(), LONG).await).await;
    assert_eq!(value(store, &[first, second]).await.as_deref(), Some(b"second".as_slice()));
    let found = acquire(store, &[first, second], first, 1, LONG).await;
    assert!(matches!(found, LeaseOutcome::Found(StoredValue { key, .. }) if key == second), "{found:?}");
    steady(store, async || store.put(first, b"first".to_vec(), LONG).await).await;
    assert_eq!(value(store, &[first, second]).await.as_deref(), Some(b"first".as_slice()));
    assert_eq!(value(store, &[second, first]).await.as_deref(), Some(b"second".as_slice()));
    let found = steady(store, async || store.get(&[second, key(2, 3), first]).await).await;
    assert_eq!(
        found.iter().map(|found| found.key).collect::<Vec<_>>(),
        [second, first],
        "all that there are, in order"
    );
}

async fn the_first_value_stays(store: &dyn Store) {
    let (old_name, new_name) = (key(9, 1), key(9, 2));
    let put_if_absent = |at: StoreKey, value: &'static [u8]| {
        steady(store, async move || store.put_if_absent(&[new_name, old_name], at, value.to_vec(), LONG).await)
    };
    assert_eq!(put_if_absent(old_name, b"first").await, None);
    let before = put_if_absent(new_name, b"second").await.unwrap();
    assert_eq!((before.key, before.value.as_slice()), (old_name, b"first".as_slice()));
    assert!(before.left <= LONG && before.left > LONG / 2);
    assert_eq!(value(store, &[new_name]).await, None);
    let puts = (0..50).map(|nth| async move { store.put_if_absent(&[key(9, 3)], key(9, 3), vec![nth], LONG).await });
    let puts = futures(puts).await;
    assert!(puts.iter().filter(|put| **put == Ok(None)).count() <= 1);
}

async fn one_owner_holds_the_lease_and_the_others_wait(store: &dyn Store) {
    let at = key(3, 1);
    let read_first = [at];
    let acquire = |nth| acquire(store, &read_first, at, nth, LONG);
    assert_eq!(acquire(1).await, LeaseOutcome::Acquired);
    assert_eq!(acquire(2).await, LeaseOutcome::TimedOut);
    assert_eq!(acquire(1).await, LeaseOutcome::Acquired, "the holder may ask again");
    steady(store, async || store.release(at, owner(2)).await).await;
    assert_eq!(acquire(2).await, LeaseOutcome::TimedOut, "only the owner can release it");
    steady(store, async || store.release(at, owner(1)).await).await;
    assert_eq!(acquire(2).await, LeaseOutcome::Acquired);
    assert!(steady(store, async || store.put_and_release(at, owner(2), b"made".to_vec(), LONG).await).await);
    assert!(matches!(acquire(3).await, LeaseOutcome::Found(StoredValue { value, .. }) if value == b"made"));
    // Without keys to read first, the lease is acquired although there is a value.
    assert_eq!(self::acquire(store, &[], at, 3, LONG).await, LeaseOutcome::Acquired);
    assert!(steady(store, async || store.put_and_release(at, owner(3), b"newer".to_vec(), LONG).await).await);
    assert_eq!(value(store, &[at]).await.as_deref(), Some(b"newer".as_slice()));
}

async fn a_waiting_owner_gets_the_value_or_the_lease(store: &dyn Store) {
    for (digest, made) in [(1, true), (2, false)] {
        let at = key(10, digest);
        assert_eq!(acquire(store, &[at], at, 1, LONG).await, LeaseOutcome::Acquired);
        let began = Instant::now();
        let waiting = steady(store, async || store.acquire_lease(&[at], at, owner(2), LONG, began + LONG).await);
        let making = async {
            tokio::time::sleep(SHORT).await;
            match made {
                true => {
                    _ = steady(store, async || store.put_and_release(at, owner(1), b"made".to_vec(), LONG).await).await
                }
                false => steady(store, async || store.release(at, owner(1)).await).await,
            }
        };
        let (leased, ()) = tokio::join!(waiting, making);
        assert!(began.elapsed() >= SHORT && began.elapsed() < LONG / 2, "{:?}", began.elapsed());
        match leased {
            LeaseOutcome::Found(found) => assert!(made && found.value == b"made"),
            other => assert_eq!((made, other), (false, LeaseOutcome::Acquired)),
        }
    }
}

async fn an_owner_without_the_lease_changes_nothing(store: &dyn Store) {
    let at = key(4, 1);
    let acquire = |nth, time| acquire(store, &[], at, nth, time);
    assert_eq!(acquire(1, SHORT).await, LeaseOutcome::Acquired);
    while acquire(2, LONG).await != LeaseOutcome::Acquired {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let put_and_release = |nth, value: &'static [u8]| store.put_and_release(at, owner(nth), value.to_vec(), LONG);
    assert!(!steady(store, async || put_and_release(1, b"late").await).await, "the lease has another owner");
    assert!(!steady(store, async || store.renew(at, owner(1), LONG).await).await);
    assert_eq!(value(store, &[at]).await, None);
    assert!(steady(store, async || put_and_release(2, b"in time").await).await);
    assert!(!steady(store, async || put_and_release(1, b"later still").await).await, "another's value is there");
    assert_eq!(value(store, &[at]).await.as_deref(), Some(b"in time".as_slice()));
}

async fn leases_end_and_can_be_renewed(store: &dyn Store) {
    let at = key(5, 1);
    assert_eq!(acquire(store, &[], at, 1, TIMEOUT).await, LeaseOutcome::Acquired);
    assert!(steady(store, async || store.renew(at, owner(1), LONG).await).await);
    tokio::time::sleep(TIMEOUT + SHORT).await;
    assert_eq!(acquire(store, &[], at, 2, LONG).await, LeaseOutcome::TimedOut);
    assert!(!steady(store, async || store.renew(at, owner(2), LONG).await).await);
}

async fn several_values_come_with_the_end_of_a_lease(store: &dyn Store) {
    let (token, record) = (key(12, 1), key(13, 2));
    assert_eq!(acquire(store, &[], token, 1, LONG).await, LeaseOutcome::Acquired);
    let put = |nth, text: &'static [u8]| {
        let put = |key| Put { key, value: text.to_vec(), life: LONG };
        steady(store, async move || store.put_all_and_release(owner(nth), put(token), vec![put(record)]).await)
    };
    assert!(!put(2, b"late").await);
    assert_eq!(value(store, &[record]).await, None, "all or nothing");
    assert!(put(1, b"made").await);
    for at in [token, record] {
        assert_eq!(value(store, &[at]).await.as_deref(), Some(b"made".as_slice()));
    }
    assert_eq!(acquire(store, &[], token, 2, LONG).await, LeaseOutcome::Acquired, "the lease has ended");
}

async fn removed_values_are_gone(store: &dyn Store) {
    let (one, other) = (key(14, 1), key(14, 2));
    for at in [one, other] {
        steady(store, async || store.put(at, b"x".to_vec(), LONG).await).await;
    }
    steady(store, async || store.remove(&[one, key(14, 3)]).await).await;
    steady(store, async || store.remove(&[]).await).await;
    assert_eq!(value(store, &[one]).await, None);
    assert!(value(store, &[other]).await.is_some());
}

async fn credentials_are_forgotten_together(store: &dyn Store) {
    for digest in 0..40 {
        steady(store, async || store.put(key(6, digest), b"x".to_vec(), LONG).await).await;
        steady(store, async || store.put(key(7, digest), b"x".to_vec(), LONG).await).await;
    }
    assert_eq!(steady(store, async || store.forget(Fingerprint([6; 8])).await).await.values, 40);
    assert_eq!(value(store, &[key(6, 3)]).await, None);
    assert!(value(store, &[key(7, 3)]).await.is_some());
    assert_eq!(steady(store, async || store.forget(Fingerprint([6; 8])).await).await, Forgotten::default());
}

async fn of_many_owners_one_gets_the_lease(store: &dyn Store) {
    let at = key(8, 88);
    let leases =
        (0..100).map(|nth| async move { store.acquire_lease(&[at], at, owner(nth), LONG, Instant::now()).await });
    let leases = futures(leases).await;
    let ours = leases.iter().filter(|lease| **lease == Ok(LeaseOutcome::Acquired)).count();
    assert!(ours <= 1, "{ours} hold the lease");
    assert!(ours == 1 || leases.iter().any(Result::is_err), "no owner holds the lease");
}

/// Runs futures at the same time, on one task.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(result) => *done = Some(result),
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn memory() {
    suite(&MemoryStore::new(Arc::new(SystemClock::default()))).await;
}

#[tokio::test]
async fn redis() {
    let Some(server) = RedisServer::start() else { return };
    suite(&RedisStore::new(server.url(), TIMEOUT).unwrap()).await;
    server.command(&["FLUSHALL"]);
    suite(&backed(&server)).await;
    for (key, _) in server.dump() {
        let Answer::Number(left) = server.command(&["PTTL", &key]) else { panic!("no lifetime") };
        assert!(left > 0, "{key} stays for ever");
    }
}

pub(crate) fn backed(server: &RedisServer) -> FallbackStore {
    FallbackStore::new(server.url(), TIMEOUT, Arc::new(SystemClock::default())).unwrap()
}

/// The value of a key, from the store or the fallback.
pub(crate) async fn read(store: &dyn Store, at: StoreKey) -> Option<Vec<u8>> {
    store.get(&[at]).await.unwrap().pop().map(|found| found.value)
}

#[tokio::test]
async fn without_the_shared_store_only_the_sharing_is_lost() {
    let Some(mut server) = RedisServer::start() else { return };
    let (store, other) = (backed(&server), backed(&server));
    let [before, full, down, both] = [1, 2, 3, 4].map(|digest| key(11, digest));
    steady(&store, async || store.put(before, b"before".to_vec(), LONG).await).await;
    steady(&other, async || other.put_if_absent(&[before], before, b"other".to_vec(), LONG).await).await;

    // Redis is full: the fallback keeps the value and writes it to Redis when Redis has room again.
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(store.acquire_lease(&[full], full, owner(1), LONG, Instant::now()).await, Ok(LeaseOutcome::Acquired));
    assert_eq!(store.put_and_release(full, owner(1), b"full".to_vec(), LONG).await, Ok(true));
    assert_eq!(read(&store, full).await.as_deref(), Some(b"full".as_slice()));
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(value(&other, &[full]).await, None);
    let found = acquire(&store, &[full], full, 2, LONG).await;
    assert!(matches!(found, LeaseOutcome::Found(found) if found.value == b"full"));
    until(async || value(&other, &[full]).await.as_deref() == Some(b"full")).await;

    assert!(store.is_shared() && store.is_complete());
    server.kill();
    for (store, expected) in [(&store, b"before"), (&other, b"before")] {
        assert_eq!(read(store, before).await.as_deref(), Some(expected.as_slice()), "what was seen is remembered");
    }
    assert_eq!(store.acquire_lease(&[down], down, owner(3), LONG, Instant::now()).await, Ok(LeaseOutcome::Acquired));
    assert_eq!(
        store.acquire_lease(&[down], down, owner(4), LONG, Instant::now()).await,
        Ok(LeaseOutcome::TimedOut),
        "single flight"
    );
    assert_eq!(store.renew(down, owner(3), LONG).await, Ok(true));
    assert_eq!(store.put_and_release(down, owner(3), b"down".to_vec(), LONG).await, Ok(true));
    assert_eq!(store.put_if_absent(&[down], down, b"x".to_vec(), LONG).await.unwrap().unwrap().value, b"down");
    for (store, value) in [(&store, b"one"), (&other, b"two")] {
        assert_eq!(store.put_if_absent(&[both], both, value.to_vec(), LONG).await, Ok(None));
    }
    assert!(!store.is_complete(), "no node knows what the others put now");
    assert!(store.forget(Fingerprint([11; 8])).await.is_err(), "elsewhere it is not forgotten");
    for at in [before, full, down, both] {
        assert_eq!(read(&store, at).await, None, "but here");
    }
    assert_eq!(store.put_if_absent(&[both], both, b"one".to_vec(), LONG).await, Ok(None));

    // Redis is back and empty. The first node that reads its own value writes it to Redis.
    server.restart();
    assert!(store.wait_until_up(LONG).await && other.wait_until_up(LONG).await);
    assert_eq!(value(&store, &[both]).await.as_deref(), Some(b"one".as_slice()));
    until(async || value(&other, &[both]).await.as_deref() == Some(b"one")).await;
    assert_eq!(value(&store, &[before]).await, None);
    assert_eq!(value(&other, &[before]).await, None, "gone there means gone");
}

pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < LONG, "it does not come to hold");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn values_without_an_expiry_are_ignored() {
    let Some(server) = RedisServer::start() else { return };
    let store = RedisStore::new(server.url(), TIMEOUT).unwrap();
    let at = key(1, 1);
    let key = format!("daypass:{}:{}", at.fingerprint, "01".repeat(32));
    server.command(&["SET", &key, "from elsewhere"]);
    assert_eq!(value(&store, &[at]).await, None);
    steady(&store, async || store.put(at, b"ours".to_vec(), LONG).await).await;
    assert_eq!(value(&store, &[at]).await.as_deref(), Some(b"ours".as_slice()));
}

#[tokio::test]
async fn an_absent_store_is_not_asked_and_is_used_again_when_it_is_back() {
    let Some(mut server) = RedisServer::start() else { return };
    let store = RedisStore::new(server.url(), TIMEOUT).unwrap();
    let at = key(1, 1);
    steady(&store, async || store.put(at, b"x".to_vec(), LONG).await).await;
    server.kill();
    while store.get(&[at]).await.is_ok() {}
    assert!(!store.wait_until_up(Duration::ZERO).await);
    for _ in 0..1000 {
        assert!(store.get(&[at]).await.is_err());
    }
    server.restart();
    assert_eq!(value(&store, &[at]).await, None);
}
