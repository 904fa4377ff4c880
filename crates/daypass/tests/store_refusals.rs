//! A shared store that refuses, is far away, or was closed: what each node does, and what it says.

use std::{sync::Arc, time::Duration};

use crate::{
    redis_server::{
        Answer, RedisServer,
        groups::{pair, swap},
        relay::Relay,
    },
    store::{LONG, TIMEOUT, backed, key, owner, read, steady, until, value},
};
use daypass::{FallbackStore, Fingerprint, LeaseOutcome, RedisStore, Store, SystemClock};
use tokio::time::Instant;

fn backed_at(url: &str, timeout: Duration) -> FallbackStore {
    FallbackStore::new(url, timeout, Arc::new(SystemClock::default())).unwrap()
}

#[tokio::test]
async fn the_first_use_of_each_script_is_one_round_trip() {
    let Some(server) = RedisServer::start() else { return };
    let relay = Relay::start(server.port);
    let store = RedisStore::new(relay.url(), TIMEOUT).unwrap();
    assert!(store.wait_until_up(LONG).await);
    let at = key(1, 1);
    let loaded = relay.take_sent().matches("LOAD").count();
    assert_eq!(loaded, 10, "with the connection");

    assert_eq!(store.get(&[at]).await, Ok(Vec::new()));
    assert_eq!(store.put_if_absent(&[], at, b"x".to_vec(), LONG).await, Ok(None));
    let lease = store.acquire_lease(&[], at, owner(1), LONG, Instant::now()).await;
    assert_eq!(lease, Ok(LeaseOutcome::Acquired));
    assert_eq!(store.renew(at, owner(1), LONG).await, Ok(true));
    assert_eq!(store.put_and_release(at, owner(1), b"y".to_vec(), LONG).await, Ok(true));
    assert_eq!(store.release(at, owner(1)).await, Ok(()));
    assert_eq!(store.forget(Fingerprint([1; 8])).await.unwrap().values, 1);
    let sent = relay.take_sent();
    assert_eq!(sent.matches("LOAD").count(), 0, "{sent}");

    // Scripts that the server has lost are loaded again.
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.get(&[at]).await, Ok(Vec::new()));
    assert!(relay.take_sent().contains("LOAD"));
}

#[tokio::test]
async fn the_first_calls_after_idle_closes_give_one_value_on_three_nodes() {
    let Some(server) = RedisServer::start() else { return };
    let relay = Relay::start(server.port);
    let nodes = [0, 1, 2].map(|_| backed_at(&relay.url(), TIMEOUT));
    for node in &nodes {
        assert!(node.wait_until_up(LONG).await);
    }
    for digest in 0..12 {
        // By the server, or by something between.
        if digest % 2 == 0 {
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        } else {
            relay.close_all();
        }
        let at = key(1, digest);
        assert_eq!(nodes[0].put_if_absent(&[at], at, b"first".to_vec(), LONG).await, Ok(None));
        assert_eq!(read(&nodes[1], at).await.as_deref(), Some(b"first".as_slice()), "{digest}");
        let found = nodes[2].acquire_lease(&[at], at, owner(2), LONG, Instant::now()).await;
        assert!(matches!(&found, Ok(LeaseOutcome::Found(found)) if found.value == b"first"), "{digest}: {found:?}");
    }
}

#[tokio::test]
async fn a_demoted_primary_behind_a_stable_address_is_left_for_the_new_one() {
    let Some([former, new]) = pair() else { return };
    let relay = Relay::start(former.port);
    let store = RedisStore::new(relay.url(), TIMEOUT).unwrap();
    let at = key(1, 1);
    steady(&store, async || store.put(at, b"before".to_vec(), LONG).await).await;
    until(async || new.dump().iter().any(|(_, value)| value == b"before")).await;

    // The address leads to the new primary at once, while the connection stays with the former one.
    relay.lead_to(new.port);
    swap(&former, &new);
    assert_eq!(store.put(at, b"after".to_vec(), LONG).await, Ok(()));
    assert!(new.dump().iter().any(|(_, value)| value == b"after"));
}

#[tokio::test]
async fn a_replica_is_an_outage_until_the_address_leads_to_the_primary() {
    let Some([former, new]) = pair() else { return };
    let relay = Relay::start(former.port);
    let store = backed_at(&relay.url(), TIMEOUT);
    steady(&store, async || store.put(key(1, 1), b"shared".to_vec(), LONG).await).await;
    until(async || new.dump().iter().any(|(_, value)| value == b"shared")).await;
    swap(&former, &new);
    until(async || store.state().name() == "READONLY").await;
    assert!(store.state().to_string().contains("resolved again"), "{}", store.state());
    until(async || !store.is_complete()).await;
    store.put(key(1, 2), b"here".to_vec(), LONG).await.unwrap();
    assert_eq!(read(&store, key(1, 2)).await.as_deref(), Some(b"here".as_slice()), "only the sharing is lost");
    assert!(store.forget(Fingerprint([1; 8])).await.is_err(), "a replica forgets nothing");

    relay.lead_to(new.port);
    assert!(store.wait_until_up(LONG).await);
    until(async || store.state().name() == "connected").await;
    steady(&store, async || store.put(key(2, 1), b"again".to_vec(), LONG).await).await;
    until(async || new.dump().iter().any(|(_, value)| value == b"again")).await;
}

