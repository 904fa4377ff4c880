//! The span of a call, its parent from the caller's `traceparent`, and the header that goes on to
//! connectors (W3C Trace Context). Used by `rpc`, `access_log` and `engine`.

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Whether spans are made.
static STARTED: AtomicBool = AtomicBool::new(false);

pub(super) fn start() {
    STARTED.store(true, Ordering::Relaxed);
}

/// The span of one call (semantic conventions for RPC spans, 2026). `system` is `grpc` or
/// `connectrpc`.
pub(crate) fn of_call(method: &str, system: &'static str, traceparent: Option<&str>) -> Span {
    if !STARTED.load(Ordering::Relaxed) {
        return Span::none();
    }
    let span = tracing::trace_span!(
        target: daypass::SPANS,
        "call",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = system,
        rpc.method = method,
        rpc.response.status_code = Empty,
        "error.type" = Empty,
        daypass.connector = Empty,
        daypass.grant = Empty,
        daypass.outcome = Empty,
        daypass.replayed = Empty,
    );
    if let Some(parent) = traceparent.and_then(parent) {
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    span
}

/// The ids of a span, as hexadecimal text.
pub(crate) fn ids(span: &Span) -> Option<(String, String)> {
    let context = context(span)?;
    Some((context.trace_id().to_string(), context.span_id().to_string()))
}

/// The `traceparent` for a call to a connector, of the span that is under way.
pub(crate) fn header() -> Option<HeaderValue> {
    let context = context(&Span::current())?;
    let flags = context.trace_flags().to_u8();
    HeaderValue::try_from(format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())).ok()
}

fn context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The trace id of a `traceparent` header (W3C Trace Context, section 3.2); `None` where the header
/// is malformed. Ids of zeros alone are invalid (sections 3.2.2.3 and 3.2.2.4).
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    (whole && !is_zero(trace) && !is_zero(parent) && (version != "00" || parts.next().is_none())).then_some(trace)
}

/// The caller's span.
fn parent(traceparent: &str) -> Option<SpanContext> {
    trace_id(traceparent)?;
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_context_is_read_as_the_w3c_writes_it() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, want) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), Some(trace)),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), Some(trace)),
            (format!("00-{trace}-00f067aa0ba902b7-01-more"), None),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{trace}-0000000000000000-01"), None),
            (format!("00-{trace}-00F067AA0BA902B7-01"), None),
            (format!("00-{trace}-00f067aa0ba902b7-0"), None),
            ("00".into(), None),
        ] {
            assert_eq!(trace_id(&header), want, "{header}");
        }
    }
}
