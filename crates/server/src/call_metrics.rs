//! The metrics of calls. A metric is looked up once for each set of labels: the lookup takes longer than
//! the count. Used by `access_log`.

use std::{
    collections::BTreeMap,
    sync::{OnceLock, PoisonError, RwLock},
    time::Duration,
};

use metrics::{Counter, Histogram};

/// The metrics that were looked up, by their labels.
#[derive(Default)]
pub(crate) struct CallMetrics(RwLock<BTreeMap<CallLabels, Handles>>);

/// The labels of a call's metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallLabels {
    /// The connector, or `none`.
    pub connector: &'static str,
    /// The grant, or `none`.
    pub grant: &'static str,
    /// `SUCCESS`, or the kind of the error.
    pub outcome: &'static str,
}

struct Handles {
    calls: Counter,
    seconds: Histogram,
    /// Where a connector was called.
    attempts: OnceLock<Attempts>,
}

struct Attempts {
    count: Counter,
    seconds: Histogram,
}

impl CallMetrics {
    /// Records a call that took so long, with so many calls to the connector that took so long together.
    pub(crate) fn record(&self, labels: CallLabels, duration: Duration, attempts: u32, connector_time: Duration) {
        let record = |handles: &Handles| handles.record(labels.connector, duration, attempts, connector_time);
        if let Some(handles) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return record(handles);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        record(all.entry(labels).or_insert_with(|| Handles::of(labels)));
    }
}

impl Handles {
    fn of(CallLabels { connector, grant, outcome }: CallLabels) -> Self {
        Self {
            calls: metrics::counter!(
                "daypass_calls_total", "connector" => connector, "grant" => grant, "outcome" => outcome
            ),
            seconds: metrics::histogram!("daypass_call_seconds", "connector" => connector),
            attempts: OnceLock::new(),
        }
    }

    fn record(&self, connector: &'static str, duration: Duration, attempts: u32, connector_time: Duration) {
        self.calls.increment(1);
        self.seconds.record(duration.as_secs_f64());
        if attempts > 0 {
            let of_connector = self.attempts.get_or_init(|| Attempts {
                count: metrics::counter!("daypass_vendor_attempts_total", "connector" => connector),
                seconds: metrics::histogram!("daypass_vendor_seconds", "connector" => connector),
            });
            of_connector.count.increment(attempts.into());
            of_connector.seconds.record(connector_time.as_secs_f64());
        }
    }
}
