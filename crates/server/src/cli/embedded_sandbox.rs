//! A sandbox inside the process, with every connector's hosts replaced by it. Used by `serve`,
//! `demo`, `token` and `explain`.

use std::{io, net::SocketAddr};

use daypass::{Policy, canonical_id};
use sandbox::Sandbox;

use crate::config::Config;

/// Starts a sandbox and sends the calls to all connectors to it, test and live. Its tokens are worth
/// nothing, so the limit for the life of CLIENT tokens does not apply.
///
/// # Errors
/// The sandbox cannot listen.
pub(super) async fn start(config: &mut Config) -> io::Result<Sandbox> {
    let sandbox = start_for(config).await?;
    redirect(config, sandbox.addr());
    Ok(sandbox)
}

/// Starts a sandbox, and says which configured hosts it will stand in for.
///
/// # Errors
/// The sandbox cannot listen.
pub(super) async fn start_for(config: &Config) -> io::Result<Sandbox> {
    for (name, connector) in &config.connectors {
        for key in connector.base_urls.keys() {
            tracing::warn!("connectors.{name}.{key} has no effect: the sandbox stands in for every connector");
        }
    }
    Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await
}

/// Sends the calls to all connectors to the sandbox at this address.
pub(super) fn redirect(config: &mut Config, sandbox: SocketAddr) {
    for fake in sandbox::VENDORS.iter().copied() {
        let settings = config.connectors.entry(canonical_id(fake.name)).or_default();
        settings.base_urls.clear();
        settings.client_token_max_seconds = None;
        for key in ["base_url", "test_base_url"] {
            settings.base_urls.insert(key.into(), sandbox::base_url(sandbox, fake.name));
        }
    }
    config.policy.client_token_max_seconds = Policy::NO_LIMIT;
}
