//! `daypass config check`: all faults of the configuration.

use std::path::PathBuf;

use clap::Subcommand;

use super::{failure::Failure, print::print_line};
use crate::{
    config::{Config, ConfigError, check::Checked},
    engine::{self, Process},
    reference, tls,
};

/// Look at the configuration
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration file and the environment: say everything that is wrong, or print the
    /// settings in effect without their secrets
    Check {
        /// The configuration file (TOML)
        #[arg(long, env = "DAYPASS_CONFIG")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Command::Check { config } = &args.command;
    let mut checked = Checked::read(config.as_deref())?;
    let engine_fault = engine::build(&checked.config, Process::Command).err().map(|error| error.to_string());
    let tls_fault = checked.config.tls.as_ref().and_then(|files| tls::from_files(files).err());
    for fault in engine_fault.into_iter().chain(tls_fault.map(|error| error.to_string())) {
        checked.add(&fault);
    }
    if !checked.faults.is_empty() {
        return Err(ConfigError::Faults(checked.faults).into());
    }
    let Config { listen, admin_listen, .. } = &checked.config;
    print_line!("{}", checked.effective(reference::settings()).trim_end());
    print_line!("# the configuration is good: RPC on {listen}, admin on {admin_listen}");
    Ok(())
}
