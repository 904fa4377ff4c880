//! Forgetting: marks in Redis, the removal of values, and the confirmation of every node. The store
//! uses it.

use std::time::Duration;

use redis::{AsyncCommands, aio::ConnectionManager};
use tokio::time::{Instant, sleep};

use crate::store::{
    Fingerprint, Forgotten, POLL_EVERY, StoreError,
    redis::{
        link::KEEP_NODE,
        runner::Runner,
        scripts::{FORGOTTEN, NODES, milliseconds},
    },
};

/// How many keys Redis scans in one step.
const SCAN_COUNT: usize = 1000;
/// How long other nodes have to confirm that they forgot: several heartbeats.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// How long other nodes have to report to a store that did not know this node: such a store is new,
/// or has lost its data.
const GATHER_WITHIN: Duration = Duration::from_secs(2);

/// Forgets every value of these credentials, on every node.
pub(super) async fn forget(runner: &Runner, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
    // From here on, no node offers a remembered value of these credentials.
    mark(runner, fingerprint).await?;
    let values = remove_all(runner, fingerprint).await?;
    // A value that a node read before the removal is older than this second mark.
    let mark = mark(runner, fingerprint).await?;
    Ok(Forgotten { values, unconfirmed: unconfirmed(runner, mark).await? })
}

/// Takes this node off the list of nodes.
pub(super) async fn leave(runner: &Runner) {
    runner.link.leave();
    let Some((name, _)) = runner.link.known() else { return };
    let name = name.to_owned();
    let leave = move |_, mut connection: ConnectionManager| {
        let name = name.clone();
        async move { connection.hdel::<_, _, ()>(NODES, name).await }
    };
    let _ = runner.run_patiently(leave).await;
}

/// Marks these credentials as forgotten, for all nodes.
async fn mark(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    runner
        .run_patiently(move |link, mut connection| async move {
            let mut call = link.scripts.mark.prepare_invoke();
            call.key(FORGOTTEN).arg(fingerprint.to_string()).arg(milliseconds(KEEP_NODE));
            call.invoke_async(&mut connection).await
        })
        .await
}

/// Removes every value of these credentials from Redis; returns how many there were.
async fn remove_all(runner: &Runner, fingerprint: Fingerprint) -> Result<u64, StoreError> {
    let (mut cursor, mut removed) = (0_u64, 0_u64);
    loop {
        let (next, keys): (u64, Vec<String>) = runner
            .run_patiently(move |_, mut connection| async move {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(format!("daypass:{fingerprint}:*"));
                scan.arg("COUNT").arg(SCAN_COUNT).query_async(&mut connection).await
            })
            .await?;
        if !keys.is_empty() {
            let unlink = move |_, mut connection: ConnectionManager| {
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

/// Waits until every node has obeyed this mark; returns the nodes that did not in time.
async fn unconfirmed(runner: &Runner, mark: u64) -> Result<Vec<String>, StoreError> {
    let until = Instant::now() + CONFIRM_WITHIN;
    loop {
        let nodes: Vec<String> = runner
            .run_patiently(move |link, mut connection| async move {
                let mut call = link.scripts.unconfirmed.prepare_invoke();
                call.key(NODES).arg(mark).arg(milliseconds(KEEP_NODE)).invoke_async(&mut connection).await
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
