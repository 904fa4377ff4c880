//! `daypass healthcheck`: the readiness of a running server, as an exit code.

use std::time::Duration;

use super::{admin_call, failure::Failure, print::print_line};

/// Ask a running server whether it takes calls; exit code 0 if so (for container health checks)
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: admin_call::RunningServer,
}

/// A server that needs longer counts as not ready.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    if admin_call::send(&args.server, "GET", "/readyz", LIMIT).await?.status != 200 {
        return Err(Failure::AdminRefusal("not ready".into()));
    }
    print_line!("ready");
    Ok(())
}
