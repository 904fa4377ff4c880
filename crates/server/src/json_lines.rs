//! The form of a log line: one JSON object, with the members of its event in their order. The formatter
//! of `tracing-subscriber` has the same form, and takes four times as long: it goes through a map of
//! spans, and this log shows none. Used by `logs` and `recent_calls`.

use std::fmt::{self, Debug};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// The usual length of a line, in bytes.
const USUAL_BYTES: usize = 768;

/// The form of a line's moment: RFC 3339, in microseconds.
static TIMESTAMP: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Writes events as JSON, one a line.
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::with_capacity(USUAL_BYTES);
        line.push_str("{\"timestamp\":\"");
        TIMESTAMP.print_timestamp(&Timestamp::now(), &mut line).map_err(|_| fmt::Error)?;
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        let mut members = Members(line.into_bytes());
        event.record(&mut members);
        let line = String::from_utf8(members.0).map_err(|_| fmt::Error)?;
        writer.write_str(&line)?;
        writer.write_str("}\n")
    }
}

/// The line so far.
struct Members(Vec<u8>);

impl Members {
    /// Adds a member.
    fn add(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        // Names of fields are words of this code: nothing in them needs an escape.
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
        let start = self.0.len();
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(start);
            self.0.extend_from_slice(b"null");
        }
    }
}

impl Visit for Members {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").as_str());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_json_with_the_members_in_their_order() {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).event_format(JsonLines).finish();
        tracing::subscriber::with_default(subscriber, || {
            let absent: Option<&str> = None;
            tracing::warn!(
                text = "a \"quoted\"\nline\u{1}",
                absent,
                number = 7_u64,
                below = -7_i64,
                ratio = 0.5,
                not_a_number = f64::NAN,
                yes = true,
                debugged = ?["ä"],
                "message with {}",
                "\\ and ]"
            );
            tracing::info!("second");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let mut line: Value = serde_json::from_str(lines[0]).unwrap();
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        let timestamp = timestamp.as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.len() == "2026-01-01T00:00:00.000000Z".len(), "{timestamp}");
        let want = json!({
            "level": "WARN", "message": "message with \\ and ]", "text": "a \"quoted\"\nline\u{1}", "number": 7,
            "below": -7, "ratio": 0.5, "not_a_number": null, "yes": true, "debugged": "[\"ä\"]",
        });
        assert_eq!(line, want);
        assert!(lines[0].starts_with("{\"timestamp\":\"") && lines[0].contains("\",\"level\":\"WARN\",\"message\":"));
        assert!(lines[1].ends_with(",\"level\":\"INFO\",\"message\":\"second\"}"), "{}", lines[1]);
    }
}
