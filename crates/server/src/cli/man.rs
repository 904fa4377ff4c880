//! `daypass man`: the man pages, generated from the command line itself. The Debian package has
//! them.

use std::path::PathBuf;

use clap::Command;

use super::failure::Failure;

/// Write the man pages, one for each command, into a folder
#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder
    folder: PathBuf,
}

pub(super) fn run(args: &Args, command_line: Command) -> Result<(), Failure> {
    clap_mangen::generate_to(command_line, &args.folder)
        .map_err(|source| Failure::Page { file: args.folder.clone(), source })
}
