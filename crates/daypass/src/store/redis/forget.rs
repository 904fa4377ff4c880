//! Forgetting: marks in Redis, the removal of values, and the confirmation of replicas and of every
//! node. The store uses it.

use std::{sync::Arc, time::Duration};

use redis::{AsyncCommands, Role};
use tokio::time::{Instant, sleep};

use crate::store::{
    Fingerprint, Forgotten, POLL_EVERY, StoreError,
    redis::{
        connection::Connection,
        link::{KEEP_NODE, Link},
        runner::Runner,
        scripts::milliseconds,
    },
};

/// How many keys Redis scans in one step.
const SCAN_COUNT: usize = 1000;
/// How long other nodes have to confirm that they forgot: several heartbeats.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// How long other nodes have to report to a store that did not know this node: such a store is new,
/// or has lost its data.
const GATHER_WITHIN: Duration = Duration::from_secs(2);
/// How long replicas have to confirm that they forgot. They report once a second.
const REPLICATE_WITHIN: Duration = Duration::from_secs(5);
/// How often the removal begins again where the store's server changes in the middle of it.
const MAX_REMOVALS: u32 = 3;

/// Forgets every value of these credentials, on every node.
pub(super) async fn forget(runner: &Runner, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
    // From here on, no node offers a remembered value of these credentials.
    mark(runner, fingerprint).await?;
    let values = remove_all(runner, fingerprint).await?;
    // A value that a node read before the removal is older than this second mark.
    let mark = mark(runner, fingerprint).await?;
    replicated(runner).await?;
    let unconfirmed = unconfirmed(runner, mark).await?;
    // A server that took over without this mark has forgotten nothing.
    match last_mark(runner, fingerprint).await? >= mark {
        true => Ok(Forgotten { values, unconfirmed }),
        false => Err(StoreError),
    }
}

/// Takes this node off the list of nodes.
pub(super) async fn leave(runner: &Runner) {
    runner.link.leave();
    let Some((name, _)) = runner.link.known() else { return };
    let name = name.to_owned();
    let leave = move |link: Arc<Link>, mut connection: Connection| {
        let name = name.clone();
        async move { connection.hdel::<_, _, ()>(&link.names.nodes, name).await }
    };
    let _ = runner.run_patiently(leave).await;
}

/// Marks these credentials as forgotten, for all nodes.
async fn mark(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    runner
        .run_patiently(move |link, mut connection| async move {
            let mut call = link.scripts.mark.prepare_invoke();
            call.key(&link.names.forgotten).arg(fingerprint.to_string()).arg(milliseconds(KEEP_NODE));
            call.invoke_async(&mut connection).await
        })
        .await
}

/// The mark of these credentials in the store. 0: there is none.
async fn last_mark(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    let mark: Option<String> = runner
        .run_patiently(move |link, mut connection| async move {
            connection.zscore(&link.names.forgotten, fingerprint.to_string()).await
        })
        .await?;
    Ok(mark.and_then(|mark| mark.parse().ok()).unwrap_or(0))
}

/// Removes every value of these credentials from Redis; returns how many there were.
async fn remove_all(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    let mut removed = 0;
    for _ in 0..MAX_REMOVALS {
        let before = server(runner).await?;
        removed += remove_by_scan(runner, fingerprint).await?;
        // A cursor is worth nothing to another server.
        if server(runner).await? == before {
            return Ok(removed);
        }
    }
    Err(StoreError)
}

/// What names the server that answers: the number of the connection, or the name of a cluster's node.
async fn server(runner: &Runner) -> Result<String, StoreError> {
    runner
        .run_patiently(|link, mut connection| async move {
            if let Connection::One(_) = connection {
                return Ok(link.connector.current().map_or(0, |current| current.number).to_string());
            }
            let mut name = redis::cmd("CLUSTER");
            name.arg("MYID");
            connection.ask_owner(&link.names.nodes, name).await
        })
        .await
}

async fn remove_by_scan(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    let (mut cursor, mut removed) = (0_u64, 0_u64);
    loop {
        let (next, keys): (u64, Vec<String>) = runner
            .run_patiently(move |link, mut connection| async move {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(link.names.values(fingerprint)).arg("COUNT").arg(SCAN_COUNT);
                connection.ask_owner(&link.names.nodes, scan).await
            })
            .await?;
        if !keys.is_empty() {
            let unlink = move |_, mut connection: Connection| {
                let keys = keys.clone();
                async move { connection.unlink::<_, u64>(keys).await }
            };
            removed += runner.run_patiently(unlink).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(removed);
        }
    }
}

/// Waits until every connected replica has what the server had when it was first asked: one of them
/// may be the next primary. (`WAIT` would hold up the other operations of the connection.)
async fn replicated(runner: &Runner) -> Result<(), StoreError> {
    let until = Instant::now() + REPLICATE_WITHIN;
    let mut goal = None;
    loop {
        let role: Role = runner
            .run_patiently(|link, mut connection| async move {
                connection.ask_owner(&link.names.nodes, redis::cmd("ROLE")).await
            })
            .await?;
        let Role::Primary { replication_offset, replicas } = role else { return Err(StoreError) };
        let goal = *goal.get_or_insert(i64::try_from(replication_offset).unwrap_or(i64::MAX));
        if replicas.iter().all(|replica| replica.replication_offset >= goal) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(StoreError);
        }
        sleep(POLL_EVERY).await;
    }
}

/// Waits until every node has obeyed this mark; returns the nodes that did not in time.
async fn unconfirmed(runner: &Runner, mark: u64) -> Result<Vec<String>, StoreError> {
    let until = Instant::now() + CONFIRM_WITHIN;
    loop {
        let nodes: Vec<String> = runner
            .run_patiently(move |link, mut connection| async move {
                let mut call = link.scripts.unconfirmed.prepare_invoke();
                call.key(&link.names.nodes).arg(mark).arg(milliseconds(KEEP_NODE));
                call.invoke_async(&mut connection).await
            })
            .await?;
        let gathered = match runner.link.known() {
            Some((_, Some(since))) => since.elapsed() >= GATHER_WITHIN,
            Some((_, None)) => false,
            None => true,
        };
        match (nodes.is_empty() && gathered, Instant::now() < until) {
            (true, _) => return Ok(nodes),
            (false, true) => sleep(POLL_EVERY).await,
            (false, false) if nodes.is_empty() => return Err(StoreError),
            (false, false) => return Ok(nodes),
        }
    }
}
