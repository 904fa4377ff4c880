//! One HTTP request: its id, its time limit, and a response where the service panics. Used by
//! `connection`.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use connectrpc::{ConnectRpcBody, ConnectRpcService};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::Service;

use crate::rpc::metadata::REQUEST_ID;

/// gRPC's codes as its `grpc-status` header has them.
const GRPC_DEADLINE_EXCEEDED: &str = "4";
const GRPC_INTERNAL: &str = "13";
/// Most bytes of a request id.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The response to a request. A panic of the service ends this request and not its connection.
pub(super) async fn respond(
    mut request: Request<Incoming>,
    mut service: ConnectRpcService,
    limit: Duration,
) -> Result<Response<ConnectRpcBody>, Infallible> {
    let grpc = is_grpc(&request);
    let sent = request.headers().get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
    let id = sent.unwrap_or_else(new_request_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let result = timeout(limit, AssertUnwindSafe(service.call(request)).catch_unwind()).await;
    let mut response = match result {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_panic)) => {
            tracing::error!(request_id = id.to_str().unwrap_or_default(), "a defect stopped this call");
            empty(StatusCode::INTERNAL_SERVER_ERROR, grpc.then_some(GRPC_INTERNAL))
        }
        // The request did not arrive in time.
        Err(_elapsed) => empty(StatusCode::REQUEST_TIMEOUT, grpc.then_some(GRPC_DEADLINE_EXCEEDED)),
    };
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

/// A response without a message: an HTTP status or, to a gRPC client, a gRPC status in the headers.
fn empty(status: StatusCode, grpc_status: Option<&'static str>) -> Response<ConnectRpcBody> {
    let mut response = Response::new(ConnectRpcBody::Full(http_body_util::Full::default()));
    match grpc_status {
        None => *response.status_mut() = status,
        Some(code) => {
            response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
        }
    }
    response
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web")
    })
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_graphic())
}

fn new_request_id() -> HeaderValue {
    let mut bytes = [0; 32];
    if getrandom::fill(&mut bytes).is_err() {
        return HeaderValue::from_static("unnamed");
    }
    HeaderValue::from_str(&connectors::Nonce(bytes).uuid()).unwrap_or(HeaderValue::from_static("unnamed"))
}
