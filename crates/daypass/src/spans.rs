//! Spans of the parts of a call, for a tracer. Without one they cost nothing. They hold no path, no
//! query, no header and no body: those of connectors hold secrets. The cache, the store and the
//! exchange make them.

use connectors::Call;
use tracing::{Span, field::Empty, trace_span};

/// The target of all spans, by which a tracer finds them.
pub const SPANS: &str = "daypass::span";

/// One attempt at one call to a connector (semantic conventions for HTTP client spans).
pub(crate) fn attempt(call: &Call, number: u32) -> Span {
    trace_span!(
        target: SPANS,
        "attempt",
        otel.name = call.method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = call.method.as_str(),
        http.request.resend_count = (number > 1).then(|| number - 1),
        http.response.status_code = Empty,
        server.address = call.uri.host(),
        server.port = call.uri.port_u16().or(Some(443)),
        url.scheme = call.uri.scheme_str(),
        "error.type" = Empty,
    )
}

/// A look for a stored token.
pub(crate) fn lookup() -> Span {
    trace_span!(target: SPANS, "lookup")
}

/// The wait for a fetch, which this call starts or joins.
pub(crate) fn flight(starts: bool) -> Span {
    trace_span!(target: SPANS, "flight", daypass.flight.starts = starts)
}

/// One operation of the shared store (semantic conventions for database client spans).
pub(crate) fn store() -> Span {
    trace_span!(target: SPANS, "store", otel.name = "redis", otel.kind = "client", db.system.name = "redis")
}
