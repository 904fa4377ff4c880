//! `daypass caller new`: a key for a caller, and the lines of the configuration that know it.

use clap::Subcommand;
use sha2::{Digest, Sha256};

use super::{failure::Failure, print::print_line};

/// Callers that may use the service
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key for a caller: printed once, together with the lines for the configuration
    New {
        /// The caller's name in the log and in policies
        name: String,
    },
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Action::New { name } = &args.action;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Failure::NoRandomBytes)?;
    let key = format!("dpk_{}", connectors::Nonce(bytes).hex());
    let hash = hex::encode(Sha256::digest(&key));
    print_line!("The key, which is shown once; the caller sends it as `authorization: Bearer <key>`:\n\n  {key}\n");
    print_line!("For the configuration file (SIGHUP reads it again):\n\n  [[callers]]\n  name = {name:?}");
    print_line!("  key_sha256 = \"{hash}\"\n");
    print_line!("While a key is replaced, a caller has both: key_sha256 = [\"<old>\", \"{hash}\"]");
    Ok(())
}
