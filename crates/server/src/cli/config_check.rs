use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;
use crate::{config::Config, server, tls};

/// Look at the configuration
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration file and the environment, and say everything that is wrong
    Check {
        /// The configuration file (TOML)
        #[arg(long, env = "DAYPASS_CONFIG")]
        config: Option<PathBuf>,
    },
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let Command::Check { config } = &args.command;
    let config = Config::load(config.as_deref())?;
    let mut faults = config.faults();
    let tried =
        [server::engine(&config, false).err(), config.tls.as_ref().and_then(|files| tls::configured(files).err())];
    for fault in tried.into_iter().flatten() {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if faults.is_empty() {
        say!("the configuration is good: RPC on {}, admin on {}", config.listen, config.admin_listen);
        return Ok(());
    }
    Err(faults.join("\n").into())
}
