//! `daypass sandbox`: the fakes of the connectors, without the service.

use std::{error::Error, net::SocketAddr};

use sandbox::{Fault, Sandbox};

use super::{failure::Failure, print::print_line};
use crate::signals;

/// Run the fake processors alone
#[derive(clap::Args)]
pub(super) struct Args {
    /// The port on 127.0.0.1; 0 for any
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Break a processor: status_<400-599>, slow_<n>ms, garbage, empty, reset, hang or redirect
    #[arg(long, value_name = "CONNECTOR=FAULT", value_parser = fault)]
    fault: Vec<(String, Fault)>,
}

/// The error is boxed, as clap does with it anyway.
fn fault(text: &str) -> Result<(String, Fault), Box<dyn Error + Send + Sync>> {
    let (connector, fault) = text.split_once('=').ok_or("expected <connector>=<fault>, as in stripe=status_503")?;
    let fault = fault.parse::<Fault>().map_err(|error| error.to_string())?;
    Ok((connector.to_ascii_lowercase(), fault))
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    // The signals are caught before the process prints that it is up.
    let signal = signals::shutdown();
    let sandbox = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], args.port))).await?;
    for (connector, fault) in &args.fault {
        sandbox.set_fault(connector, Some(*fault)).map_err(|error| Failure::Sandbox(error.to_string()))?;
    }
    print_line!("fake processors on http://{}", sandbox.addr());
    for fake in sandbox::VENDORS.iter().copied() {
        print_line!("  {:<20} {}", fake.name, sandbox.base_url(fake.name));
    }
    print_line!(
        "send the service's calls here with DAYPASS_CONNECTORS__<NAME>__TEST_BASE_URL, or use `daypass serve --sandbox`"
    );
    print_line!("move its time: curl -d '{{\"advance_seconds\": 3600}}' http://{}/_sandbox/clock", sandbox.addr());
    print_line!(
        "break one, null mends it: curl -d '{{\"connector\": \"stripe\", \"fault\": \"status_503\"}}' \
         http://{}/_sandbox/fault",
        sandbox.addr()
    );
    signal.await;
    sandbox.shutdown().await;
    Ok(())
}