#[tokio::test]
async fn refused_writes_are_told_and_reads_go_on() {
    tokio::join!(refused_writes("min-replicas-to-write", "NOREPLICAS"), refused_writes("maxmemory", "OOM"));
}

/// A Redis refuses writes under this code while the setting is 1.
async fn refused_writes(setting: &str, code: &str) {
    let Some(server) = RedisServer::start() else { return };
    let store = backed(&server);
    steady(&store, async || store.put(key(1, 1), b"shared".to_vec(), LONG).await).await;
    server.command(&["CONFIG", "SET", setting, "1"]);
    store.put(key(1, 2), b"here".to_vec(), LONG).await.unwrap();
    until(async || store.state().name() == code).await;
    assert_eq!(value(&store, &[key(1, 1)]).await.as_deref(), Some(b"shared".as_slice()));
    assert_eq!(value(&store, &[key(1, 2)]).await.as_deref(), Some(b"here".as_slice()));
    assert!(store.is_complete(), "reads still go to the store");
    server.command(&["CONFIG", "SET", setting, "0"]);
    until(async || store.state().name() == "connected").await;
}

#[tokio::test]
async fn logins_that_are_refused_are_told_apart_from_silence() {
    let Some(mut server) = RedisServer::start_with(&["--requirepass", "pw"]) else { return };
    let at = |user: &str| backed_at(&format!("redis://{user}127.0.0.1:{}", server.port), TIMEOUT);
    for (user, state) in [("", "NOAUTH"), (":other@", "WRONGPASS"), (":pw@", "connected")] {
        let store = at(user);
        until(async || store.state().name() != "connecting").await;
        assert_eq!(store.state().name(), state, "{}", store.state());
    }
    let store = at(":pw@");
    assert!(store.wait_until_up(LONG).await);
    server.kill();
    until(async || store.state().name() == "silent").await;
}

#[tokio::test]
async fn a_store_farther_away_than_its_time_limit_is_named_slow_with_its_round_trip() {
    let Some(server) = RedisServer::start() else { return };
    let relay = Relay::start(server.port);
    relay.delay(Duration::from_millis(60));
    let store = backed_at(&relay.url(), Duration::from_millis(15));
    until(async || store.state().name() == "slow").await;
    let daypass::StoreState::Slow { limit, round_trip } = store.state() else { panic!("{}", store.state()) };
    assert_eq!(limit, Duration::from_millis(15));
    assert!(round_trip.unwrap() >= Duration::from_millis(120), "{round_trip:?}");
    // With a longer limit the same store is used.
    let patient = backed_at(&relay.url(), TIMEOUT);
    assert!(patient.wait_until_up(LONG).await);
    assert!(matches!(server.command(&["HLEN", "daypass-nodes"]), Answer::Number(1..)));
}

/// `MISCONF`: the last save failed, so Redis takes no writes.
#[tokio::test]
async fn a_disk_that_takes_no_save_is_told_and_reads_go_on() {
    let options = ["--enable-protected-configs", "yes", "--save", "3600 1000000"];
    let Some(server) = RedisServer::start_with(&options) else { return };
    let store = backed(&server);
    steady(&store, async || store.put(key(1, 1), b"shared".to_vec(), LONG).await).await;
    // The kernel lets no process make files there.
    server.command(&["CONFIG", "SET", "dir", "/proc"]);
    server.command(&["BGSAVE"]);
    until(async || {
        matches!(server.command(&["INFO", "persistence"]), Answer::Bytes(info)
            if String::from_utf8_lossy(&info).contains("rdb_last_bgsave_status:err"))
    })
    .await;
    store.put(key(1, 2), b"here".to_vec(), LONG).await.unwrap();
    until(async || store.state().name() == "MISCONF").await;
    assert_eq!(value(&store, &[key(1, 1)]).await.as_deref(), Some(b"shared".as_slice()));
    assert!(store.is_complete(), "reads still go to the store");
    assert!(store.state().to_string().contains("cannot save its data"), "{}", store.state());
}

/// A node of a Redis Cluster, a replica without its primary, a server that reads its data: no operation is done, and the node goes on alone.
#[tokio::test]
async fn a_store_that_serves_nothing_is_told_by_its_own_word() {
    let Some(of_cluster) = RedisServer::start_with(&["--cluster-enabled", "yes"]) else { return };
    let Some([mut primary, replica]) = pair() else { return };
    replica.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    primary.kill();
    // It answers between two keys: each is longer than 1 KiB in the file, and takes 0.1 s.
    let slow =
        ["--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"];
    let Some(mut loading) = RedisServer::start_with(&slow) else { return };
    for nth in 0..400 {
        loading.command(&["SET", &format!("key-{nth}"), &"x".repeat(2048)]);
    }
    loading.command(&["SAVE"]);
    loading.restart();
    for (server, state) in [(&of_cluster, "MOVED"), (&replica, "READONLY"), (&loading, "LOADING")] {
        let store = backed_at(&server.url(), TIMEOUT);
        until(async || store.state().name() == state).await;
        assert!(!store.is_complete(), "{state}");
        store.put(key(1, 1), b"here".to_vec(), LONG).await.unwrap();
        assert_eq!(read(&store, key(1, 1)).await.as_deref(), Some(b"here".as_slice()), "{state}");
        assert!(store.forget(Fingerprint([1; 8])).await.is_err(), "{state}");
    }
}
