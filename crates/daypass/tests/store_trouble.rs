//! A shared store that closes connections, refuses commands, or that one node cannot reach.
//! Forgotten values stay forgotten.

use std::{sync::Arc, time::Duration};

use crate::{
    redis_server::{Answer, RedisServer},
    store::{LONG, TIMEOUT, acquire, backed, key, owner, read, steady, suite, until, value},
};
use daypass::{FallbackStore, Fingerprint, Forgotten, LeaseOutcome, RedisStore, Store, SystemClock};
use tokio::time::Instant;

/// All rights except scripts, a common hardening of Redis. Leases need scripts.
const WITHOUT_SCRIPTS: &[&str] = &["on", ">pw", "~*", "+@all", "-@scripting"];

/// A store that logs in as this user, with these rights.
fn backed_as(server: &RedisServer, user: &str, rights: &[&str]) -> FallbackStore {
    let answer = server.command(&[&["ACL", "SETUSER", user][..], rights].concat());
    assert_eq!(answer, Answer::Bytes(b"OK".to_vec()));
    let url = format!("redis://{user}:pw@127.0.0.1:{}", server.port);
    FallbackStore::new(&url, TIMEOUT, Arc::new(SystemClock::default())).unwrap()
}

/// Two nodes that both remember a value of the shared store.
async fn two_that_remember(server: &RedisServer) -> [FallbackStore; 2] {
    let nodes = [backed(server), backed_as(server, "b", &["on", ">pw", "~*", "+@all"])];
    steady(&nodes[0], async || nodes[0].put(key(1, 1), b"kept".to_vec(), LONG).await).await;
    until(async || value(&nodes[1], &[key(1, 1)]).await.is_some()).await;
    nodes
}

