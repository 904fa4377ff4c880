//! The service and its command line. The executable is [`cli::run`]; one file for each command under `cli/`.

mod admin;
mod answer;
mod call_log;
mod callers;
pub mod cli;
pub mod config;
mod listen;
mod log_writer;
mod logs;
pub mod pages;
pub mod protocol;
mod rpc;
mod server;
mod status;
mod tls;
mod undecodable;
