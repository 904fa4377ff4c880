use std::net::SocketAddr;

use daypass::canonical_id;
use sandbox::{Fault, Sandbox};

use super::Failure;
use crate::{config::Config, server};

/// Run the fake processors alone
#[derive(clap::Args)]
pub struct Args {
    /// The port on 127.0.0.1; 0 for any
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Break a processor: status_<400-599>, slow_<n>ms, garbage, empty, reset, hang or redirect
    #[arg(long, value_name = "CONNECTOR=FAULT", value_parser = fault)]
    fault: Vec<(String, Fault)>,
}

fn fault(text: &str) -> Result<(String, Fault), String> {
    let (connector, fault) = text.split_once('=').ok_or("expected <connector>=<fault>, as in stripe=status_503")?;
    let fault = fault.parse::<Fault>().map_err(|error| error.to_string())?;
    Ok((connector.to_ascii_lowercase(), fault))
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let sandbox =
        Sandbox::start(SocketAddr::from(([127, 0, 0, 1], args.port))).await.map_err(|error| error.to_string())?;
    for (connector, fault) in &args.fault {
        sandbox.set_fault(connector, Some(*fault)).map_err(|error| error.to_string())?;
    }
    say!("fake processors on http://{}", sandbox.addr());
    for processor in sandbox::VENDORS.iter().copied() {
        say!("  {:<20} {}", processor.name, sandbox.base_url(processor.name));
    }
    say!(
        "send the service's calls here with DAYPASS_CONNECTORS__<NAME>__TEST_BASE_URL, or use `daypass serve --sandbox`"
    );
    say!("move its time: curl -d '{{\"advance_seconds\": 3600}}' http://{}/_sandbox/clock", sandbox.addr());
    say!(
        "break one, null mends it: curl -d '{{\"connector\": \"stripe\", \"fault\": \"status_503\"}}' \
         http://{}/_sandbox/fault",
        sandbox.addr()
    );
    server::signal().await;
    sandbox.shutdown().await;
    Ok(())
}

/// Starts a sandbox and points every connector at it, test and live.
pub async fn into_sandbox(config: &mut Config) -> Result<Sandbox, String> {
    let sandbox = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|error| error.to_string())?;
    for processor in sandbox::VENDORS.iter().copied() {
        let settings = config.connectors.entry(canonical_id(processor.name)).or_default();
        settings.base_urls.clear();
        for key in ["base_url", "test_base_url"] {
            settings.base_urls.insert(key.into(), sandbox.base_url(processor.name));
        }
    }
    Ok(sandbox)
}
