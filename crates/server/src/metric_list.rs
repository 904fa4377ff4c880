//! The list of all metrics, and the page that is made from it. Used by `admin`, which describes them
//! and takes the buckets from here, by `connector_docs`, and by the tests.

use std::fmt::Write as _;

use connectors::Kind as Outcome;
use metrics::Unit;

/// One metric.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Unit,
    /// The meaning of a value, in one sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
}

/// The kind of a metric.
#[derive(Clone, Copy)]
pub enum Kind {
    /// It grows, and begins again at 0 with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Samples in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// A label, and the values that it can have.
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values, in words. Each set of values is closed: no caller can add one.
    pub values: &'static str,
}

/// Buckets for calls and exchanges, in seconds: from a cached token to the longest deadline.
const CALL_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0];

/// Buckets for operations of the store, in seconds. The default time limit of an operation is 15 ms,
/// so most buckets are below that.
const STORE_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

const CONNECTOR: Label = Label { name: "connector", values: "the connector's id" };
const CONNECTOR_OR_NONE: Label =
    Label { name: "connector", values: "the connector's id, or `none` before the request is understood" };
const GRANT: Label = Label { name: "grant", values: "the grant's name, or `none` before one is chosen" };
const OUTCOME: Label = Label { name: "outcome", values: "`SUCCESS`, or the kind of the error (below)" };

/// All metrics.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "daypass_build_info",
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Always 1; the labels name the build.",
        labels: &[
            Label { name: "version", values: "the version" },
            Label { name: "revision", values: "the commit, where the build was given `DAYPASS_REVISION`, else empty" },
        ],
    },
    Metric {
        name: "daypass_calls_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Calls that ended, by connector, grant and outcome.",
        labels: &[CONNECTOR_OR_NONE, GRANT, OUTCOME],
    },
    Metric {
        name: "daypass_call_seconds",
        kind: Kind::Histogram(CALL_SECONDS),
        unit: Unit::Seconds,
        help: "Time from a call's headers to its response.",
        labels: &[CONNECTOR_OR_NONE],
    },
    Metric {
        name: "daypass_vendor_attempts_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Attempts at HTTP calls to the connector.",
        labels: &[CONNECTOR],
    },
    Metric {
        name: "daypass_vendor_seconds",
        kind: Kind::Histogram(CALL_SECONDS),
        unit: Unit::Seconds,
        help: "Time that the connector took for one call of ours, all attempts together.",
        labels: &[CONNECTOR],
    },
    Metric {
        name: "daypass_breakers_open",
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Hosts of the connector that get no calls, or one probe, because they have been failing.",
        labels: &[CONNECTOR],
    },
    Metric {
        name: "daypass_kept_tokens_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events of the token cache.",
        labels: &[Label {
            name: "event",
            values: "`hit`, `replay`, `miss`, `coalesced`, `refresh`, `rejection_remembered`, `sealed_value_refused`, \
                     `store_error`",
        }],
    },
    Metric {
        name: "daypass_audit_sequence",
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "The number of the last line in the audit log.",
        labels: &[],
    },
    Metric {
        name: "daypass_audit_lines_lost_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Lines that could not be written to the audit log.",
        labels: &[],
    },
    Metric {
        name: "daypass_displaced_connections_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Connections without an admitted call that were ended for new ones, as all places were taken.",
        labels: &[],
    },
    Metric {
        name: "daypass_failed_handshakes_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "TLS handshakes that failed: a client certificate of another authority, or none of our protocols.",
        labels: &[],
    },
    Metric {
        name: "daypass_key_set_fetches_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Attempts to fetch the key set of an identity provider.",
        labels: &[Label { name: "outcome", values: "`fetched`, or `failed`: the keys known so far stay" }],
    },
    Metric {
        name: "daypass_insecure_setting",
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "1 for each setting that is on and takes a protection away.",
        labels: &[Label { name: "setting", values: "the setting" }],
    },
    Metric {
        name: "daypass_store_up",
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "1 while the store answers; 0 while tokens are made without the shared store.",
        labels: &[],
    },
    Metric {
        name: "daypass_store_operation_seconds",
        kind: Kind::Histogram(STORE_SECONDS),
        unit: Unit::Seconds,
        help: "Time of one operation of the shared store, with the wait for its turn.",
        labels: &[],
    },
    Metric {
        name: "daypass_store_refusals_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Answers of the shared store that refuse an operation.",
        labels: &[Label { name: "code", values: "the store's own code (`READONLY`, `NOPERM`, …), or `other`" }],
    },
    Metric {
        name: "daypass_log_lines_lost_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Log lines that could not be written.",
        labels: &[],
    },
    Metric {
        name: "daypass_reloads_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Times that the configuration was read again.",
        labels: &[Label { name: "outcome", values: "`taken`, or `refused` where the new configuration has a fault" }],
    },
    Metric {
        name: "daypass_certificate_expires_at_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "End of the served certificate, seconds since 1970.",
        labels: &[],
    },
    process("process_cpu_seconds_total", Kind::Counter, Unit::Seconds, "CPU time of the process, user and system."),
    process("process_open_fds", Kind::Gauge, Unit::Count, "Open file descriptors."),
    process("process_max_fds", Kind::Gauge, Unit::Count, "Most file descriptors that the process may open."),
    process("process_virtual_memory_bytes", Kind::Gauge, Unit::Bytes, "Virtual memory."),
    process("process_virtual_memory_max_bytes", Kind::Gauge, Unit::Bytes, "Most virtual memory that is allowed."),
    process("process_resident_memory_bytes", Kind::Gauge, Unit::Bytes, "Resident memory."),
    process("process_start_time_seconds", Kind::Gauge, Unit::Seconds, "Start of the process, seconds since 1970."),
    process("process_threads", Kind::Gauge, Unit::Count, "Threads of the process."),
];

