//! Where log lines go: to standard error, as JSON unless that is a terminal.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. Once per process.
///
/// # Errors
/// Where the directives cannot be read.
pub fn start(directives: &str) -> Result<(), String> {
    let lines = fmt().with_env_filter(filter(directives)?).with_writer(std::io::stderr).with_target(false);
    let started = if std::io::stderr().is_terminal() {
        lines.compact().try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    started.map_err(|error| error.to_string())
}

/// Whether the directives can be read.
///
/// # Errors
/// Where they cannot.
pub fn check(directives: &str) -> Result<(), String> {
    filter(directives).map(drop)
}

/// Log lines kept in memory, for the demo to search.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// Everything that was logged so far.
    pub fn text(&self) -> String {
        self.0.lock().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging into memory, as JSON. Once per process.
///
/// # Errors
/// Where the directives cannot be read.
pub fn start_in_memory(directives: &str) -> Result<Memory, String> {
    let memory = Memory::default();
    let writer = memory.clone();
    let lines = fmt().with_env_filter(filter(directives)?).with_writer(move || writer.clone());
    lines.json().flatten_event(true).try_init().map_err(|error| error.to_string())?;
    Ok(memory)
}

fn filter(directives: &str) -> Result<EnvFilter, String> {
    // Libraries on the way see headers and bodies; what they have to say at finer levels is nobody's business.
    EnvFilter::try_new(format!("{directives},h2=warn,hyper=warn,hyper_util=warn,rustls=warn,connectrpc=warn"))
        .map_err(|_| "log: expected a level (error, warn, info, debug) or directives such as info,daypass=debug".into())
}
