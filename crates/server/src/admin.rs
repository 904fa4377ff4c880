//! The admin port: metrics and health over plain HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Path, State},
    http::StatusCode,
    routing::{get, post},
};
use daypass::{Engine, Transport};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::watch};

use crate::logs;

/// Bounds of the histograms, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often what was measured is counted, so that it does not pile up where nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

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
    let upkeep = keep_up(metrics.clone(), UPKEEP);
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
                // The log counts by itself: it starts before metrics are collected.
                metrics::counter!("daypass_log_lines_lost_total").absolute(logs::lost());
                ([("content-type", "text/plain; version=0.0.4")], metrics.render())
            }),
        );
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        Err(error) = axum::serve(socket, routes).into_future() => tracing::error!(%error, "the admin port stopped"),
        () = upkeep => {}
    }
}

async fn keep_up(metrics: PrometheusHandle, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn forget(
    State(engine): State<Arc<Engine<Transport>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(fingerprints): Path<String>,
) -> (StatusCode, String) {
    if !is_this_machine(peer) {
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

/// On a socket of both families the loopback of the older one looks like `::ffff:127.0.0.1`.
fn is_this_machine(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for (peer, ours) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("[::ffff:10.0.0.1]:1", false)]
        {
            assert_eq!(is_this_machine(peer.parse().unwrap()), ours, "{peer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_measured_is_counted_though_nobody_asks() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        metrics::with_local_recorder(&recorder, || metrics::histogram!("canary_seconds").record(1.0));
        let counted = || format!("{metrics:?}").contains("distributions: RwLock { data: {\"canary_seconds\"");
        assert!(!counted());
        let upkeep = tokio::spawn(keep_up(metrics.clone(), Duration::from_millis(10)));
        tokio::time::sleep(Duration::from_millis(200)).await;
        upkeep.abort();
        assert!(counted(), "{metrics:?}");
    }
}
