//! `daypass`: one executable, one file for each command under `cli/`.

mod admin;
mod answer;
mod call_log;
mod callers;
mod cli;
mod config;
mod listen;
mod logs;
mod protocol;
mod rpc;
mod server;
mod status;
mod tls;

fn main() -> std::process::ExitCode {
    cli::run()
}
