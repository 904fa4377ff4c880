//! Three processes that share one Redis: `cache forget` removes tokens on all of them or fails, and
//! connections that Redis closes do not end the sharing.

use std::{process::Command, time::Instant};

use crate::cluster::{CountingVendor, cluster, get, node, server, token, until_shared};
use crate::common::{HANGS, TestServer};
use crate::redis_server::RedisServer;

/// The fingerprint of the credentials of a node's last call, from its log.
fn fingerprint(node: &TestServer) -> String {
    let log = node.log();
    let line = log.lines().rev().find(|line| line.contains("\"message\":\"call\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = line["credentials"].as_str().or(line["fields"]["credentials"].as_str());
    text.unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// `daypass cache forget` at a node: its success and its output.
fn forget(node: &TestServer, fingerprint: &str) -> (bool, String) {
    // As the configuration of a server in a container has it.
    let admin = format!("0.0.0.0:{}", node.admin.port());
    let output = Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["cache", "forget", fingerprint, "--admin-listen", &admin])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap().trim().to_owned()).concat();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_a_fingerprint_of_the_log_removes_its_tokens_on_all_nodes() {
    let Some(mut redis) = RedisServer::start() else { return };
    let vendor = CountingVendor::start();
    let nodes = cluster(&vendor, &redis);
    until_shared(&nodes, "forget").await;
    let other = token(&nodes[0], &server("n", "1")).await;
    let before = token(&nodes[0], &server("m", "1")).await;
    assert_eq!(token(&nodes[2], &server("m", "1")).await, before);
    let m = fingerprint(&nodes[0]);
    assert_eq!(forget(&nodes[1], &m), (true, "2 forgotten".into()));
    // Each node has the tokens in its memory, too, for the time without Redis.
    redis.kill();
    for node in &nodes {
        assert_ne!(token(node, &server("m", "1")).await, before);
    }
    assert_eq!(token(&nodes[0], &server("n", "1")).await, other, "only these credentials");
    assert!(!forget(&nodes[1], &m).0, "the store is gone");
    assert!(!forget(&nodes[1], "nonsense").0);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_fails_while_a_node_does_not_confirm() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = CountingVendor::start();
    let [one, mut other, third] = cluster(&vendor, &redis);
    let before = token(&one, &server("m", "1")).await;
    let m = fingerprint(&one);
    assert_eq!(token(&other, &server("m", "1")).await, before);
    let signal = |node: &TestServer, signal: &str| {
        let status = Command::new("kill").args([&format!("-{signal}"), &node.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal(&other, "STOP");
    let (done, said) = forget(&one, &m);
    assert!(!done && said.contains("1 node(s) did not confirm"), "{said}");
    assert!(said.contains(&format!("/{}/", other.child.id())), "{said}");
    signal(&other, "CONT");
    assert_ne!(token(&other, &server("m", "1")).await, before);
    assert!(forget(&one, &m).0);

    // A node that has shut down needs not confirm.
    other.terminate();
    other.child.wait().unwrap();
    assert!(forget(&one, &m).0);
    assert!(forget(&third, &m).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_tokens_again_after_redis_closes_connections() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = CountingVendor::start();
    let nodes = cluster(&vendor, &redis);
    until_shared(&nodes, "closed").await;
    let (calls, mut parted) = (vendor.calls(), 0);
    for nth in 0..10 {
        let merchant = format!("closed-{nth}");
        redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        let mut tokens = Vec::new();
        for node in &nodes {
            tokens.push(token(node, &server(&merchant, "1")).await);
        }
        parted += usize::from(tokens.iter().any(|token| *token != tokens[0]));
        let began = Instant::now();
        loop {
            let one = token(&nodes[0], &server(&merchant, "2")).await;
            let other = token(&nodes[1], &server(&merchant, "2")).await;
            if one == other && other == token(&nodes[2], &server(&merchant, "2")).await {
                break;
            }
            assert!(began.elapsed() < HANGS, "the nodes stay parted");
        }
    }
    println!("10 merchants, connections closed before each: {} vendor calls, {parted} parted", vendor.calls() - calls);
    // On a busy machine some nodes reconnect too late.
    assert!(parted < 5, "{parted} of 10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_user_without_scripting_is_logged_and_cannot_forget() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = CountingVendor::start();
    redis.command(&["ACL", "SETUSER", "u", "on", ">canary-pw", "~*", "+@all", "-@scripting"]);
    let url = format!("redis://u:canary-pw@127.0.0.1:{}", redis.port);
    let nodes = [node(&vendor, Some(&url)), node(&vendor, Some(&url))];
    let before = token(&nodes[0], &server("m", "1")).await;
    let (done, said) = forget(&nodes[0], &fingerprint(&nodes[0]));
    assert!(!done && said.contains("not everything is forgotten"), "{said}");
    assert_ne!(token(&nodes[0], &server("m", "1")).await, before);
    let log = nodes[0].log();
    let refusals = log.lines().filter(|line| line.contains("NOPERM") && line.contains("evalsha")).count();
    assert_eq!(refusals, 1, "once, not at each call: {log}");
    assert!(get(&nodes[0], "/metrics").contains("daypass_store_refusals_total{code=\"NOPERM\"}"));
    assert!(!log.contains("canary"), "{log}");
}
