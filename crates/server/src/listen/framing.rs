//! The needs of gRPC clients beyond the service: errors as Trailers-Only responses, and
//! refusals that they can read where their transport or their framing is not served. Used by
//! `request`.

use bytes::{BufMut, Bytes, BytesMut};
use connectrpc::ConnectRpcBody;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Either, Full};

/// A response body: the service's, or one whose length is known. The service's body does not pass
/// its length on, so an empty one would not end the HTTP/2 stream with the headers.
pub(super) type ResponseBody = Either<ConnectRpcBody, Full<Bytes>>;

/// The header of gRPC's code.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// gRPC's code UNIMPLEMENTED as its `grpc-status` header has it.
const GRPC_UNIMPLEMENTED: &str = "12";
/// The flag of a gRPC-Web frame that holds trailers (PROTOCOL-WEB of the gRPC project).
const TRAILERS_FRAME: u8 = 0x80;

/// How a request frames its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Grpc,
    /// gRPC-Web with its frames in base64: not served.
    GrpcWebText,
    /// gRPC-Web, Connect, or no call at all: the service tells them apart.
    Other,
}

impl Framing {
    /// The framing by the content type, which has no case (RFC 9110 section 8.3.1).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        match content_type {
            text if text.starts_with(b"application/grpc-web-text") => Self::GrpcWebText,
            web if web.starts_with(b"application/grpc-web") => Self::Other,
            grpc if grpc.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Other,
        }
    }
}

/// Writes the content type in lower case: the service compares it with case.
pub(super) fn lower_content_type(headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut(header::CONTENT_TYPE) else { return };
    if value.as_bytes().iter().any(u8::is_ascii_uppercase)
        && let Ok(lower) = HeaderValue::from_bytes(&value.as_bytes().to_ascii_lowercase())
    {
        *value = lower;
    }
}

/// The refusal of a call whose status or message could not reach the client. `None` where the call
/// can be served.
pub(super) fn refusal<B>(request: &Request<B>, framing: Framing) -> Option<Response<ResponseBody>> {
    match framing {
        // The status of a gRPC call is in its trailers, which HTTP/1.1 clients do not read.
        Framing::Grpc if request.version() < Version::HTTP_2 => {
            let mut response = Response::new(full("gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web or JSON\n"));
            *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            Some(response)
        }
        Framing::GrpcWebText => Some(refuse_web_text()),
        Framing::Grpc | Framing::Other => None,
    }
}

/// One frame with trailers in base64, as the text form of gRPC-Web has it.
fn refuse_web_text() -> Response<ResponseBody> {
    let message = "the text form of gRPC-Web is not served: use its binary form, application/grpc-web+proto";
    let trailers = format!("grpc-status: {GRPC_UNIMPLEMENTED}\r\ngrpc-message: {message}\r\n");
    let mut frame = BytesMut::new();
    frame.put_u8(TRAILERS_FRAME);
    frame.put_u32(u32::try_from(trailers.len()).unwrap_or_default());
    frame.put_slice(trailers.as_bytes());
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, frame);
    let mut response = Response::new(full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc-web-text+proto"));
    headers.insert("grpc-status", HeaderValue::from_static(GRPC_UNIMPLEMENTED));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

/// The service's response, in which an error of a gRPC call is one header frame that ends the
/// stream (Trailers-Only). Headers and trailers in two frames would commit the call: a client
/// retries it only before that (gRFC A6).
pub(super) async fn trailers_only(response: Response<ConnectRpcBody>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    // The service puts `grpc-status` into the headers of errors only.
    if !head.headers.contains_key(&GRPC_STATUS) || Framing::of(&head.headers) != Framing::Grpc {
        let body = match body {
            ConnectRpcBody::Full(message) => Either::Right(message),
            frames => Either::Left(frames),
        };
        return Response::from_parts(head, body);
    }
    // The body of an error is made in advance: nothing is waited for.
    let collected = match body.collect().await {
        Ok(collected) => collected,
        Err(never) => match never {},
    };
    if let Some(trailers) = collected.trailers() {
        for name in trailers.keys() {
            head.headers.remove(name);
            head.headers.extend(trailers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
    }
    Response::from_parts(head, Either::Right(Full::default()))
}

/// A body of this text.
pub(super) fn full(text: impl Into<Bytes>) -> ResponseBody {
    Either::Right(Full::new(text.into()))
}
