//! The command line: one file for each command. Standard output has the result of a command,
//! standard error has everything else. Uses the whole crate. Used by the executable.

mod admin_call;
mod audit;
mod cache;
mod call_args;
mod caller;
mod completions;
mod config_check;
mod connectors;
mod demo;
mod embedded_sandbox;
mod explain;
mod failure;
mod healthcheck;
mod input_value;
mod man;
mod migrate;
mod names;
mod policy;
mod print;
mod sandbox;
mod serve;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::logs;
use failure::Failure;

/// Day passes for payment connectors: long-lived API keys in, short-lived tokens that are safe in a
/// client out.
#[derive(Parser)]
#[command(
    name = "daypass",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Examples:
  daypass demo                          see it work, then try it in a browser
  daypass serve --sandbox               the service, with fake processors behind it
  daypass connectors stripe             what a connector offers
  daypass explain stripe                the call to the vendor, without making it
  daypass token stripe --sandbox        one token from the shell

Exit codes:
  0  done
  1  the command failed
  2  the arguments or the request must change
  3  the connector refused
  4  the connector, or the network to it, is broken
  5  a defect of Daypass"
)]
struct Daypass {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Sandbox(sandbox::Args),
    Token(token::Args),
    Connectors(connectors::Args),
    Explain(explain::Args),
    Config(config_check::Args),
    Policy(policy::Args),
    Migrate(migrate::Args),
    Audit(audit::Args),
    Cache(cache::Args),
    Caller(caller::Args),
    Healthcheck(healthcheck::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => demo::run(args).await,
            Self::Serve(args) => serve::run(args).await,
            Self::Sandbox(args) => sandbox::run(args).await,
            Self::Token(args) => token::run(args).await,
            Self::Connectors(args) => connectors::run(&args),
            Self::Explain(args) => explain::run(args).await,
            Self::Config(args) => config_check::run(&args),
            Self::Policy(args) => policy::run(args),
            Self::Migrate(args) => migrate::run(args),
            Self::Audit(args) => audit::run(&args),
            Self::Cache(args) => cache::run(args).await,
            Self::Caller(args) => caller::run(&args),
            Self::Healthcheck(args) => healthcheck::run(args).await,
            Self::Completions(args) => {
                completions::run(&args, &mut Daypass::command());
                Ok(())
            }
            Self::Man(args) => man::run(&args, Daypass::command()),
        }
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // Some libraries use the TLS provider of the process. This is the only one in the executable.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = Daypass::parse().command;
    let _log = logs::FlushAtEnd;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            logs::write_line(format_args!("daypass: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(command.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            logs::write_line(format_args!("daypass: {failure}"));
            ExitCode::from(failure.exit_code() as u8)
        }
    };
    // The drop cancels the calls that are still in flight, and each writes its log line.
    drop(runtime);
    code
}
