//! A mock of PayPal's token call over HTTP/1.1. It counts the tokens, and tells the count.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;

/// The path at which a GET tells how many tokens were made.
pub(crate) const COUNT_PATH: &str = "/count";

/// Serves until the process ends.
pub(crate) async fn serve(address: SocketAddr) -> Result {
    let listener = TcpListener::bind(address).await?;
    let made = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let made = made.clone();
        let service = service_fn(move |request| answer(request, made.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    made: Arc<AtomicU64>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        return Ok(Response::new(made.load(Relaxed).to_string().into()));
    }
    let _ = request.into_body().collect().await;
    let nth = made.fetch_add(1, Relaxed) + 1;
    let answer = format!(
        r#"{{"access_token":"token-{nth}","token_type":"Bearer","expires_in":3600,"scope":"https://uri.paypal.com/services/payments/orders/client_sdk_orders_api"}}"#
    );
    let mut response = Response::new(answer.into());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}
