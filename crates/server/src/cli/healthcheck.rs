use std::net::SocketAddr;

use super::{Failure, admin_call};

/// Ask a running server whether it takes calls; exit code 0 if so (for container health checks)
#[derive(clap::Args)]
pub struct Args {
    /// Its admin address; absent: DAYPASS_ADMIN_LISTEN, else 127.0.0.1:9090
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    match admin_call::send(args.admin_listen, "GET", "/readyz").await? {
        (200, _) => {
            say!("ready");
            Ok(())
        }
        _ => Err("not ready".to_owned().into()),
    }
}
