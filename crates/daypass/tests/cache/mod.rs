//! The cache through the engine: stored, shared, refreshed and forgotten tokens.

mod credentials;
mod references;
mod shared_tokens;
mod stored_values;

/// Lets all started tasks run until they wait.
async fn run_tasks() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
