//! The service and its command line. The executable is [`cli::run`]. Imports go down this list:
//! `cli`, `server`, `listen`, `playground` and `rpc`, `config`, and the rest.

mod access_log;
mod admin;
pub mod audit;
pub mod auth;
mod call_metrics;
pub mod cli;
pub mod config;
pub mod connector_docs;
mod connector_list;
mod engine;
mod json_lines;
mod listen;
mod live;
pub mod log_fields;
mod log_writer;
mod logs;
pub mod metric_list;
mod origin;
mod pem;
mod playground;
mod recent_calls;
mod reference;
mod reload;
mod rpc;
mod server;
mod signals;
mod supervisor;
mod telemetry;
mod tls;
mod vendor_call;
