//! The access log: one line and one set of metrics for each call, written when the call ends. Uses
//! the call report of the engine. Used by `rpc`.

use std::time::{Duration, Instant};

use connectors::{Audience, Error, Kind};
use daypass::{CallReport, IssuedToken};

/// Most characters of a merchant id in the log.
const MAX_MERCHANT_ID_CHARS: usize = 128;

/// The log entry of a call in progress. Its drop writes the line. Without [`AccessLogEntry::end`]
/// the line says that the caller cancelled, or that a defect ended the call.
pub(crate) struct AccessLogEntry {
    request_id: String,
    merchant_id: Option<String>,
    /// The authenticated caller.
    pub caller: Option<String>,
    /// The engine's report on the call.
    pub report: CallReport,
    started: Instant,
    outcome: Outcome,
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
    pub(crate) fn start(request_id: Option<&str>, merchant_id: Option<&str>) -> Self {
        Self {
            request_id: request_id.unwrap_or_default().into(),
            merchant_id: merchant_id.map(|id| id.chars().take(MAX_MERCHANT_ID_CHARS).collect()),
            caller: None,
            report: CallReport::default(),
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
    }

    fn write_line(&self, duration: Duration) {
        let credentials: Vec<String> = self.report.credentials.iter().map(ToString::to_string).collect();
        let credentials = Some(credentials.join(",")).filter(|credentials| !credentials.is_empty());
        tracing::info!(
            target: "daypass::call",
            request_id = self.request_id,
            merchant_id = self.merchant_id,
            caller = self.caller,
            connector = self.report.connector.unwrap_or("none"),
            grant = self.report.grant.unwrap_or("none"),
            audience = self.report.audience.map(Audience::label),
            mode = self.report.mode,
            credentials,
            replayed = self.report.replayed,
            outcome = self.outcome.label(),
            fault = self.outcome.fault(),
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
        self.write_line(duration);
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
            drop(AccessLogEntry::start(None, None));
            let defect = std::panic::catch_unwind(|| {
                let _entry = AccessLogEntry::start(None, None);
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
