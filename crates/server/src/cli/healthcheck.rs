use std::time::Duration;

use super::{Failure, admin_call};

/// Ask a running server whether it takes calls; exit code 0 if so (for container health checks)
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: admin_call::Running,
}

/// A server that needs longer is not ready.
const LIMIT: Duration = Duration::from_secs(5);

pub async fn run(args: Args) -> Result<(), Failure> {
    match admin_call::send(&args.server, "GET", "/readyz", LIMIT).await? {
        (200, _) => {
            say!("ready");
            Ok(())
        }
        _ => Err("not ready".to_owned().into()),
    }
}