/// A figure of the process, under the names that Prometheus' own client libraries use.
const fn process(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind, unit, help, labels: &[] }
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Gives the recorder of the process help and unit of every metric, and sets the build's.
pub(crate) fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
    let (version, revision) = (env!("CARGO_PKG_VERSION"), option_env!("DAYPASS_REVISION").unwrap_or_default());
    metrics::gauge!("daypass_build_info", "version" => version, "revision" => revision).set(1.0);
}

/// The page `docs/reference/metrics.md`.
pub(crate) fn page() -> String {
    let mut text = String::from(
        "# Metrics\n\nGenerated by `daypass connectors --pages docs`; a test holds it equal to the list in the \
         code.\n\n`GET /metrics` on the admin port gives them in Prometheus' text format. No label holds a value that a caller \
         chooses, so the number of series has a bound. A series appears with its first event.\n\n\
         | metric | kind | unit | meaning | labels |\n|---|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<String> =
            metric.labels.iter().map(|label| format!("`{}`: {}", label.name, label.values)).collect();
        let unit = if metric.unit == Unit::Count { "" } else { metric.unit.as_str() };
        let _ = writeln!(
            text,
            "| `{}` | {} | {unit} | {} | {} |",
            metric.name,
            metric.kind.label(),
            metric.help,
            labels.join("; ")
        );
    }
    text.push_str("\n## Buckets\n\nUpper bounds in seconds.\n\n| metric | buckets |\n|---|---|\n");
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            let buckets: Vec<String> = buckets.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "| `{}` | {} |", metric.name, buckets.join(", "));
        }
    }
    text.push_str("\n## Kinds of errors\n\nThe values of `outcome` besides `SUCCESS`, and the party at fault.\n\n");
    text.push_str("| outcome | fault |\n|---|---|\n");
    for kind in Outcome::ALL {
        let _ = writeln!(text, "| `{}` | {} |", kind.label(), kind.fault().label());
    }
    text
}
