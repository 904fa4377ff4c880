//! The admin port: metrics and health over plain HTTP.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Path, State},
    http::StatusCode,
    routing::{get, post},
};
use daypass::{Engine, Transport};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::watch};

/// Bounds of the histograms, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Starts to collect metrics. Once per process.
///
/// # Errors
/// Where they are collected already.
pub fn collect_metrics() -> Result<PrometheusHandle, String> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| error.to_string())
}

/// Serves `/metrics`, `/healthz` (alive), `/readyz` (taking calls) and, to loopback only, `POST /cache/forget/<fingerprint>,…`
/// until the process ends.
pub async fn serve(
    socket: TcpListener,
    metrics: PrometheusHandle,
    ready: watch::Receiver<bool>,
    engine: Arc<Engine<Transport>>,
) {
    let metrics = Arc::new(metrics);
    let routes = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get(move || async move {
                if *ready.borrow() {
                    (StatusCode::OK, "ready\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
                }
            }),
        )
        .route("/cache/forget/{fingerprints}", post(forget).with_state(engine))
        .route(
            "/metrics",
            get(move || async move {
                metrics.run_upkeep();
                ([("content-type", "text/plain; version=0.0.4")], metrics.render())
            }),
        );
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(socket, routes).await {
        tracing::error!(%error, "the admin port stopped");
    }
}

async fn forget(
    State(engine): State<Arc<Engine<Transport>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(fingerprints): Path<String>,
) -> (StatusCode, String) {
    if !peer.ip().is_loopback() {
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
