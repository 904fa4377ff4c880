use std::time::Duration;

use clap::Subcommand;
use daypass::Fingerprint;

use super::{Failure, admin_call};

/// Forget kept tokens
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Forget every kept token of one set of credentials, in the store of a running server and on
    /// every node that shares it
    Forget {
        /// The fingerprint of the credentials, as `credentials` in the logs shows it (two, with a comma, while the store's key is
        /// being replaced)
        #[arg(value_delimiter = ',', required = true)]
        fingerprints: Vec<Fingerprint>,
        #[command(flatten)]
        server: admin_call::Running,
    },
}

/// All nodes have to confirm, for each fingerprint.
const LIMIT: Duration = Duration::from_secs(60);

pub async fn run(args: Args) -> Result<(), Failure> {
    let Command::Forget { fingerprints, server } = args.command;
    let fingerprints: Vec<String> = fingerprints.iter().map(ToString::to_string).collect();
    match admin_call::send(&server, "POST", &format!("/cache/forget/{}", fingerprints.join(",")), LIMIT).await? {
        (200, said) => {
            say!("{}", said.trim());
            Ok(())
        }
        (_, said) => Err(said.trim().to_owned().into()),
    }
}
