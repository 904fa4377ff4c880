//! The access log: one line and one set of metrics for each call, written when the call ends. Uses
//! the call report of the engine. Used by `rpc` and by `listen`.

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
    call_metrics::{CallLabels, CallMetrics},
    telemetry::spans,
};

/// Most characters of a merchant id in the log.
const MAX_MERCHANT_ID_CHARS: usize = 128;
/// Most fields at fault in one line.
const MAX_FIELDS: usize = 8;

/// The places where calls are recorded.
#[derive(Default)]
pub(crate) struct AccessLog {
    /// The audit log, where there is one.
    pub audit: Option<Arc<AuditLog>>,
    metrics: CallMetrics,
}

impl AccessLog {
    /// A log of calls that also go into this audit log.
    pub(crate) fn new(audit: Option<Arc<AuditLog>>) -> Arc<Self> {
        Arc::new(Self { audit, metrics: CallMetrics::default() })
    }
}

/// The log entry of a call in progress. Its drop writes the line. Without [`AccessLogEntry::end`]
/// the line says that the caller cancelled, or that a defect ended the call.
pub(crate) struct AccessLogEntry {
    log: Arc<AccessLog>,
    arrival: Arc<Arrival>,
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
    /// The line in the audit log, where the call has one.
    audited: Option<Audited>,
    started: Instant,
    outcome: Outcome,
}

/// The line of a call in the audit log.
struct Audited {
    audit: Arc<AuditLog>,
    /// The keyed hash of the call's reference.
    reference: Option<String>,
}

/// What the listener knows of a request before it is read. In the request's extensions.
#[derive(Default)]
pub(crate) struct Arrival {
    /// The request's id.
    pub id: String,
    /// The caller, where it was admitted.
    pub caller: Option<AdmittedCaller>,
    /// Whether the call has its log line. The service refuses some requests before there is a call: a message
    /// that is too long or cannot be decoded.
    has_line: AtomicBool,
}

impl Arrival {
    /// An arrival without a log line.
    pub(crate) fn new(id: String, caller: Option<AdmittedCaller>) -> Arc<Self> {
        Arc::new(Self { id, caller, has_line: AtomicBool::new(false) })
    }

    /// The arrival of the request with these extensions.
    pub(crate) fn of(extensions: &http::Extensions) -> Arc<Self> {
        extensions.get::<Arc<Self>>().cloned().unwrap_or_default()
    }

    /// Whether the call has its log line.
    pub(crate) fn has_line(&self) -> bool {
        self.has_line.load(Ordering::Relaxed)
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
        log: &Arc<AccessLog>,
        arrival: Arc<Arrival>,
        merchant_id: Option<&str>,
        traceparent: Option<&str>,
        span: Span,
    ) -> Self {
        let (trace, span_id) = spans::ids(&span).unzip();
        arrival.has_line.store(true, Ordering::Relaxed);
        Self {
            trace_id: trace.or_else(|| traceparent.and_then(spans::trace_id).map(ToOwned::to_owned)),
            span_id,
            span,
            fields: None,
            cause: None,
            log: log.clone(),
            arrival,
            merchant_id: merchant_id.map(|id| id.chars().take(MAX_MERCHANT_ID_CHARS).collect()),
            caller: None,
            report: CallReport::default(),
            audited: None,
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
    pub(crate) fn audit_refusal(&mut self) {
        if let Some(AdmittedCaller(caller)) = &self.arrival.caller {
            self.caller.clone_from(caller);
            self.audited = self.log.audit.clone().map(|audit| Audited { audit, reference: None });
        }
    }

    /// Has the call in the audit log, where there is one. `reference` is the caller's.
    ///
    /// # Errors
    /// The log cannot be written, and calls without a line in it are refused.
    pub(crate) async fn begin_audit(&mut self, reference: &str) -> Result<(), Error> {
        let Some(audit) = self.log.audit.clone() else { return Ok(()) };
        let reference = (!reference.is_empty()).then(|| audit.reference(reference));
        self.audited = Some(Audited { audit: audit.clone(), reference });
        audit.admit().await
    }

    /// Ends the entry as [`AccessLogEntry::end`] does, and waits for the line in the audit log. A token
    /// without a line is not handed out.
    pub(crate) async fn end_audited(&mut self, result: Result<IssuedToken, Error>) -> Result<IssuedToken, Error> {
        self.end(&result);
        let Some(Audited { audit, reference }) = self.audited.take() else { return result };
        let credentials = self.credentials();
        let recorded = audit.record(&self.record(reference.as_deref(), credentials.as_deref())).await;
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
            request_id: &self.arrival.id,
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
            request_id = self.arrival.id,
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
        let labels = CallLabels {
            connector: self.report.connector.unwrap_or("none"),
            grant: self.report.grant.unwrap_or("none"),
            outcome: self.outcome.label(),
        };
        self.log.metrics.record(labels, duration, self.report.attempts, self.report.connector_time);
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.outcome = Outcome::Failure(Kind::Internal);
        }
        let duration = self.started.elapsed();
        // The call was cancelled, or a defect ended it.
        if let Some(Audited { audit, reference }) = self.audited.take() {
            audit.note(&self.record(reference.as_deref(), self.credentials().as_deref()));
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
            let log = Arc::default();
            drop(AccessLogEntry::start(&log, Arc::default(), None, None, Span::none()));
            let defect = std::panic::catch_unwind(|| {
                let _entry = AccessLogEntry::start(&log, Arc::default(), None, None, Span::none());
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
