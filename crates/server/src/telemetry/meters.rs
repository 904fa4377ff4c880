//! The metrics of the process as instruments of OpenTelemetry, beside those of Prometheus. Used by
//! `admin`, which installs both.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::metric_list::{self, METRICS};

/// The histogram of calls under its name of the semantic conventions for RPC.
const CALL_SECONDS: (&str, &str) = ("daypass_call_seconds", "rpc.server.call.duration");

/// Records into instruments of OpenTelemetry. Each metric is registered anew wherever the code names
/// it, and has one state.
pub(crate) struct MeterRecorder {
    meter: Meter,
    counters: Mutex<HashMap<Key, Arc<Count>>>,
    gauges: Mutex<HashMap<Key, Arc<Level>>>,
    histograms: Mutex<HashMap<Key, Arc<Distribution>>>,
}

impl MeterRecorder {
    pub(super) fn new(provider: &SdkMeterProvider) -> Self {
        Self::of(provider.meter("daypass"))
    }

    fn of(meter: Meter) -> Self {
        Self { meter, counters: Mutex::default(), gauges: Mutex::default(), histograms: Mutex::default() }
    }
}

/// The one state of a metric.
fn one_of<T>(known: &Mutex<HashMap<Key, Arc<T>>>, key: &Key, make: impl FnOnce() -> T) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(key.clone()).or_insert_with(|| Arc::new(make())).clone()
}

/// The labels of a metric.
fn attributes(key: &Key) -> Vec<KeyValue> {
    key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned())).collect()
}

/// Name, help and bounds from the list of metrics.
fn described(key: &Key) -> (String, &'static str, Option<&'static [f64]>) {
    let known = METRICS.iter().find(|metric| metric.name == key.name());
    let buckets = known.and_then(|metric| match metric.kind {
        metric_list::Kind::Histogram(buckets) => Some(buckets),
        _ => None,
    });
    let name = if key.name() == CALL_SECONDS.0 { CALL_SECONDS.1 } else { key.name() };
    (name.to_owned(), known.map_or("", |metric| metric.help), buckets)
}

struct Count(opentelemetry::metrics::Counter<u64>, Vec<KeyValue>, AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.2.fetch_add(value, Ordering::Relaxed);
        self.0.add(value, &self.1);
    }

    fn absolute(&self, value: u64) {
        let before = self.2.fetch_max(value, Ordering::Relaxed);
        self.0.add(value.saturating_sub(before), &self.1);
    }
}

struct Level(opentelemetry::metrics::Gauge<f64>, Vec<KeyValue>, Mutex<f64>);

impl Level {
    fn change(&self, to: impl FnOnce(f64) -> f64) {
        let mut level = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        *level = to(*level);
        self.0.record(*level, &self.1);
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.change(|level| level + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|level| level - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

struct Distribution(opentelemetry::metrics::Histogram<f64>, Vec<KeyValue>);

impl HistogramFn for Distribution {
    fn record(&self, value: f64) {
        self.0.record(value, &self.1);
    }
}

impl Recorder for MeterRecorder {
    // The list of metrics has the descriptions.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(one_of(&self.counters, key, || {
            let (name, help, _) = described(key);
            let counter = self.meter.u64_counter(name).with_description(help).build();
            Count(counter, attributes(key), AtomicU64::new(0))
        }))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(one_of(&self.gauges, key, || {
            let (name, help, _) = described(key);
            let gauge = self.meter.f64_gauge(name).with_description(help).build();
            Level(gauge, attributes(key), Mutex::new(0.0))
        }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(one_of(&self.histograms, key, || {
            let (name, help, buckets) = described(key);
            let histogram = self.meter.f64_histogram(name).with_description(help).with_unit("s");
            let histogram = match buckets {
                Some(buckets) => histogram.with_boundaries(buckets.to_vec()),
                None => histogram,
            };
            Distribution(histogram.build(), attributes(key))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code names a metric in several places, and each of them registers it.
    #[test]
    fn a_metric_that_is_registered_again_goes_on() {
        let recorder = MeterRecorder::new(&SdkMeterProvider::default());
        metrics::with_local_recorder(&recorder, || {
            for (change, seconds) in [(1.0, 4), (1.0, 7), (-1.0, 7), (-1.0, 9)] {
                metrics::gauge!("daypass_breakers_open").increment(change);
                metrics::counter!("process_cpu_seconds_total").absolute(seconds);
            }
            metrics::gauge!("daypass_breakers_open").increment(1.0);
        });
        let level = *recorder.gauges.lock().unwrap()[&Key::from_name("daypass_breakers_open")].2.lock().unwrap();
        assert!((level - 1.0).abs() < f64::EPSILON, "{level}");
        let count = &recorder.counters.lock().unwrap()[&Key::from_name("process_cpu_seconds_total")];
        assert_eq!(count.2.load(Ordering::Relaxed), 9);
    }
}
