//! The access log: one line and one set of metrics for each call, written when the call ends. Uses
//! the call report of the engine. Used by `rpc`.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use connectors::{Audience, Error, Fault, Kind};
use daypass::{CallReport, IssuedToken};
use tracing::Span;

use crate::{
    audit::{AuditLog, Record},
    auth::AdmittedCaller,
    telemetry::spans,
};

/// Most characters of a merchant id in the log.
const MAX_MERCHANT_ID_CHARS: usize = 128;
/// Most fields at fault in one line.
const MAX_FIELDS: usize = 8;

/// The log entry of a call in progress. Its drop writes the line. Without [`AccessLogEntry::end`]
/// the line says that the caller cancelled, or that a defect ended the call.
pub(crate) struct AccessLogEntry {
    request_id: String,
    merchant_id: Option<String>,
    trace_id: Option<String>,
    /// The id of the call's span, where spans are made.
    span_id: Option<String>,
    /// The call's span.
    span: Span,
    /// The fields at fault, where the caller's request was refused.
    fields: Option<String>,
    /// Why the connector's answer is not there.
    cause: Option<Cow<'static, str>>,
    /// The authenticated caller.
    pub caller: Option<Arc<str>>,
    /// The engine's report on the call.
    pub report: CallReport,
    /// The audit log, where there is one.
    audit: Option<Audited>,
    started: Instant,
    outcome: Outcome,
}

/// The line of a call in the audit log.
struct Audited {
    log: Arc<AuditLog>,
    /// The keyed hash of the call's reference.
    reference: Option<String>,
}

/// Marks a request whose call has a log line of its own. The service refuses some before there is a
/// call: a message that is too long or cannot be decoded.
#[derive(Clone, Default)]
pub(crate) struct HasLine(Arc<AtomicBool>);

impl HasLine {
    /// Notes that the request of these extensions has its line.
    pub(crate) fn note(extensions: &http::Extensions) {
        if let Some(line) = extensions.get::<Self>() {
            line.set();
        }
    }

    /// Notes it.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was noted.
    pub(crate) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Success,
    Failure(Kind),
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure(kind) => kind.label(),
        }
    }

    const fn fault(self) -> &'static str {
        match self {
            Self::Success => "none",
            Self::Failure(kind) => kind.fault().label(),
        }
    }
}

impl AccessLogEntry {
    /// Starts an entry and its measurement of time.
    pub(crate) fn start(
        request_id: Option<&str>,
        merchant_id: Option<&str>,
        traceparent: Option<&str>,
        span: Span,
    ) -> Self {
        let (trace, span_id) = spans::ids(&span).unzip();
        Self {
            trace_id: trace.or_else(|| traceparent.and_then(spans::trace_id).map(ToOwned::to_owned)),
            span_id,
            span,
            fields: None,
            cause: None,
            request_id: request_id.unwrap_or_default().into(),
            merchant_id: merchant_id.map(|id| id.chars().take(MAX_MERCHANT_ID_CHARS).collect()),
            caller: None,
            report: CallReport::default(),
            audit: None,
            started: Instant::now(),
            outcome: Outcome::Failure(Kind::Cancelled),
        }
    }

    /// Sets the outcome of the call.
    pub(crate) fn end(&mut self, result: &Result<IssuedToken, Error>) {
        self.outcome = match result {
            Ok(_) => Outcome::Success,
            Err(error) => Outcome::Failure(error.kind),
        };
        // These messages are our own words. Those of other kinds may be about the caller's values.
        let cause = result.as_ref().err().filter(|error| error.kind.fault() == Fault::Network);
        self.cause = cause.map(|error| error.message.clone());
        let faults = result.as_ref().err().map(|error| error.fields.as_slice()).unwrap_or_default();
        let fields: Vec<&str> = faults.iter().take(MAX_FIELDS).map(|fault| fault.field.as_str()).collect();
        self.fields = Some(fields.join(",")).filter(|fields| !fields.is_empty());
    }

    /// Has a known caller's call in the audit log that is refused before its message is read. Nothing waits
    /// for the line: there is no token.
    pub(crate) fn audit_refusal(&mut self, log: Option<&Arc<AuditLog>>, AdmittedCaller(caller): AdmittedCaller) {
        self.caller = caller;
        self.audit = log.map(|log| Audited { log: log.clone(), reference: None });
    }

