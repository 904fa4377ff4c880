//! Where log lines go: to standard error, as JSON unless that is a terminal.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. Once per process.
///
/// # Errors
/// Where the directives cannot be read.
pub fn start(directives: &str) -> Result<(), String> {
    // Libraries on the way see headers and bodies; what they have to say at finer levels is nobody's business.
    let filter = EnvFilter::try_new(format!("{directives},h2=warn,hyper=warn,rustls=warn,connectrpc=warn"))
        .map_err(|_| "log: expected a level (error, warn, info, debug) or directives such as info,daypass=debug")?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if std::io::stderr().is_terminal() {
        lines.compact().try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    started.map_err(|error| error.to_string())
}
