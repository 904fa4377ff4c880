//! OpenTelemetry to a stand-in of a collector, which decodes what it gets with the protocol's own
//! messages.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinSet};

use crate::common::{HANGS, TestServer, TokenRequest, until};

/// What a collector, or a vendor, has got: path, headers and body of each request.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(String, http::HeaderMap, Bytes)>>>);

impl Received {
    /// Serves on loopback with this answer; the URL.
    async fn serve(&self, status: u16, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let received = received.clone();
                let service = service_fn(move |request| received.clone().take(request, status, body));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        url
    }

    async fn take(
        self,
        request: Request<Incoming>,
        status: u16,
        body: &'static str,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, content) = request.into_parts();
        let content = content.collect().await.unwrap().to_bytes();
        self.0.lock().unwrap().push((head.uri.path().to_owned(), head.headers, content));
        let answer = Response::builder().status(status).header("content-type", "application/json");
        Ok(answer.body(body.into()).unwrap())
    }

    fn all(&self) -> Vec<(String, http::HeaderMap, Bytes)> {
        self.0.lock().unwrap().clone()
    }

    fn of<M: Message + Default>(&self, path: &str) -> Vec<M> {
        self.all().iter().filter(|(at, ..)| at == path).map(|(_, _, body)| M::decode(&body[..]).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let exports: Vec<ExportTraceServiceRequest> = self.of("/v1/traces");
        exports
            .into_iter()
            .flat_map(|export| export.resource_spans)
            .flat_map(|one| one.scope_spans)
            .flat_map(|one| one.spans)
            .collect()
    }
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value?;
    Some(match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(truth) => truth.to_string(),
        other => format!("{other:?}"),
    })
}

