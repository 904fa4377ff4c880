//! The service and its command line. The executable is [`cli::run`]. Imports go down this list:
//! `cli`, `server`, `listen` and `rpc`, `config`, and the rest.

mod access_log;
mod admin;
pub mod auth;
pub mod cli;
pub mod config;
pub mod connector_docs;
mod engine;
mod listen;
mod log_writer;
mod logs;
pub mod protocol;
mod rpc;
mod server;
mod signals;
mod tls;
