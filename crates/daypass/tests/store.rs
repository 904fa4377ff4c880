//! One suite for both stores: what the engine may rely on, whichever it is.
#![cfg(test)]

mod redis_server;

use std::{sync::Arc, time::Duration};

use daypass::{Claim, Fingerprint, Found, MemoryStore, Owner, Place, RedisStore, Store, SystemClock};
use redis_server::{Answer, RedisServer};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

fn place(credentials: u8, slot: u8) -> Place {
    Place { fingerprint: Fingerprint([credentials; 8]), slot: [slot; 32] }
}

fn owner(nth: u8) -> Owner {
    [nth; 16]
}

/// The value at these places, once the store answers: a busy machine may make a shared one look slow for a moment.
async fn value(store: &dyn Store, places: &[Place]) -> Option<Vec<u8>> {
    steady(store, async || store.get(places).await).await.map(|found| found.value)
}

async fn steady<T>(store: &dyn Store, work: impl AsyncFn() -> Result<T, daypass::StoreError>) -> T {
    for _ in 0..50 {
        assert!(store.wait_until_up(Duration::from_secs(10)).await, "the store does not answer");
        if let Ok(done) = work().await {
            return done;
        }
    }
    panic!("the store answers no operation");
}

async fn until_gone(store: &dyn Store, at: Place) {
    for _ in 0..1000 {
        if value(store, &[at]).await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the value does not go");
}

async fn suite(store: &dyn Store) {
    values_come_back_until_they_expire(store).await;
    places_are_alternatives(store).await;
    one_makes_it_and_the_others_wait(store).await;
    who_lost_the_right_changes_nothing(store).await;
    rights_end_and_can_be_kept(store).await;
    credentials_are_forgotten_together(store).await;
    a_rush_has_one_winner(store).await;
}

async fn values_come_back_until_they_expire(store: &dyn Store) {
    let (at, every_byte) = (place(1, 1), (0..=255).cycle().take(70_000).collect::<Vec<u8>>());
    assert_eq!(value(store, &[at]).await, None);
    for bytes in [Vec::new(), b"\0\r\n\xff".to_vec(), every_byte, b"last".to_vec()] {
        steady(store, async || store.put(at, bytes.clone(), LONG).await).await;
        let found = steady(store, async || store.get(&[at]).await).await.unwrap();
        assert_eq!((found.place, &found.value), (at, &bytes));
        assert!(found.left <= LONG && found.left > LONG / 2, "{:?}", found.left);
    }
    steady(store, async || store.put(at, b"brief".to_vec(), SHORT).await).await;
    until_gone(store, at).await;
    assert_eq!(value(store, &[]).await, None);
}

async fn places_are_alternatives(store: &dyn Store) {
    let (first, second) = (place(2, 1), place(2, 2));
    steady(store, async || store.put(second, b"second".to_vec(), LONG).await).await;
    assert_eq!(value(store, &[first, second]).await.as_deref(), Some(b"second".as_slice()));
    let found = steady(store, async || store.claim(&[first, second], first, owner(1), LONG).await).await;
    assert!(matches!(found, Claim::Found(Found { place, .. }) if place == second), "{found:?}");
    steady(store, async || store.put(first, b"first".to_vec(), LONG).await).await;
    assert_eq!(value(store, &[first, second]).await.as_deref(), Some(b"first".as_slice()));
    assert_eq!(value(store, &[second, first]).await.as_deref(), Some(b"second".as_slice()));
}

async fn one_makes_it_and_the_others_wait(store: &dyn Store) {
    let at = place(3, 1);
    let claim = |nth| steady(store, async move || store.claim(&[at], at, owner(nth), LONG).await);
    assert_eq!(claim(1).await, Claim::Ours);
    let Claim::Theirs(left) = claim(2).await else { panic!("two have the right") };
    assert!(left <= LONG && left > LONG / 2, "{left:?}");
    assert_eq!(claim(1).await, Claim::Ours, "who has the right may ask again");
    steady(store, async || store.give_up(at, owner(2)).await).await;
    assert!(matches!(claim(2).await, Claim::Theirs(_)), "only the owner gives up");
    steady(store, async || store.give_up(at, owner(1)).await).await;
    assert_eq!(claim(2).await, Claim::Ours);
    assert!(steady(store, async || store.settle(at, owner(2), b"made".to_vec(), LONG).await).await);
    assert!(matches!(claim(3).await, Claim::Found(Found { value, .. }) if value == b"made"));
    // A new one is wanted, whatever is there.
    assert_eq!(steady(store, async || store.claim(&[], at, owner(3), LONG).await).await, Claim::Ours);
    assert!(steady(store, async || store.settle(at, owner(3), b"newer".to_vec(), LONG).await).await);
    assert_eq!(value(store, &[at]).await.as_deref(), Some(b"newer".as_slice()));
}

async fn who_lost_the_right_changes_nothing(store: &dyn Store) {
    let at = place(4, 1);
    let claim = |nth, lease| steady(store, async move || store.claim(&[], at, owner(nth), lease).await);
    assert_eq!(claim(1, SHORT).await, Claim::Ours);
    while claim(2, LONG).await != Claim::Ours {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let settle = |nth, value: &'static [u8]| store.settle(at, owner(nth), value.to_vec(), LONG);
    assert!(!steady(store, async || settle(1, b"late").await).await, "the right had passed on");
    assert!(!steady(store, async || store.renew(at, owner(1), LONG).await).await);
    assert_eq!(value(store, &[at]).await, None);
    assert!(steady(store, async || settle(2, b"in time").await).await);
    assert!(!steady(store, async || settle(1, b"later still").await).await, "another's value is there");
    assert_eq!(value(store, &[at]).await.as_deref(), Some(b"in time".as_slice()));
}

async fn rights_end_and_can_be_kept(store: &dyn Store) {
    let at = place(5, 1);
    assert_eq!(steady(store, async || store.claim(&[], at, owner(1), SHORT).await).await, Claim::Ours);
    assert!(steady(store, async || store.renew(at, owner(1), LONG).await).await);
    tokio::time::sleep(SHORT * 2).await;
    assert!(matches!(steady(store, async || store.claim(&[], at, owner(2), LONG).await).await, Claim::Theirs(_)));
    assert!(!steady(store, async || store.renew(at, owner(2), LONG).await).await);
}

async fn credentials_are_forgotten_together(store: &dyn Store) {
    for slot in 0..40 {
        steady(store, async || store.put(place(6, slot), b"x".to_vec(), LONG).await).await;
        steady(store, async || store.put(place(7, slot), b"x".to_vec(), LONG).await).await;
    }
    assert_eq!(steady(store, async || store.forget(Fingerprint([6; 8])).await).await, 40);
    assert_eq!(value(store, &[place(6, 3)]).await, None);
    assert!(value(store, &[place(7, 3)]).await.is_some());
    assert_eq!(steady(store, async || store.forget(Fingerprint([6; 8])).await).await, 0);
}

async fn a_rush_has_one_winner(store: &dyn Store) {
    let at = place(8, 1);
    let claims = (0..100).map(|nth| async move { store.claim(&[at], at, owner(nth), LONG).await });
    let claims = futures(claims).await;
    let ours = claims.iter().filter(|claim| **claim == Ok(Claim::Ours)).count();
    assert!(ours <= 1, "{ours} have the right");
    assert!(ours == 1 || claims.iter().any(Result::is_err), "nobody has the right");
}

/// All at once, on one task.
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
    suite(&RedisStore::new(&server.url()).unwrap()).await;
    for (key, _) in server.dump() {
        let Answer::Number(left) = server.command(&["PTTL", &key]) else { panic!("no lifetime") };
        assert!(left > 0, "{key} stays for ever");
    }
}

#[tokio::test]
async fn values_that_do_not_end_are_not_ours() {
    let Some(server) = RedisServer::start() else { return };
    let store = RedisStore::new(&server.url()).unwrap();
    let at = place(1, 1);
    let key = format!("daypass:{}:{}", at.fingerprint, "01".repeat(32));
    server.command(&["SET", &key, "from elsewhere"]);
    assert_eq!(value(&store, &[at]).await, None);
    steady(&store, async || store.put(at, b"ours".to_vec(), LONG).await).await;
    assert_eq!(value(&store, &[at]).await.as_deref(), Some(b"ours".as_slice()));
}

#[tokio::test]
async fn a_store_that_is_not_there_costs_nothing_and_is_taken_up_again() {
    let Some(mut server) = RedisServer::start() else { return };
    let store = RedisStore::new(&server.url()).unwrap();
    let at = place(1, 1);
    steady(&store, async || store.put(at, b"x".to_vec(), LONG).await).await;
    server.kill();
    while store.get(&[at]).await.is_ok() {}
    let began = std::time::Instant::now();
    for _ in 0..1000 {
        assert!(store.get(&[at]).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    server.restart();
    let began = std::time::Instant::now();
    assert_eq!(value(&store, &[at]).await, None);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
