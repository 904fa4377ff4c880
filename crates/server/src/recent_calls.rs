//! The log lines of the last calls, in the form of the JSON log. A layer of the log keeps them where
//! the playground is served, which shows them. Uses `json_lines`. Used by `logs` and `playground`.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Mutex,
};

use serde_json::Value;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, registry::LookupSpan};

use crate::json_lines::JsonLines;

/// The target of the line of a call (`access_log`).
const CALL: &str = "daypass::call";
/// How many lines are kept: a person looks at the last ones.
const MAX_LINES: usize = 64;

/// The lines of the process, the oldest first.
static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// The layer that keeps them.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(|| Keep).event_format(JsonLines);
    lines.with_filter(Targets::new().with_target(CALL, LevelFilter::INFO))
}

/// The line of the call with this id. `None` where it is not kept: it is too old, or no layer keeps
/// lines here.
pub(crate) fn line_of(request_id: &str) -> Option<String> {
    let lines = LINES.lock().ok()?;
    let is_its = |line: &&String| {
        let line: Option<Value> = serde_json::from_str(line).ok();
        line.is_some_and(|line| line.get("request_id").and_then(Value::as_str) == Some(request_id))
    };
    lines.iter().rev().find(is_its).cloned()
}

/// Keeps what is written to it: the log writes each line at once.
struct Keep;

impl Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().map_err(|_| io::ErrorKind::Other)?;
        if lines.len() >= MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(bytes).trim_end().to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_line_of_a_call_is_kept_for_a_while() {
        let call = |id: usize| tracing::info!(target: CALL, request_id = id.to_string(), outcome = "SUCCESS", "call");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer()), || {
            call(0);
            tracing::info!(request_id = "other", "no call");
            let line = line_of("0").unwrap_or_default();
            assert!(line.starts_with('{') && line.contains("\"outcome\":\"SUCCESS\""), "{line}");
            assert_eq!(line_of("other"), None);
            (1..=MAX_LINES).for_each(call);
        });
        assert_eq!(line_of("0"), None);
        assert!(line_of("1").is_some() && line_of(&MAX_LINES.to_string()).is_some());
    }
}