async fn forget(store: &dyn Store) -> Forgotten {
    store.forget(Fingerprint([1; 8])).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_was_closed_is_replaced_before_the_store_counts_as_lost() {
    let Some(server) = RedisServer::start() else { return };
    let store = RedisStore::new(server.url(), TIMEOUT).unwrap();
    let at = key(1, 1);
    steady(&store, async || store.put(at, b"kept".to_vec(), LONG).await).await;
    let mut done = 0;
    for nth in 0..20 {
        assert!(store.wait_until_up(LONG).await);
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        done += u32::from(match nth % 3 {
            0 => store.get(&[at]).await.is_ok_and(|found| found.len() == 1),
            1 => store.acquire_lease(&[], at, owner(1), LONG, Instant::now()).await == Ok(LeaseOutcome::Acquired),
            _ => store.put_and_release(at, owner(1), b"kept".to_vec(), LONG).await == Ok(true),
        });
    }
    assert_eq!(done, 20);
}

#[tokio::test]
async fn a_value_that_one_node_forgets_is_forgotten_by_all() {
    let Some(mut server) = RedisServer::start() else { return };
    let [one, other] = two_that_remember(&server).await;
    assert_eq!(forget(&one).await, Forgotten { values: 1, unconfirmed: Vec::new() });
    server.kill();
    for node in [&one, &other] {
        until(async || !node.wait_until_up(Duration::ZERO).await).await;
        assert_eq!(read(node, key(1, 1)).await, None);
    }
}

#[tokio::test]
async fn a_value_that_only_one_node_had_is_not_offered_after_it_was_forgotten() {
    let Some(mut server) = RedisServer::start() else { return };
    let [one, other] = two_that_remember(&server).await;
    let [forgotten, replaced] = [2, 3].map(|digest| key(1, digest));
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for at in [forgotten, replaced] {
        other.put(at, b"other".to_vec(), LONG).await.unwrap();
    }
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    // After a node has read another node's value, it prefers that one to its own.
    steady(&one, async || one.put(replaced, b"one".to_vec(), LONG).await).await;
    until(async || value(&other, &[replaced]).await.as_deref() == Some(b"one")).await;
    server.signal("STOP");
    assert_eq!(read(&other, replaced).await.as_deref(), Some(b"one".as_slice()));
    server.signal("CONT");

    assert_eq!(forget(&one).await.unconfirmed, Vec::<String>::new());
    for at in [forgotten, replaced] {
        assert_eq!(acquire(&other, &[at], at, 1, LONG).await, LeaseOutcome::Acquired);
        assert_eq!(value(&one, &[at]).await, None);
    }
    server.kill();
    assert_eq!(read(&other, forgotten).await, None);
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_named_and_forgets_before_anything_else() {
    let Some(server) = RedisServer::start() else { return };
    let [one, other] = two_that_remember(&server).await;
    server.command(&["ACL", "SETUSER", "b", "off"]);
    server.command(&["CLIENT", "KILL", "USER", "b"]);
    until(async || !other.wait_until_up(Duration::ZERO).await).await;
    assert_eq!(read(&other, key(1, 1)).await.as_deref(), Some(b"kept".as_slice()));
    let cut_off = forget(&one).await;
    assert_eq!((cut_off.values, cut_off.unconfirmed.len()), (1, 1), "{cut_off:?}");
    assert!(cut_off.unconfirmed[0].contains("silent for"), "{cut_off:?}");

    server.command(&["ACL", "SETUSER", "b", "on"]);
    assert!(other.wait_until_up(LONG).await, "a password that is accepted again is tried again");
    assert_eq!(read(&other, key(1, 1)).await, None);
    assert_eq!(forget(&one).await, Forgotten::default());
}

#[tokio::test]
async fn a_node_that_left_is_not_waited_for() {
    let Some(server) = RedisServer::start() else { return };
    let [one, other] = two_that_remember(&server).await;
    other.leave().await;
    assert_eq!(forget(&one).await, Forgotten { values: 1, unconfirmed: Vec::new() });
    drop(two_that_remember(&server).await);
    assert_eq!(forget(&one).await.unconfirmed.len(), 2, "they may still live");
}

#[tokio::test]
async fn without_the_rights_nothing_is_forgotten_and_nothing_shared() {
    let Some(server) = RedisServer::start() else { return };
    let store = backed_as(&server, "noscripts", WITHOUT_SCRIPTS);
    assert!(!store.wait_until_up(Duration::from_millis(500)).await);
    store.put(key(1, 1), b"kept".to_vec(), LONG).await.unwrap();
    assert_eq!(read(&store, key(1, 1)).await.as_deref(), Some(b"kept".as_slice()), "only the sharing is lost");
    assert!(store.forget(Fingerprint([1; 8])).await.is_err());
    assert_eq!(read(&store, key(1, 1)).await, None);
    assert_eq!(server.dump(), []);
}

/// The rights of the store's user, as the page on the store lists them.
pub(crate) fn least_rights(cluster: bool) -> Vec<String> {
    let page = include_str!("../../../docs/store.md");
    let (_, rights) = page.split_once("ACL SETUSER daypass on '>password' ").unwrap();
    let (rights, further) = rights.split_once("```").unwrap();
    let (_, further) = further.split_once("```\n").unwrap();
    let (further, _) = further.split_once("```").unwrap();
    let further = if cluster { further.trim().strip_prefix("ACL SETUSER daypass ").unwrap() } else { "" };
    let rights: Vec<String> = rights.split_whitespace().chain(further.split_whitespace()).map(Into::into).collect();
    assert!(rights.contains(&"+evalsha".into()) && !rights.contains(&"+@all".into()), "{rights:?}");
    rights
}

#[tokio::test]
async fn the_rights_that_the_page_lists_are_enough() {
    let Some(server) = RedisServer::start() else { return };
    let rights = least_rights(false);
    let rights = ["on", ">pw"].into_iter().chain(rights.iter().map(String::as_str)).collect::<Vec<_>>();
    let store = backed_as(&server, "daypass", &rights);
    suite(&store).await;
    assert_eq!(store.state().name(), "connected", "nothing was refused");
}
