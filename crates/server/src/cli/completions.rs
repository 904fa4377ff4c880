//! `daypass completions`: shell completions, generated from the command line itself.

use clap::Command;
use clap_complete::Shell;

/// Print the completions of a shell
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, command_line: &mut Command) {
    clap_complete::generate(args.shell, command_line, "daypass", &mut std::io::stdout());
}
