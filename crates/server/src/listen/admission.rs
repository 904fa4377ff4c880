//! The admission of a request by its headers, before a byte of its body is read. Used by `request`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;

use super::framing::{self, Framing, ResponseBody};
use crate::{
    auth::{AdmittedCaller, Authenticator},
    origin,
    rpc::metadata,
};

/// gRPC's code PERMISSION_DENIED as its `grpc-status` header has it.
const GRPC_PERMISSION_DENIED: &str = "7";
/// A gRPC message of no bytes: no flag, no length.
const EMPTY_GRPC_MESSAGE: &[u8] = &[0; 5];

/// The sender of a request, as its headers show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    /// A caller of this service.
    Caller,
    /// Anybody who asks for the health.
    Probe,
    /// Not known to this service.
    Stranger,
}

/// The admission of requests to the port.
pub(crate) struct Admission {
    /// Knows the callers.
    pub authenticator: Arc<ArcSwap<Authenticator>>,
    /// On a loopback port: the further names that it answers to. `None` beyond loopback.
    pub local_names: Option<Vec<String>>,
}

impl Admission {
    /// The refusal of a request that a page of another site sent, or that calls a loopback port by a
    /// foreign name.
    pub(super) fn refusal<B>(&self, request: &Request<B>, framing: Framing) -> Option<Response<ResponseBody>> {
        let allowed = self.local_names.as_deref()?;
        let why = origin::check(request.method(), request.uri(), request.headers(), allowed).err()?;
        let mut response = Response::new(framing::full(
            serde_json::json!({ "code": "permission_denied", "message": why }).to_string(),
        ));
        let headers = response.headers_mut();
        if framing == Framing::Grpc {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static(GRPC_PERMISSION_DENIED));
            headers.insert("grpc-message", HeaderValue::from_static(why));
            *response.body_mut() = framing::full("");
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        Some(response)
    }

    /// Admits a request by its headers, with its caller.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> (Visitor, Option<AdmittedCaller>) {
        // Load balancers ask for the health without a key.
        if request.uri().path().starts_with("/grpc.health.v1.") {
            return (Visitor::Probe, None);
        }
        let presented = metadata::presented(request.headers(), request.extensions());
        match self.authenticator.load().authenticate(&presented) {
            Ok(caller) => (Visitor::Caller, Some(AdmittedCaller(caller))),
            Err(_) => (Visitor::Stranger, None),
        }
    }

    /// A stranger's request without its body. An RPC refuses it as it refuses any stranger, in the
    /// words of its protocol and with a line in the log. The body is never read.
    pub(super) fn without_body<B>(request: &Request<B>) -> Request<Full<Bytes>> {
        let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let message: &'static [u8] = match content_type {
            grpc if grpc.starts_with(b"application/grpc") => EMPTY_GRPC_MESSAGE,
            json if json.starts_with(b"application/json") => b"{}",
            _ => b"",
        };
        let mut empty = Request::new(Full::new(Bytes::from_static(message)));
        *empty.method_mut() = request.method().clone();
        *empty.uri_mut() = request.uri().clone();
        *empty.version_mut() = request.version();
        *empty.headers_mut() = request.headers().clone();
        *empty.extensions_mut() = request.extensions().clone();
        for header in [header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
            empty.headers_mut().remove(header);
        }
        empty
    }
}