const PAYPAL: &str = r#"{"access_token":"canary-token","token_type":"Bearer","expires_in":3600,
    "scope":"https://uri.paypal.com/services/payments/orders/client_sdk_orders_api"}"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn request() -> TokenRequest<'static> {
    let mut request = TokenRequest::paypal();
    request.credentials = Some(r#"{"Paypal":{"client_id":"canary-id","client_secret":"canary-secret"}}"#.into());
    request.headers.push(("traceparent", PARENT));
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_leaves_its_spans_metrics_and_log_line_and_no_secret() {
    let (collector, vendor) = (Received::default(), Received::default());
    let (collector_url, vendor_url) = (collector.serve(200, "{}").await, vendor.serve(200, PAYPAL).await);
    let mut served = TestServer::start(
        &[],
        &[
            ("DAYPASS_TELEMETRY__OTLP_ENDPOINT", &collector_url),
            ("DAYPASS_TELEMETRY__OTLP_HEADERS", "authorization=Bearer%20collector-key"),
            // Those of another collector.
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary-key,x-other=canary"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=of-the-environment"),
            ("DAYPASS_EGRESS__SEND_TRACE_CONTEXT", "true"),
            ("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", &vendor_url),
        ],
    );
    served.call(&request()).await.unwrap();
    served.call(&request()).await.unwrap();
    let log = tokio::task::block_in_place(|| served.stop());

    // The rest is sent before the process ends.
    let spans = collector.spans();
    let calls: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Server as i32).collect();
    assert_eq!(calls.len(), 2, "{spans:?}");
    for call in &calls {
        assert_eq!(call.name, "ucs.v2.MerchantAuthenticationService/CreateAccessToken");
        assert_eq!(
            (hex::encode(&call.trace_id), hex::encode(&call.parent_span_id)),
            (TRACE.into(), "00f067aa0ba902b7".into())
        );
        for (name, value) in [
            ("rpc.system.name", "grpc"),
            ("rpc.response.status_code", "OK"),
            ("daypass.connector", "paypal"),
            ("daypass.outcome", "SUCCESS"),
        ] {
            assert_eq!(text(&call.attributes, name).as_deref(), Some(value), "{name}");
        }
    }
    let attempts: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Client as i32).collect();
    assert_eq!(attempts.len(), 1, "the second call is a replay");
    assert_eq!(attempts[0].name, "POST");
    assert!(calls.iter().any(|call| call.span_id == attempts[0].parent_span_id), "{spans:?}");
    assert_eq!(text(&attempts[0].attributes, "server.address").as_deref(), Some("127.0.0.1"));
    assert_eq!(text(&attempts[0].attributes, "http.response.status_code").as_deref(), Some("200"));

    // The vendor got the context of the attempt.
    let [(_, headers, _)] = &vendor.all()[..] else { panic!("one call") };
    let sent = format!("00-{TRACE}-{}-01", hex::encode(&attempts[0].span_id));
    assert_eq!(headers["traceparent"], sent.as_str());

    let metrics: Vec<ExportMetricsServiceRequest> = collector.of("/v1/metrics");
    let metrics = format!("{metrics:?}");
    let names =
        ["rpc.server.call.duration", "daypass_calls_total", "daypass_vendor_attempts_total", "daypass_store_up"];
    for name in names.into_iter().chain(["process_cpu_seconds_total", "of-the-environment"]) {
        assert!(metrics.contains(name), "{name}");
    }
    let logs: Vec<ExportLogsServiceRequest> = collector.of("/v1/logs");
    let lines = logs.iter().flat_map(|export| &export.resource_logs).flat_map(|one| &one.scope_logs);
    let lines: Vec<_> = lines.flat_map(|one| &one.log_records).collect();
    let calls_logged = lines.iter().filter(|line| text(&line.attributes, "connector").as_deref() == Some("paypal"));
    assert_eq!(calls_logged.clone().count(), 2, "{lines:?}");
    assert!(calls_logged.clone().all(|line| hex::encode(&line.trace_id) == TRACE), "{lines:?}");
    assert_eq!(log.matches(&format!("\"trace_id\":\"{TRACE}\"")).count(), 2, "{log}");
    assert_eq!(log.matches("\"span_id\":\"").count(), 2, "{log}");

    for (path, headers, body) in collector.all() {
        assert_eq!(headers["authorization"], "Bearer collector-key");
        assert!(!headers.contains_key("x-other"), "{path}");
        assert!(!String::from_utf8_lossy(&body).contains("canary"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_setting_nothing_goes_to_connectors_and_nothing_to_a_collector() {
    let vendor = Received::default();
    let url = vendor.serve(200, PAYPAL).await;
    let mut served = TestServer::start(&[], &[("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", &url)]);
    served.call(&request()).await.unwrap();
    let log = tokio::task::block_in_place(|| served.stop());
    assert!(!vendor.all()[0].1.contains_key("traceparent"));
    assert!(log.contains(&format!("\"trace_id\":\"{TRACE}\"")) && !log.contains("\"span_id\":\""), "{log}");
}

/// A collector that refuses, hangs or is away: calls go on, and the process ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_in_trouble_changes_no_call() {
    let (refusing, vendor) = (Received::default(), Received::default());
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let vendor_url = vendor.serve(200, PAYPAL).await;
    let mut troubles = JoinSet::new();
    for url in [refusing.serve(503, "busy").await, silent_url, "http://127.0.0.1:9".into()] {
        let vendor_url = vendor_url.clone();
        troubles.spawn(async move {
            let mut served = TestServer::start(
                &[],
                &[
                    ("DAYPASS_TELEMETRY__OTLP_ENDPOINT", &url),
                    ("DAYPASS_TELEMETRY__METRICS_INTERVAL_MS", "50"),
                    ("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", &vendor_url),
                ],
            );
            for nth in 0..50 {
                let request = TokenRequest { reference: format!("ref-{nth}"), ..request() };
                tokio::time::timeout(HANGS, served.call(&request)).await.unwrap().unwrap();
            }
            let log = tokio::task::block_in_place(|| served.stop());
            assert_eq!(log.matches("\"outcome\":\"SUCCESS\"").count(), 50, "{url}");
        });
    }
    while let Some(done) = troubles.join_next().await {
        done.unwrap();
    }
    until("the refusing collector was asked", async || !refusing.all().is_empty()).await;
}

#[test]
fn faults_of_the_settings_are_named() {
    for (setting, value, fault) in [
        ("OTLP_ENDPOINT", "collector:4318/x y", "telemetry.otlp_endpoint"),
        ("OTLP_ENDPOINT", "ftp://collector", "telemetry.otlp_endpoint: must be http"),
        ("TRACE_SAMPLE_RATIO", "1.5", "telemetry.trace_sample_ratio: must be from 0 to 1"),
        ("METRICS_INTERVAL_MS", "0", "telemetry.metrics_interval_ms: must be from 1"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_daypass"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .env(format!("DAYPASS_TELEMETRY__{setting}"), value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(fault), "{said}");
    }
}
