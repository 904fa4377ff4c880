//! `daypass audit`: the check of the audit log's chain, and the names of references in it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use clap::Subcommand;

use super::{failure::Failure, print::print_line};
use crate::{
    audit::chain::{AuditKey, Verifier},
    config::{Config, ConfigError},
};

/// Check the audit log
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find lines of the audit log that were altered, removed, moved or repeated, also across files
    Verify {
        /// The configuration file (TOML), with audit.key
        #[arg(long, env = "DAYPASS_CONFIG")]
        config: Option<PathBuf>,
        /// The number that the last line must have, as the metric daypass_audit_sequence showed it: lines
        /// that are missing at the end leave no other trace
        #[arg(long)]
        last: Option<u64>,
        /// The files, the oldest first
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// The keyed hash by which the audit log names a reference (merchant_access_token_id)
    Reference {
        /// The configuration file (TOML), with audit.key
        #[arg(long, env = "DAYPASS_CONFIG")]
        config: Option<PathBuf>,
        /// The reference
        reference: String,
    },
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Verify { config, last, files } => verify(&key(config)?, files, *last),
        Command::Reference { config, reference } => {
            print_line!("{}", key(config)?.reference(reference));
            Ok(())
        }
    }
}

fn key(config: &Option<PathBuf>) -> Result<AuditKey, Failure> {
    let config = Config::load(config.as_deref())?;
    config.audit.key().map_err(|error| ConfigError::Setting(error.to_string()).into())
}

fn verify(key: &AuditKey, files: &[PathBuf], last: Option<u64>) -> Result<(), Failure> {
    let (mut verifier, mut faults) = (Verifier::default(), 0_u64);
    for file in files {
        let unreadable = |source| Failure::Page { file: file.clone(), source };
        for (number, line) in BufReader::new(File::open(file).map_err(unreadable)?).lines().enumerate() {
            if let Some(fault) = verifier.fault(key, &line.map_err(unreadable)?) {
                faults += 1;
                print_line!("{}:{}: {fault}", file.display(), number + 1);
            }
        }
    }
    let (first, end) = (verifier.first.unwrap_or(0), verifier.last.map_or(0, |place| place.seq));
    if let Some(missing) = last.and_then(|last| last.checked_sub(end)).filter(|missing| *missing > 0) {
        faults += 1;
        print_line!("{missing} lines are missing at the end");
    }
    let what = format!("{} lines, numbers {first} to {end}", verifier.lines);
    if faults > 0 {
        return Err(Failure::Audit { what, faults });
    }
    let start = if first > 1 { "; the lines before were not looked at" } else { "" };
    print_line!("{what}: the chain is whole{start}");
    Ok(())
}
