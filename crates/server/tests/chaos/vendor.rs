//! A fake of PayPal that writes the truth into its tokens: whose they are, how many it made before,
//! and when they end.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// The life of a token.
const LIVES: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
pub(super) struct TruthfulVendor {
    pub url: String,
    /// How many tokens each merchant has got.
    made: Arc<Mutex<HashMap<String, u64>>>,
}

/// A token of this vendor, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Truth {
    pub merchant: String,
    /// The first of a merchant is 1.
    pub nth: u64,
    pub ends_ms: u128,
}

pub(super) fn now_ms() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()
}

impl Truth {
    /// The truth in the text of a token.
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let [_, merchant, nth, ends_ms] = parts[..] else { panic!("no token of this vendor") };
        Self { merchant: merchant.into(), nth: nth.parse().unwrap(), ends_ms: ends_ms.parse().unwrap() }
    }
}

impl TruthfulVendor {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let vendor = Self { url, ..Self::default() };
        let serving = vendor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vendor = serving.clone();
                let service = service_fn(move |request| vendor.clone().answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        vendor
    }

    /// How many tokens this merchant has got.
    pub(super) fn made(&self, merchant: &str) -> u64 {
        self.made.lock().unwrap().get(merchant).copied().unwrap_or(0)
    }

    /// How many tokens it has made.
    pub(super) fn all_made(&self) -> u64 {
        self.made.lock().unwrap().values().sum()
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let basic = request.headers()["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        let client_and_secret = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
        let merchant = client_and_secret.split(':').next().unwrap().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let client = String::from_utf8_lossy(&body).contains("client_token");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let nth = {
            let mut made = self.made.lock().unwrap();
            let made = made.entry(merchant.clone()).or_default();
            *made += 1;
            *made
        };
        let token = format!("token.{merchant}.{nth}.{}", now_ms() + LIVES.as_millis());
        let scope =
            if client { "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api" } else { "openid" };
        let answer = json!({"access_token": token, "token_type": "Bearer",
            "expires_in": LIVES.as_secs(), "scope": scope});
        let answer = Response::builder().header("content-type", "application/json").body(answer.to_string().into());
        Ok(answer.unwrap())
    }
}
