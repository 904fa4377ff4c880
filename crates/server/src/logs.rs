//! Where log lines go: to standard error, as JSON unless that is a terminal.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Arguments,
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt};

use crate::log_writer::LogWriter;

/// Longest that the end of the process waits for lines to be written. It comes on top of the grace
/// time, so it is short.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The process has one standard error, so it has one writer.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Starts logging. Once per process. From then on nothing else may write to standard error: such a
/// write waits for its reader.
///
/// # Errors
/// Where the directives cannot be read.
pub fn start(directives: &str) -> Result<(), String> {
    let filter = filter(directives)?;
    let writer = LogWriter::start(io::stderr()).map_err(|error| format!("log: {error}"))?;
    let writer = WRITER.get_or_init(|| writer);
    let lines = fmt().with_env_filter(filter).with_writer(|| writer.clone()).with_target(false);
    let started = if io::stderr().is_terminal() {
        lines.compact().try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    started.map_err(|error| error.to_string())?;
    // The hook of the standard library writes to standard error itself.
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A line to standard error that is no log line: in its turn where logging has started, else at once.
pub fn say(line: Arguments<'_>) {
    let line = format!("{line}\n");
    // Where standard error is broken, there is nobody to tell.
    let _ = match WRITER.get() {
        Some(writer) => writer.clone().write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}

/// Waits until all lines are written, but not for a reader that stalls.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush_within(FLUSH_TIMEOUT);
    }
}

/// How many lines to standard error were lost so far.
pub fn lost() -> u64 {
    WRITER.get().map_or(0, LogWriter::lost)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(&backtrace));
    tracing::error!(backtrace, "{panic}");
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_panic_is_a_log_line() {
        let (memory, this) = (Memory::default(), thread::current().id());
        let writer = memory.clone();
        let lines = fmt().with_writer(move || writer.clone()).json().flatten_event(true).finish();
        // The hook is for all threads: those of other tests keep theirs.
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(
            move |panic| {
                if thread::current().id() == this { log_panic(panic) } else { others(panic) }
            },
        ));
        let panicked =
            tracing::subscriber::with_default(lines, || std::panic::catch_unwind(|| panic!("canary {}", 1 + 1)));
        assert!(panicked.is_err());
        let text = memory.text();
        assert!(text.contains("panicked at crates/server/src/logs.rs:") && text.contains("canary 2"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
