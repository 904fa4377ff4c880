//! The admin port: metrics, health and the removal of cached tokens over plain HTTP. Uses the
//! engine, the counter of `logs` and `metric_list`. Used by `server`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    routing::{get, post},
};
use daypass::{Engine, Transport};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use metrics_util::layers::FanoutBuilder;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    logs,
    metric_list::{Kind, METRICS, describe},
    origin,
    telemetry::MeterRecorder,
};

/// Time between two runs of upkeep. Without it, samples of histograms use memory until a scrape.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Metrics cannot be collected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetricsError {
    /// The exporter refuses a name or a bucket.
    #[error(transparent)]
    Exporter(#[from] BuildError),
    /// Metrics are collected already.
    #[error("metrics are collected already")]
    Started,
}

/// The metrics of the process.
pub(crate) struct Metrics {
    text: PrometheusHandle,
    /// Whether a collector gets them, without a scrape.
    is_pushed: bool,
}

/// Starts to collect metrics, once per process and before anything counts; also for a collector.
///
/// # Errors
/// Metrics are collected already.
pub(crate) fn collect_metrics(meters: Option<MeterRecorder>) -> Result<Metrics, MetricsError> {
    let is_pushed = meters.is_some();
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), buckets)?;
        }
    }
    let recorder = builder.build_recorder();
    let text = recorder.handle();
    match meters {
        None => metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Started)?,
        Some(meters) => {
            let both = FanoutBuilder::default().add_recorder(recorder).add_recorder(meters).build();
            metrics::set_global_recorder(both).map_err(|_| MetricsError::Started)?;
        }
    }
    describe();
    Ok(Metrics { text, is_pushed })
}

/// The metrics as text. Some are read at this moment: figures of the process, the counter of the
/// log, which starts before metrics are collected, and the state of the store.
fn render(metrics: &PrometheusHandle, engine: &Engine<Transport>) -> String {
    refresh(engine);
    metrics.render()
}

fn refresh(engine: &Engine<Transport>) {
    metrics::counter!("daypass_log_lines_lost_total").absolute(logs::lost());
    metrics::gauge!("daypass_store_up").set(if engine.is_store_up() { 1.0 } else { 0.0 });
    Collector::default().collect();
}

/// Serves `/metrics`, `/healthz` (the process runs), `/readyz` (the service takes calls; with
/// `?verbose` also the state of the store) and, to
/// loopback only, `POST /cache/forget/<fingerprint>,…` until the process ends.
pub(crate) async fn serve(
    socket: TcpListener,
    Metrics { text: metrics, is_pushed }: Metrics,
    ready: watch::Receiver<bool>,
    engine: Arc<Engine<Transport>>,
) {
    let refreshed = engine.clone();
    let upkeep = run_upkeep(metrics.clone(), UPKEEP_INTERVAL, move || {
        if is_pushed {
            refresh(&refreshed);
        }
    });
    let routes = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get({
                let engine = engine.clone();
                move |RawQuery(query): RawQuery| async move {
                    let (code, word) = match *ready.borrow() {
                        true => (StatusCode::OK, "ready"),
                        false => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                    };
                    match query.as_deref() {
                        // Calls are served without the store, so its state does not change the code.
                        Some("verbose") => (code, format!("{word}\nstore: {}\n", engine.store_state())),
                        _ => (code, format!("{word}\n")),
                    }
                }
            }),
        )
        .route("/cache/forget/{fingerprints}", post(forget).with_state(engine.clone()))
        .route(
            "/metrics",
            get(move || async move { ([("content-type", "text/plain; version=0.0.4")], render(&metrics, &engine)) }),
        );
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        Err(error) = axum::serve(socket, routes).into_future() => tracing::error!(%error, "the admin port stopped"),
        () = upkeep => {}
    }
}

async fn run_upkeep(metrics: PrometheusHandle, interval: Duration, refresh: impl Fn()) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
        refresh();
    }
}

async fn forget(
    State(engine): State<Arc<Engine<Transport>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Path(fingerprints): Path<String>,
) -> (StatusCode, String) {
    if let Err(why) = origin::check(&method, &uri, &headers, &[]) {
        return (StatusCode::FORBIDDEN, format!("{why}\n"));
    }
    if !is_loopback(peer) {
        return (StatusCode::FORBIDDEN, "only from this machine\n".into());
    }
    match fingerprints.split(',').map(str::parse).collect::<Result<Vec<_>, _>>() {
        Err(fault) => (StatusCode::BAD_REQUEST, format!("{fault}\n")),
        Ok(fingerprints) => match engine.forget(&fingerprints).await {
            Ok(count) => (StatusCode::OK, format!("{count} forgotten\n")),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        },
    }
}

/// An IPv6 socket that also takes IPv4 shows the IPv4 loopback as `::ffff:127.0.0.1` (RFC 4291
/// section 2.5.5.2).
fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_in_each_notation() {
        for (peer, loopback) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("[::ffff:10.0.0.1]:1", false)]
        {
            assert_eq!(is_loopback(peer.parse().unwrap()), loopback, "{peer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn upkeep_moves_samples_into_buckets_without_a_scrape() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        metrics::with_local_recorder(&recorder, || metrics::histogram!("canary_seconds").record(1.0));
        let counted = || format!("{metrics:?}").contains("distributions: RwLock { data: {\"canary_seconds\"");
        assert!(!counted());
        let upkeep = tokio::spawn(run_upkeep(metrics.clone(), Duration::from_millis(10), || {}));
        tokio::time::sleep(Duration::from_millis(200)).await;
        upkeep.abort();
        assert!(counted(), "{metrics:?}");
    }
}
