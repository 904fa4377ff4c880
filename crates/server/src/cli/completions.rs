use clap::CommandFactory;
use clap_complete::Shell;

use super::{Daypass, Failure};

/// Print the completions of a shell
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    clap_complete::generate(args.shell, &mut Daypass::command(), "daypass", &mut std::io::stdout());
    Ok(())
}
