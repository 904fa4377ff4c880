//! The playground: a page that calls the service as a shop would, and uses the token as a browser
//! would. It is served on the RPC port where every call goes to the embedded sandbox and the port is
//! a loopback one, and nowhere else. Uses `calls`, `files`, `recent_calls` and the engine. Used by
//! `listen`.
//!
//! The page has no credentials in its requests: `/playground/backend/<connector>` is the shop's
//! backend. It adds the sandbox's test credentials and passes the call on to the RPC.

mod calls;
mod files;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use daypass::{Engine, Transport};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use sandbox::{Sandbox, SandboxClock};

use crate::{origin, recent_calls};

/// The path of the page; all its parts are below it.
pub(crate) const PATH: &str = "/playground/";
/// Most bytes of a request's body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What a browser is told about the page besides its policy: nothing may frame it, read it from
/// another site, guess the type of its parts, or learn its address (Fetch and HTML standards).
const SAFETY_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The playground of one server.
pub(crate) struct Playground {
    engine: Arc<Engine<Transport>>,
    clock: SandboxClock,
    /// Where the fakes are.
    sandbox: SocketAddr,
    connectors: OnceLock<Bytes>,
}

/// What becomes of a request.
pub(crate) enum Handled<B> {
    /// The playground's response.
    Response(Response<Full<Bytes>>),
    /// The RPC answers: this is no request of the playground.
    NotOurs(Request<B>),
    /// The RPC answers the shop's backend.
    Backend(Request<Full<Bytes>>),
}

impl Playground {
    /// The playground of a server whose engine sends every call to this sandbox.
    pub(crate) fn new(engine: Arc<Engine<Transport>>, sandbox: &Sandbox) -> Self {
        Self { engine, clock: sandbox.clock(), sandbox: sandbox.addr(), connectors: OnceLock::new() }
    }

    /// Handles a request below its path. `GET /` leads a person to the page.
    pub(crate) async fn handle<B>(&self, request: Request<B>) -> Handled<B>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().to_owned();
        if path == "/" && request.method() == Method::GET || path == PATH.trim_end_matches('/') {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(PATH));
            return Handled::Response(response);
        }
        let Some(name) = path.strip_prefix(PATH) else { return Handled::NotOurs(request) };
        if let Err(why) = origin::check(request.method(), request.uri(), request.headers(), &[]) {
            return Handled::Response(self.finished(refusal(StatusCode::FORBIDDEN, why)));
        }
        if let Some(connector) = name.strip_prefix("backend/")
            && request.method() == Method::POST
        {
            let (head, body) = request.into_parts();
            let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
                return Handled::Response(self.finished(too_large()));
            };
            return match calls::with_credentials(connector, Request::from_parts(head, body.to_bytes())) {
                Ok(call) => {
                    // After a jump past an expiry, the vendor would refuse moments of our clock.
                    self.clock.set_ahead(0);
                    Handled::Backend(call.map(Full::new))
                }
                Err((status, why)) => Handled::Response(self.finished(refusal(status, why))),
            };
        }
        Handled::Response(self.finished(self.respond(name, request).await))
    }

    async fn respond<B>(&self, name: &str, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let action = name.split_once('/').map_or((name, ""), |(action, connector)| (action, connector));
        match (action, reads) {
            (("connectors.json", ""), true) => {
                let list = self.connectors.get_or_init(|| calls::connectors(self.sandbox)).clone();
                of_type("application/json", list)
            }
            (("log", request_id), true) => match recent_calls::line_of(request_id) {
                Some(line) => of_type("application/json", line.into()),
                None => refusal(StatusCode::GONE, "no log line of this request is kept"),
            },
            ((action @ ("explain" | "uses" | "clock"), connector), false) => {
                let Ok(body) = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await else {
                    return too_large();
                };
                let body = body.to_bytes();
                match action {
                    "explain" => calls::explain(&self.engine, connector, &body),
                    "uses" => calls::uses(self.sandbox, connector, &body),
                    _ => calls::set_clock(&self.clock, &body),
                }
            }
            _ => match files::find(name) {
                Some(_) if !reads => refusal(StatusCode::METHOD_NOT_ALLOWED, "the page's files are read with GET"),
                Some(file) => of_type(file.content_type, Bytes::from_static(file.content)),
                None => refusal(StatusCode::NOT_FOUND, "no such file"),
            },
        }
    }

    /// The response with the headers that keep the page safe.
    fn finished(&self, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        let headers = response.headers_mut();
        for (name, value) in SAFETY_HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // The second source of `connect-src` is the sandbox, which a browser calls as it would call
        // a vendor.
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' http://{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            self.sandbox
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

fn of_type(content_type: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = of_type("application/json", value.to_string().into());
    *response.status_mut() = status;
    response
}

fn too_large() -> Response<Full<Bytes>> {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 64 KiB or was cut off")
}

fn refusal(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "message": why }))
}
