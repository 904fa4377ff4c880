//! `daypass cache forget`: removes cached tokens through the admin port of a running server.

use std::time::Duration;

use clap::Subcommand;
use daypass::Fingerprint;

use super::{
    admin_call::{self, AdminReply},
    failure::Failure,
    print::print_line,
};

/// Forget kept tokens
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Forget every kept token of one set of credentials, in the store of a running server and on
    /// every node that shares it
    Forget {
        /// The fingerprint of the credentials, as `credentials` in the logs shows it (two, with a
        /// comma, while the store's key is being replaced)
        #[arg(value_delimiter = ',', required = true)]
        fingerprints: Vec<Fingerprint>,
        #[command(flatten)]
        server: admin_call::RunningServer,
    },
}

/// Time for all nodes to confirm the removal for each fingerprint.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let Command::Forget { fingerprints, server } = args.command;
    let fingerprints: Vec<String> = fingerprints.iter().map(ToString::to_string).collect();
    let path = format!("/cache/forget/{}", fingerprints.join(","));
    let AdminReply { status, body } = admin_call::send(&server, "POST", &path, LIMIT).await?;
    if status != 200 {
        return Err(Failure::AdminRefusal(body.trim().to_owned()));
    }
    print_line!("{}", body.trim());
    Ok(())
}
