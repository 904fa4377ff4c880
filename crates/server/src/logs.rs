//! Logs to standard error, as JSON unless that is a terminal, to a collector, and the lines of calls
//! to the playground. Uses `json_lines`, `log_writer` and `recent_calls`.
//! Used by `cli`, `config`, `admin`, `signals` and `telemetry`.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Arguments,
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use crate::{json_lines::JsonLines, log_writer::LogWriter, recent_calls};

/// A layer of the process's subscriber.
pub(crate) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Where the process's lines go besides standard error.
#[derive(Default)]
pub(crate) struct FurtherLayers {
    /// Makes spans.
    pub spans: Option<BoxedLayer>,
    /// Takes the lines that pass the log filter.
    pub lines: Option<BoxedLayer>,
    /// Keeps the lines of calls, for the playground.
    pub calls: Option<BoxedLayer>,
}

/// Longest time for the end of the process to write the last lines. It is short, as it comes after
/// the grace time of calls in flight.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The writer of the process, which has one standard error.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// The filters of the process's log: of its lines, and of those that go to a collector.
static FILTERS: OnceLock<Vec<reload::Handle<EnvFilter, Registry>>> = OnceLock::new();

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The log filter cannot be read. Its text is left out: it may hold anything.
    #[error("log: expected a level (off, error, warn, info, debug, trace) or directives such as info,daypass=debug")]
    Filter,
    /// The system starts no thread.
    #[error("log: {0}")]
    Writer(#[from] io::Error),
    /// Logging has started already.
    #[error("{0}")]
    Started(#[from] TryInitError),
    /// The log is gone.
    #[error("log: {0}")]
    Gone(#[from] reload::Error),
}

/// Starts logging, once per process. From then on nothing else may write to standard error, because
/// such a write blocks while the reader of standard error is slow.
///
/// # Errors
/// The filter cannot be read, or logging has started already.
pub(crate) fn start(directives: &str, further: FurtherLayers) -> Result<(), LogError> {
    let writer = LogWriter::start(io::stderr())?;
    let writer = WRITER.get_or_init(|| writer);
    let (lines_filter, lines_handle) = reload::Layer::new(filter(directives)?);
    let mut handles = vec![lines_handle];
    match further {
        // One filter before everything: what it drops costs almost nothing.
        FurtherLayers { spans: None, lines: None, calls: None } => {
            tracing_subscriber::registry().with(lines_filter).with(lines(writer)).try_init()?;
        }
        FurtherLayers { spans, lines: to_collector, calls } => {
            let mut layers: Vec<BoxedLayer> = vec![lines(writer).with_filter(lines_filter).boxed()];
            layers.extend(spans);
            layers.extend(calls);
            if let Some(to_collector) = to_collector {
                let (filter, handle) = reload::Layer::new(filter(directives)?);
                layers.push(to_collector.with_filter(filter).boxed());
                handles.push(handle);
            }
            tracing_subscriber::registry().with(layers).try_init()?;
        }
    }
    let _ = FILTERS.set(handles);
    // The hook of the standard library writes to standard error directly.
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The lines on standard error: compact on a terminal, else JSON.
fn lines<S>(writer: &'static LogWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(|| writer.clone()).with_target(false);
    match io::stderr().is_terminal() {
        true => lines.compact().boxed(),
        false => lines.event_format(JsonLines).boxed(),
    }
}

/// Replaces the log filter, where logging has started.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn set_filter(directives: &str) -> Result<(), LogError> {
    check(directives)?;
    for handle in FILTERS.get().into_iter().flatten() {
        handle.reload(filter(directives)?)?;
    }
    Ok(())
}

/// Says something at the start, at every log level: as a line of text on a terminal, as a line of
/// the JSON log everywhere else.
pub(crate) fn announce(message: Arguments<'_>) {
    if io::stderr().is_terminal() {
        return write_line(message);
    }
    let now = connectors::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or_default();
    let line = serde_json::json!({ "timestamp": now.to_string(), "level": "INFO", "message": message.to_string() });
    write_line(format_args!("{line}"));
}

/// Writes a line to standard error that is no log line. Where logging has started, the line goes
/// through the queue of log lines.
pub(crate) fn write_line(line: Arguments<'_>) {
    let line = format!("{line}\n");
    // A broken standard error cannot be reported.
    let _ = match WRITER.get() {
        Some(writer) => writer.clone().write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}

/// Waits until all lines are written, for [`FLUSH_TIMEOUT`] at most.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush_within(FLUSH_TIMEOUT);
    }
}

/// Waits for the last lines when the process ends, also by a panic.
pub(crate) struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// The number of lines that were lost so far.
pub(crate) fn lost() -> u64 {
    WRITER.get().map_or(0, LogWriter::lost)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(&backtrace));
    tracing::error!(backtrace, "{panic}");
}

/// Checks a log filter.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn check(directives: &str) -> Result<(), LogError> {
    filter(directives).map(drop)
}

/// Log lines in memory, which the demo searches.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// All lines so far.
    pub(crate) fn text(&self) -> String {
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

/// Starts logging into memory, as JSON, once per process.
///
/// # Errors
/// The filter cannot be read, or logging has started already.
pub(crate) fn start_in_memory(directives: &str) -> Result<Memory, LogError> {
    let memory = Memory::default();
    let writer = memory.clone();
    let lines = fmt::layer().with_writer(move || writer.clone()).event_format(JsonLines);
    let layers: Vec<BoxedLayer> = vec![lines.with_filter(filter(directives)?).boxed(), recent_calls::layer().boxed()];
    tracing_subscriber::registry().with(layers).try_init()?;
    Ok(memory)
}

/// A filter of tracing takes any word for the name of a target: a misspelt level would switch the
/// whole log off. So each directive is a level, or `target=level`.
fn names_levels(directives: &str) -> bool {
    directives.split(',').map(str::trim).all(|directive| {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        !level.is_empty() && level.parse::<LevelFilter>().is_ok()
    })
}

fn filter(directives: &str) -> Result<EnvFilter, LogError> {
    if !names_levels(directives) {
        return Err(LogError::Filter);
    }
    // At finer levels these libraries log headers and bodies, which hold credentials.
    EnvFilter::try_new(format!("{directives},h2=warn,hyper=warn,hyper_util=warn,rustls=warn,connectrpc=warn"))
        .map_err(|_| LogError::Filter)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for (directives, good) in [
            ("info", true),
            ("WARN", true),
            ("off", true),
            ("info,daypass=debug", true),
            ("daypass::call=off, info", true),
            ("verbose", false),
            ("warning", false),
            ("info,daypass", false),
            ("daypass=loud", false),
            ("", false),
        ] {
            assert_eq!(check(directives).is_ok(), good, "{directives}");
        }
    }

    #[test]
    fn a_panic_writes_one_log_line() {
        let (memory, this) = (Memory::default(), thread::current().id());
        let writer = memory.clone();
        let lines = fmt().with_writer(move || writer.clone()).event_format(JsonLines).finish();
        // The hook is global. The threads of other tests keep their hook.
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
