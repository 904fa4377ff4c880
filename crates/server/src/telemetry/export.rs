//! The way to the collector: OTLP over HTTP with protobuf, sent by a transport of the engine, which
//! has the TLS, the limits and the fence of calls to connectors. Used by `telemetry`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::{Call, Timestamp};
use daypass::{ConnectSettings, Egress, HttpSend, Transport};
use http::{HeaderMap, HeaderName, Request, Response, Uri, header};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use tokio::{runtime::Handle, time::Instant};

use crate::config::{ConfigError, TelemetryConfig};

/// Makes the exporters of one collector.
pub(super) struct Exporter {
    endpoint: String,
    client: Sender,
    timeout: Duration,
}

/// Sends exports on the service's runtime, whatever thread asks for it.
#[derive(Clone)]
struct Sender {
    transport: Arc<Transport>,
    runtime: Handle,
    timeout: Duration,
    headers: HeaderMap,
}

/// The headers of an export that are the exporter's. It also adds those of the environment, which
/// may be for another collector.
const OF_EXPORTER: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_ENCODING];

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut call = Call::post(parts.uri);
        call.headers = self.headers.clone();
        for name in OF_EXPORTER {
            if let Some(value) = parts.headers.get(&name) {
                call.headers.insert(name, value.clone());
            }
        }
        call.body = body;
        let (transport, deadline) = (self.transport.clone(), Instant::now() + self.timeout);
        let now = Timestamp::try_from(std::time::SystemTime::now())?;
        let reply = self.runtime.spawn(async move { transport.send(call, now, deadline).await }).await??;
        let mut response = Response::builder().status(reply.status).body(reply.body)?;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

impl Exporter {
    /// The collector of the configuration, else that of the standard environment variables.
    ///
    /// # Errors
    /// The endpoint is no URL, or the headers are no list of names and values.
    pub(super) fn of(config: &TelemetryConfig) -> Result<Option<Self>, ConfigError> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let endpoint = config.otlp_endpoint.clone().or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let Some(endpoint) = endpoint else { return Ok(None) };
        let fault = |what: &str| ConfigError::Setting(format!("telemetry.otlp_{what}"));
        let uri: Uri = endpoint.parse().map_err(|_| fault("endpoint: not a URL"))?;
        let host = uri.host().ok_or_else(|| fault("endpoint: a URL needs a host"))?.to_owned();
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(fault("endpoint: must be http:// or https://"));
        }
        let given = config.otlp_headers.as_ref().map(|headers| headers.expose().to_owned());
        let given = given.or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS")).unwrap_or_default();
        let headers = headers(&given).ok_or_else(|| fault("headers: must be name=value, separated by commas"))?;
        let timeout = Duration::from_millis(config.otlp_timeout_ms);
        let connect = ConnectSettings {
            default_timeout: timeout,
            timeouts: HashMap::new(),
            operator_hosts: HashSet::from([host]),
        };
        let transport = Transport::new(Egress { connect, ..Egress::default() }, None)
            .map_err(|error| ConfigError::Setting(format!("telemetry: {error}")))?;
        let client = Sender { transport: Arc::new(transport), runtime: Handle::current(), timeout, headers };
        Ok(Some(Self { endpoint: endpoint.trim_end_matches('/').to_owned(), client, timeout }))
    }

    fn url(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.endpoint)
    }

    pub(super) fn spans(&self) -> Result<SpanExporter, ConfigError> {
        let builder = SpanExporter::builder().with_http().with_http_client(self.client.clone());
        builder.with_timeout(self.timeout).with_endpoint(self.url("traces")).build().map_err(unusable)
    }

    pub(super) fn metrics(&self) -> Result<MetricExporter, ConfigError> {
        let builder = MetricExporter::builder().with_http().with_http_client(self.client.clone());
        builder.with_timeout(self.timeout).with_endpoint(self.url("metrics")).build().map_err(unusable)
    }

    pub(super) fn logs(&self) -> Result<LogExporter, ConfigError> {
        let builder = LogExporter::builder().with_http().with_http_client(self.client.clone());
        builder.with_timeout(self.timeout).with_endpoint(self.url("logs")).build().map_err(unusable)
    }
}

fn unusable(_: ExporterBuildError) -> ConfigError {
    ConfigError::Setting("telemetry: the endpoint or a header cannot be used".into())
}

/// Names and values in the form of `OTEL_EXPORTER_OTLP_HEADERS` (W3C Baggage without properties).
fn headers(text: &str) -> Option<HeaderMap> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pairs: HashMap<String, String> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_owned(), value.into_owned()))
        })
        .collect::<Option<_>>()?;
    HeaderMap::try_from(&pairs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_names_and_values() {
        let read = headers("authorization=Basic%20abc, x-tenant = one").unwrap();
        assert!(read["authorization"] == "Basic abc" && read["x-tenant"] == "one");
        assert_eq!(headers("").unwrap().len(), 0);
        for text in ["authorization", "bad name=x", "x=\u{1}"] {
            assert!(headers(text).is_none(), "{text}");
        }
    }
}
