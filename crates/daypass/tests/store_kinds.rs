//! The suite of stores against Redis Cluster, sentinels and TLS, as the user with least rights.

use std::sync::Arc;

use crate::{
    redis_server::{
        Answer, RedisServer, free_port,
        groups::{Cluster, SENTINEL_PASSWORD, Sentinels, role},
    },
    store::{LONG, TIMEOUT, key, steady, suite, until, value},
    store_trouble::least_rights,
};
use connectors::Secret;
use daypass::{FallbackStore, Fingerprint, Store, StoreAccess, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

fn backed(access: impl Into<StoreAccess>) -> FallbackStore {
    FallbackStore::new(access, TIMEOUT, Arc::new(SystemClock::default())).unwrap()
}

fn rights(cluster: bool) -> Vec<String> {
    ["ACL", "SETUSER", "daypass", "on", ">p%w"]
        .map(ToOwned::to_owned)
        .into_iter()
        .chain(least_rights(cluster))
        .collect()
}

#[tokio::test]
async fn the_suite_holds_on_a_cluster_of_three_masters() {
    let Some(cluster) = Cluster::start() else { return };
    let rights = rights(true);
    let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
    for server in &cluster.servers {
        assert_eq!(server.command(&rights), Answer::Bytes(b"OK".to_vec()));
    }
    let [one, other] = [0, 1].map(|_| backed(cluster.url("daypass:p%25w@")));
    suite(&one).await;

    // Two nodes: what one puts, the other reads; what one forgets, both have forgotten.
    steady(&one, async || one.put(key(1, 7), b"kept".to_vec(), LONG).await).await;
    until(async || value(&other, &[key(1, 7)]).await.as_deref() == Some(b"kept")).await;
    let forgotten = steady(&one, async || one.forget(Fingerprint([1; 8])).await).await;
    assert_eq!((forgotten.values, forgotten.unconfirmed), (1, Vec::new()));
    assert_eq!(value(&other, &[key(1, 7)]).await, None);
    let held: Vec<usize> = cluster.servers.iter().map(|server| server.dump().len()).collect();
    assert_eq!(held.iter().filter(|held| **held > 0).count(), 1, "one slot: {held:?}");
    assert_eq!(one.state().name(), "connected");
}

#[tokio::test]
async fn a_url_of_one_server_that_leads_to_a_cluster_is_refused_in_words() {
    let Some(cluster) = Cluster::start() else { return };
    let store = backed(cluster.servers[0].url());
    until(async || store.state().name() != "connecting").await;
    assert_eq!(store.state().name(), "MOVED");
    assert!(store.state().to_string().contains("use redis+cluster://"), "{}", store.state());
    assert!(!store.is_complete());
}

#[tokio::test]
async fn the_suite_holds_behind_sentinels_and_goes_on_after_a_failover() {
    let rights = rights(false);
    let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
    let Some(mut group) = Sentinels::start(&[&rights]) else { return };
    let mut access = StoreAccess::from(group.url("daypass:p%25w@"));
    access.sentinel_password = Some(Secret::from(SENTINEL_PASSWORD));
    let [one, other] = [0, 1].map(|_| backed(access.clone()));
    suite(&one).await;

    steady(&one, async || one.put(key(1, 1), b"forgotten".to_vec(), LONG).await).await;
    steady(&other, async || other.put(key(2, 1), b"kept".to_vec(), LONG).await).await;
    // Forgetting waits for the replica.
    steady(&one, async || one.forget(Fingerprint([1; 8])).await).await;
    until(async || group.servers[1].dump().iter().any(|(_, value)| value == b"kept")).await;

    group.servers[0].kill();
    until(async || role(&group.servers[1]) == "master").await;
    for store in [&one, &other] {
        until(async || {
            // The first operation after the failover may be the one that notices it.
            store.put(key(3, 1), b"after".to_vec(), LONG).await.is_ok() && store.is_complete()
        })
        .await;
        assert_eq!(value(store, &[key(2, 1)]).await.as_deref(), Some(b"kept".as_slice()));
        assert_eq!(value(store, &[key(1, 1)]).await, None);
    }
    assert!(group.servers[1].dump().iter().any(|(_, value)| value == b"after"));
    group.servers[1].command(&["FLUSHALL"]);
    suite(&backed(access)).await;
}

#[tokio::test]
async fn tls_with_a_private_authority_and_a_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // OpenSSL takes a certificate with the name of its issuer for self-signed.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (server, client) = (issue("localhost"), issue("daypass"));
    let port = free_port();
    let Some(redis) = RedisServer::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.pem", &server.0),
        "--tls-key-file",
        &file("server.key", &server.1),
        "--tls-ca-cert-file",
        &file("authority.pem", &authority.pem()),
        "--tls-auth-clients",
        "yes",
    ]) else {
        return;
    };
    let mut access = StoreAccess::from(format!("rediss://localhost:{port}"));
    let unknown_authority = backed(access.clone());
    access.authorities = Some(authority.pem().into_bytes());
    let no_certificate = backed(access.clone());
    access.certificate = Some((client.0.into_bytes(), Secret::from(client.1.as_str())));
    let store = backed(access);
    assert!(store.wait_until_up(LONG).await, "{}", store.state());
    suite(&store).await;
    assert!(!redis.dump().is_empty());
    for (store, cause) in [(&unknown_authority, "UnknownIssuer"), (&no_certificate, "")] {
        until(async || store.state().name() == "silent").await;
        assert!(store.state().to_string().contains(cause), "{}", store.state());
    }
}
