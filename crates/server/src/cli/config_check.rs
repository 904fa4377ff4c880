//! `daypass config check`: all faults of the configuration.

use std::path::PathBuf;

use clap::Subcommand;

use super::{failure::Failure, print::print_line};
use crate::{
    config::{Config, ConfigError},
    engine::{self, Process},
    tls,
};

/// Look at the configuration
#[derive(clap::Args)]
pub(super) struct Args {
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

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Command::Check { config } = &args.command;
    let config = Config::load(config.as_deref())?;
    let mut faults = config.faults();
    let engine_fault = engine::build(&config, Process::Command).err().map(|error| error.to_string());
    let tls_fault = config.tls.as_ref().and_then(|files| tls::from_files(files).err()).map(|error| error.to_string());
    for fault in engine_fault.into_iter().chain(tls_fault) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults).into());
    }
    print_line!("the configuration is good: RPC on {}, admin on {}", config.listen, config.admin_listen);
    Ok(())
}
