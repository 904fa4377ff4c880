//! OpenTelemetry: traces, metrics and logs over OTLP to the operator's collector. Off unless an
//! endpoint is configured. Nothing here delays a call: queues are bounded, and threads of the SDK
//! send what is in them. Uses `config`, `logs` and the engine's transport. Used by `rpc`,
//! `access_log`, `engine`, `admin` and the command `serve`.

mod export;
mod meters;
pub(crate) mod spans;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::{
    Resource,
    logs::SdkLoggerProvider,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracerProvider},
};
use tracing_subscriber::{Layer, filter::filter_fn};

use crate::{
    config::{Config, ConfigError},
    logs::FurtherLayers,
};
pub(crate) use meters::MeterRecorder;

/// Longest time for the last spans, metrics and logs to leave at the end of the process.
const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

/// What sends. Its drop does not flush; see [`Telemetry::end`].
pub(crate) struct Telemetry {
    traces: SdkTracerProvider,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Starts what the configuration asks for. Spans are also made where nothing is sent but the trace
    /// context goes on to connectors. `None`: neither is asked for.
    ///
    /// # Errors
    /// The endpoint or its headers cannot be used.
    pub(crate) fn start(config: &Config) -> Result<Option<Self>, ConfigError> {
        let exporter = export::Exporter::of(&config.telemetry)?;
        if exporter.is_none() && !config.egress.send_trace_context {
            return Ok(None);
        }
        // The standard variables count too: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        let mut resource = Resource::builder();
        if let Some(name) = &config.telemetry.service_name {
            resource = resource.with_service_name(name.clone());
        } else if !environment_names_service() {
            resource = resource.with_service_name("daypass");
        }
        let resource =
            resource.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let sampled = Sampler::TraceIdRatioBased(config.telemetry.trace_sample_ratio);
        let mut traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::ParentBased(Box::new(sampled)));
        let (mut metrics, mut logs) = (None, None);
        if let Some(exporter) = exporter {
            traces = traces.with_batch_exporter(exporter.spans()?);
            let interval = Duration::from_millis(config.telemetry.metrics_interval_ms);
            let reader = PeriodicReader::builder(exporter.metrics()?).with_interval(interval).build();
            metrics = Some(SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader).build());
            logs = Some(
                SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter.logs()?).build(),
            );
        }
        let telemetry = Self { traces: traces.build(), metrics, logs };
        spans::start();
        Ok(Some(telemetry))
    }

    /// The layers that make spans of the parts of calls, and send log lines.
    pub(crate) fn layers(&self) -> FurtherLayers {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer("daypass"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|part| part.is_span() && part.target() == daypass::SPANS))
            .boxed();
        let lines = self.logs.as_ref().map(|logs| OpenTelemetryTracingBridge::new(logs).boxed());
        FurtherLayers { spans: Some(spans), lines, calls: None }
    }

    /// Takes the metrics that the process records.
    pub(crate) fn recorder(&self) -> Option<MeterRecorder> {
        self.metrics.as_ref().map(MeterRecorder::new)
    }

    /// Sends what is left, for a bounded time.
    pub(crate) async fn end(self) {
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        // A thread that the runtime does not wait for.
        std::thread::spawn(move || {
            let _ = self.traces.shutdown_with_timeout(SHUTDOWN_TIME);
            let _ = self.logs.map(|logs| logs.shutdown_with_timeout(SHUTDOWN_TIME));
            let _ = self.metrics.map(|metrics| metrics.shutdown_with_timeout(SHUTDOWN_TIME));
            drop(done);
        });
        let _ = tokio::time::timeout(SHUTDOWN_TIME, is_done).await;
    }
}

/// Whether `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` has the name of this service.
fn environment_names_service() -> bool {
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let in_attributes = attributes.split(',').any(|pair| pair.trim().starts_with("service.name="));
    in_attributes || std::env::var_os("OTEL_SERVICE_NAME").is_some()
}
