//! One HTTP request: its id, its time limit, and a response where the service panics or the request
//! is no call. Uses `admission`, `body` and `places`, and `access_log` for requests that nobody reads.
//! Used by `connection`.

use std::{convert::Infallible, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use connectors::{Error, Kind};
use connectrpc::{ConnectRpcBody, ConnectRpcService};
use daypass::random;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::Service;
use tracing::Span;

use super::{
    admission::{Admission, Visitor},
    body::{BodyRoom, HeldBytes, RoomedBody},
    framing::{self, Framing, ResponseBody},
    places::Place,
};
use crate::{
    access_log::{AccessLog, AccessLogEntry, Arrival},
    playground::{Handled, Playground},
    rpc::metadata::REQUEST_ID,
};

/// gRPC's codes as its `grpc-status` header has them.
const GRPC_DEADLINE_EXCEEDED: &str = "4";
const GRPC_RESOURCE_EXHAUSTED: &str = "8";
const GRPC_INTERNAL: &str = "13";
/// Longest time for a question for the health, whose sender may be anybody.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// Most bytes of a request id.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Handles requests.
pub(super) struct RequestHandler {
    /// The service behind the port.
    pub service: ConnectRpcService,
    /// The page for people, where it is served.
    pub playground: Option<Arc<Playground>>,
    /// The admission of requests.
    pub admission: Admission,
    /// The room for bodies.
    pub room: BodyRoom,
    /// Has the calls that are refused unread.
    pub log: Arc<AccessLog>,
    /// Longest time from a request's headers to its response.
    pub limit: Duration,
}

impl RequestHandler {
    /// The response to a request on the connection with this place. A panic of the service ends this
    /// request and not its connection.
    pub(super) async fn respond(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        place: Arc<Place>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let sent = request.headers().get(&REQUEST_ID).filter(|id| is_request_id(id.as_bytes())).cloned();
        let mut id = sent.unwrap_or_else(new_request_id);
        framing::lower_content_type(request.headers_mut());
        let (framing, method) = (Framing::of(request.headers()), request.method().clone());
        let refused = self.admission.refusal(&request, framing);
        if refused.is_some() {
            tracing::warn!(
                request_id = text(&id),
                "a request by a foreign name, or from a page of another site, is refused"
            );
        }
        let (visitor, caller) = self.admission.admit(&request);
        if visitor == Visitor::Caller {
            place.keep();
        }
        let arrival = Arrival::new(text(&id).to_owned(), caller);
        request.extensions_mut().insert(arrival.clone());
        let is_rpc = request.uri().path().contains(".MerchantAuthenticationService/");
        // As reflection, the description is for callers.
        let described = (visitor == Visitor::Caller).then(|| description(&request)).flatten();
        let ready = refused.or_else(|| framing::refusal(&request, framing)).or(described);
        let limit = if visitor == Visitor::Probe { PROBE_TIME } else { self.limit };
        let held = self.room.hold();
        let serving = pin!(self.serve(request, visitor, &held));
        let answered = ready.is_none();
        let mut response = match ready {
            Some(response) => response,
            None => match timeout(limit, AssertUnwindSafe(serving).catch_unwind()).await {
                Ok(Ok(response)) => response,
                Ok(Err(_panic)) => {
                    tracing::error!(request_id = text(&id), "a defect stopped this call");
                    empty(StatusCode::INTERNAL_SERVER_ERROR, framing, GRPC_INTERNAL)
                }
                // The request did not arrive in time.
                Err(_elapsed) => empty(StatusCode::REQUEST_TIMEOUT, framing, GRPC_DEADLINE_EXCEEDED),
            },
        };
        if held.found_no_room() {
            response = empty(StatusCode::SERVICE_UNAVAILABLE, framing, GRPC_RESOURCE_EXHAUSTED);
        }
        if is_rpc && answered && not_a_call(response.status(), &method).is_none() && !arrival.has_line() {
            self.refused_unread(arrival, held.found_no_room());
        }
        if let Some(why) = not_a_call(response.status(), &method) {
            let status = response.status().as_u16();
            tracing::info!(request_id = text(&id), status, "the request is no call of this service");
            *response.body_mut() =
                framing::full(serde_json::json!({ "code": "unimplemented", "message": why }).to_string());
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Each id is another one: HTTP/2 keeps it out of the table of headers that are sent again (RFC 7541
        // section 7.1.3).
        id.set_sensitive(true);
        response.headers_mut().insert(&REQUEST_ID, id);
        // A token belongs into no cache (RFC 6749 section 5.1).
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// The playground's response where the request is for it, or else the service's.
    async fn serve(
        &self,
        mut request: Request<Incoming>,
        visitor: Visitor,
        held: &Arc<HeldBytes>,
    ) -> Response<ResponseBody> {
        let mut service = self.service.clone();
        if visitor == Visitor::Stranger {
            return answered(service.call(Admission::without_body(&request)).await).await;
        }
        if let Some(playground) = &self.playground {
            request = match playground.clone().handle(request).await {
                Handled::Response(response) => return response.map(Either::Right),
                Handled::NotOurs(request) => request,
                Handled::Backend(request) => return answered(service.call(request).await).await,
            };
        }
        let request = request.map(|body| match visitor {
            Visitor::Probe => RoomedBody::of_probe(body),
            Visitor::Caller | Visitor::Stranger => RoomedBody::of_caller(body, held.clone()),
        });
        answered(service.call(request).await).await
    }

    /// The lines of a call that the service refused before it read the message: one that is too long,
    /// also after decompression, or that did not arrive.
    fn refused_unread(&self, arrival: Arc<Arrival>, no_room: bool) {
        let mut entry = AccessLogEntry::start(&self.log, arrival, None, None, Span::none());
        entry.audit_refusal();
        entry.end(&Err(match no_room {
            true => Error::new(Kind::Overloaded, "the calls under way leave no room for another"),
            false => Error::new(Kind::InvalidRequest, "the message is too long, or did not arrive"),
        }));
    }
}

/// The description of the JSON path, where the request asks for it.
fn description<B>(request: &Request<B>) -> Option<Response<ResponseBody>> {
    (request.method() == Method::GET && request.uri().path() == "/openapi.json").then(|| {
        let mut response = Response::new(framing::full(protocol::OPENAPI));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    })
}

async fn answered(response: Result<Response<ConnectRpcBody>, Infallible>) -> Response<ResponseBody> {
    match response {
        Ok(response) => framing::trailers_only(response).await,
        Err(never) => match never {},
    }
}

/// Why a request is no call of this service, by the status that the service gave it.
fn not_a_call(status: StatusCode, method: &Method) -> Option<String> {
    match status {
        StatusCode::NOT_FOUND => {
            Some("no such path; the call is POST /ucs.v2.MerchantAuthenticationService/CreateAccessToken".into())
        }
        StatusCode::METHOD_NOT_ALLOWED => Some(format!("{method} is not served on this path; use POST")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(
            "the content type is not served; accepted: application/json, application/proto, application/grpc, \
             application/grpc+proto, application/grpc+json, application/grpc-web, application/grpc-web+proto"
                .into(),
        ),
        _ => None,
    }
}

/// A response without a message: an HTTP status or, to a gRPC client, a gRPC status in the headers.
fn empty(status: StatusCode, framing: Framing, grpc_status: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(framing::full(""));
    if framing == Framing::Grpc {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(grpc_status));
    } else {
        *response.status_mut() = status;
    }
    response
}

fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_graphic())
}

fn new_request_id() -> HeaderValue {
    HeaderValue::try_from(connectors::Nonce(random::bytes()).uuid()).unwrap_or(HeaderValue::from_static("unnamed"))
}