    /// Has the call in the audit log. `reference` is the caller's.
    ///
    /// # Errors
    /// The log cannot be written, and calls without a line in it are refused.
    pub(crate) async fn begin_audit(&mut self, log: &Arc<AuditLog>, reference: &str) -> Result<(), Error> {
        let reference = (!reference.is_empty()).then(|| log.reference(reference));
        self.audit = Some(Audited { log: log.clone(), reference });
        log.admit().await
    }

    /// Ends the entry as [`AccessLogEntry::end`] does, and waits for the line in the audit log. A token
    /// without a line is not handed out.
    pub(crate) async fn end_audited(&mut self, result: Result<IssuedToken, Error>) -> Result<IssuedToken, Error> {
        self.end(&result);
        let Some(Audited { log, reference }) = self.audit.take() else { return result };
        let credentials = self.credentials();
        let recorded = log.record(&self.record(reference.as_deref(), credentials.as_deref())).await;
        match recorded {
            Ok(()) => result,
            Err(error) => {
                let refused = Err(error);
                self.end(&refused);
                refused
            }
        }
    }

    fn record<'a>(&'a self, reference: Option<&'a str>, credentials: Option<&'a str>) -> Record<'a> {
        Record {
            request_id: &self.request_id,
            caller: self.caller.as_deref(),
            profile: self.report.profile.as_deref(),
            connector: self.report.connector,
            grant: self.report.grant,
            audience: self.report.audience.map(Audience::label),
            mode: self.report.mode,
            reference,
            credentials,
            replayed: self.report.replayed,
            outcome: self.outcome.label(),
        }
    }

    fn credentials(&self) -> Option<String> {
        let (first, further) = self.report.credentials.split_first()?;
        let text = further.iter().fold(first.to_string(), |text, credentials| text + "," + &credentials.to_string());
        Some(text)
    }

    fn write_line(&self, duration: Duration) {
        let credentials = self.credentials();
        tracing::info!(
            target: "daypass::call",
            request_id = self.request_id,
            merchant_id = self.merchant_id,
            trace_id = self.trace_id,
            span_id = self.span_id,
            caller = self.caller.as_deref(),
            profile = self.report.profile,
            connector = self.report.connector.unwrap_or("none"),
            grant = self.report.grant.unwrap_or("none"),
            audience = self.report.audience.map(Audience::label),
            mode = self.report.mode,
            credentials,
            replayed = self.report.replayed,
            outcome = self.outcome.label(),
            fault = self.outcome.fault(),
            fields = self.fields,
            cause = self.cause.as_deref(),
            attempts = self.report.attempts,
            vendor_ms = u64::try_from(self.report.connector_time.as_millis()).unwrap_or(u64::MAX),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "call"
        );
    }

    fn record_metrics(&self, duration: Duration) {
        let connector = self.report.connector.unwrap_or("none");
        let (grant, outcome) = (self.report.grant.unwrap_or("none"), self.outcome.label());
        let calls = metrics::counter!(
            "daypass_calls_total", "connector" => connector, "grant" => grant, "outcome" => outcome
        );
        calls.increment(1);
        metrics::histogram!("daypass_call_seconds", "connector" => connector).record(duration.as_secs_f64());
        if self.report.attempts > 0 {
            metrics::counter!("daypass_vendor_attempts_total", "connector" => connector)
                .increment(u64::from(self.report.attempts));
            metrics::histogram!("daypass_vendor_seconds", "connector" => connector)
                .record(self.report.connector_time.as_secs_f64());
        }
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.outcome = Outcome::Failure(Kind::Internal);
        }
        let duration = self.started.elapsed();
        // The call was cancelled, or a defect ended it.
        if let Some(Audited { log, reference }) = self.audit.take() {
            log.note(&self.record(reference.as_deref(), self.credentials().as_deref()));
        }
        self.span
            .record("daypass.connector", self.report.connector)
            .record("daypass.grant", self.report.grant)
            .record("daypass.replayed", self.report.replayed)
            .record("daypass.outcome", self.outcome.label());
        // The line that a collector gets has the ids of its span.
        let span = self.span.clone();
        span.in_scope(|| self.write_line(duration));
        self.record_metrics(duration);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn an_entry_without_an_end_is_cancelled_and_a_panic_is_internal() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            drop(AccessLogEntry::start(None, None, None, Span::none()));
            let defect = std::panic::catch_unwind(|| {
                let _entry = AccessLogEntry::start(None, None, None, Span::none());
                panic!("on purpose");
            });
            assert!(defect.is_err());
        });
        let metrics = recorder.handle().render();
        for outcome in ["CANCELLED", "INTERNAL"] {
            assert!(metrics.contains(&format!("outcome=\"{outcome}\"}} 1")), "{metrics}");
        }
    }
}
