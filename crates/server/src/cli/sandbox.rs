use std::net::SocketAddr;

use daypass::canonical_id;
use sandbox::Sandbox;

use super::Failure;
use crate::{config::Config, server};

/// Run the fake processors alone
#[derive(clap::Args)]
pub struct Args {
    /// The port on 127.0.0.1; 0 for any
    #[arg(long, default_value_t = 8081)]
    port: u16,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let sandbox =
        Sandbox::start(SocketAddr::from(([127, 0, 0, 1], args.port))).await.map_err(|error| error.to_string())?;
    say!("fake processors on http://{}", sandbox.addr());
    for processor in sandbox::PROCESSORS.iter().copied() {
        say!("  {:<20} {}", processor.name, sandbox.base_url(processor.name));
    }
    say!(
        "send the service's calls here with DAYPASS_CONNECTORS__<NAME>__TEST_BASE_URL, or use `daypass serve --sandbox`"
    );
    say!("move its time: curl -d '{{\"advance_seconds\": 3600}}' http://{}/_sandbox/clock", sandbox.addr());
    server::signal().await;
    sandbox.shutdown().await;
    Ok(())
}

/// Starts a sandbox and points every connector at it, test and live.
pub async fn into_sandbox(config: &mut Config) -> Result<Sandbox, String> {
    let sandbox = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|error| error.to_string())?;
    for processor in sandbox::PROCESSORS.iter().copied() {
        let settings = config.connectors.entry(canonical_id(processor.name)).or_default();
        settings.base_urls.clear();
        for key in ["base_url", "test_base_url"] {
            settings.base_urls.insert(key.into(), sandbox.base_url(processor.name));
        }
    }
    Ok(sandbox)
}
