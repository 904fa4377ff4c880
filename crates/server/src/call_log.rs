//! One line and one set of metrics for each call, written at its end, however it ends.

use std::time::Instant;

use connectors::{Audience, Error, Kind};
use daypass::{CallReport, IssuedToken};

/// What is known about a call in progress. Dropped without [`CallLog::end`], it reports that the caller left, or a defect of ours.
pub struct CallLog {
    request_id: String,
    merchant_id: Option<String>,
    /// The caller that was admitted.
    pub caller: Option<String>,
    /// What the engine learns on the way.
    pub report: CallReport,
    started: Instant,
    outcome: &'static str,
    fault: &'static str,
}

impl CallLog {
    /// Starts the clock.
    pub fn start(request_id: Option<&str>, merchant_id: Option<&str>) -> Self {
        Self {
            request_id: request_id.unwrap_or_default().into(),
            merchant_id: merchant_id.map(|id| id.chars().take(128).collect()),
            caller: None,
            report: CallReport::default(),
            started: Instant::now(),
            outcome: Kind::Cancelled.label(),
            fault: Kind::Cancelled.fault(),
        }
    }

    /// Notes how it went.
    pub fn end(&mut self, result: &Result<IssuedToken, Error>) {
        (self.outcome, self.fault) = match result {
            Ok(_) => ("SUCCESS", "none"),
            Err(error) => (error.kind.label(), error.kind.fault()),
        };
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.outcome, self.fault) = (Kind::Internal.label(), Kind::Internal.fault());
        }
        let duration = self.started.elapsed();
        let connector = self.report.connector.unwrap_or("none");
        let grant = self.report.grant.unwrap_or("none");
        let credentials: Vec<String> = self.report.credentials.iter().map(ToString::to_string).collect();
        let credentials = Some(credentials.join(",")).filter(|credentials| !credentials.is_empty());
        tracing::info!(
            target: "daypass::call",
            request_id = self.request_id,
            merchant_id = self.merchant_id,
            caller = self.caller,
            connector,
            grant,
            audience = self.report.audience.map(Audience::label),
            mode = self.report.mode,
            credentials,
            replayed = self.report.replayed,
            outcome = self.outcome,
            fault = self.fault,
            attempts = self.report.attempts,
            vendor_ms = u64::try_from(self.report.vendor_time.as_millis()).unwrap_or(u64::MAX),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "call"
        );
        metrics::counter!(
            "daypass_calls_total", "connector" => connector, "grant" => grant, "outcome" => self.outcome
        )
        .increment(1);
        metrics::histogram!("daypass_call_seconds", "connector" => connector).record(duration.as_secs_f64());
        if self.report.attempts > 0 {
            metrics::counter!("daypass_vendor_attempts_total", "connector" => connector)
                .increment(u64::from(self.report.attempts));
            metrics::histogram!("daypass_vendor_seconds", "connector" => connector)
                .record(self.report.vendor_time.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_call_without_an_end_was_cancelled_or_hit_a_defect() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            drop(CallLog::start(None, None));
            let defect = std::panic::catch_unwind(|| {
                let _log = CallLog::start(None, None);
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
