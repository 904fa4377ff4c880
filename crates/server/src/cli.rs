//! The command line. Standard output is for what was asked for, standard error for everything else.

/// A line on standard output. A reader that has left ends the program quietly, as a pipe would.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print(format_args!($($text)*)) };
}

mod admin_call;
mod cache;
mod completions;
mod config_check;
mod connectors;
mod demo;
mod explain;
mod healthcheck;
mod one_call;
mod sandbox;
mod serve;
mod token;

use std::process::ExitCode;

use ::connectors::Error;
use clap::{Parser, Subcommand};

use crate::{logs, status};

/// Day passes for payment connectors: long-lived API keys in, short-lived tokens that are safe in a client out.
#[derive(Parser)]
#[command(name = "daypass", version, propagate_version = true)]
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
    Cache(cache::Args),
    Healthcheck(healthcheck::Args),
    Completions(completions::Args),
}

fn print(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(141);
    }
}

/// How a command fails: what to say, and the exit code.
pub struct Failure {
    message: String,
    code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { message: format!("{}: {error}", error.kind.label()), code: status::exit_code(error.kind) }
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // One process, one provider of TLS: libraries that look for a default find this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = Daypass::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            logs::say(format_args!("daypass: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Sandbox(args) => sandbox::run(args).await,
            Command::Token(args) => token::run(args).await,
            Command::Connectors(args) => connectors::run(&args),
            Command::Explain(args) => explain::run(args).await,
            Command::Config(args) => config_check::run(&args),
            Command::Cache(args) => cache::run(args).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Completions(args) => completions::run(&args),
        }
    });
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            logs::say(format_args!("daypass: {message}"));
            ExitCode::from(code)
        }
    };
    // Calls that are still in flight end here, each with its log line.
    drop(runtime);
    logs::flush();
    code
}
