//! `daypass man`: the man pages, generated from the command line itself. The Debian package has
//! them.

use std::{fs, path::PathBuf};

use clap::Command;

use super::failure::Failure;
use crate::reference;

/// Write the man pages, one for each command and one for the configuration, into a folder
#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder
    folder: PathBuf,
}

pub(super) fn run(args: &Args, command_line: Command) -> Result<(), Failure> {
    let failed = |source| Failure::Page { file: args.folder.clone(), source };
    clap_mangen::generate_to(command_line, &args.folder).map_err(failed)?;
    fs::write(args.folder.join("daypass.toml.5"), reference::settings_man_page()).map_err(failed)
}
