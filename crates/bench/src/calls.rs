//! The calls of a measurement, each with a check of its answer.

use std::{net::SocketAddr, time::Duration};

use buffa_types::google::protobuf::StringValue;
use bytes::Bytes;
use connectrpc::{
    Protocol,
    client::{CallOptions, ClientConfig, HttpClient},
};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use protocol::{
    CreateAccessTokenRequest,
    ucs::v2::{Connector, MerchantAuthenticationServiceClient, OperationStatus},
};

use crate::{Result, vendor::COUNT_PATH};

/// The body of PayPal's call, as the service sends it.
pub(crate) const EXCHANGE_BODY: &[u8] =
    b"grant_type=client_credentials&response_type=client_token&domains%5B%5D=shop.example";

/// The party that a measurement calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The service, a new reference each time.
    Minted,
    /// The service, one reference.
    Replayed,
    /// A bare forwarder, or a bare echo.
    Bare,
    /// The vendor itself.
    Vendor,
}

/// A caller with a connection of its own.
pub(crate) struct Caller {
    target: Target,
    rpc: MerchantAuthenticationServiceClient<HttpClient>,
    vendor: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    name: String,
    calls: u64,
}

impl Caller {
    pub(crate) fn new(target: Target, address: SocketAddr, name: String) -> Result<Self> {
        let url: Uri = format!("http://{address}").parse()?;
        let config = ClientConfig::new(url.clone()).with_protocol(Protocol::Grpc);
        let rpc = MerchantAuthenticationServiceClient::new(HttpClient::plaintext_http2_only(), config);
        let vendor = vendor_client();
        Ok(Self { target, rpc, vendor, url, name, calls: 0 })
    }

    /// One call. An answer that is not a token of this call is an error.
    pub(crate) async fn call(&mut self) -> Result {
        self.calls += 1;
        if self.target == Target::Vendor {
            let request = Request::post(self.url.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", "Basic aWQtMTpzZWNyZXQtMQ==")
                .body(Full::new(Bytes::from_static(EXCHANGE_BODY)))?;
            let reply = self.vendor.request(request).await?.into_body().collect().await?.to_bytes();
            return if reply.starts_with(b"{\"access_token\"") { Ok(()) } else { Err("no token".into()) };
        }
        let reference = match self.target {
            Target::Replayed => self.name.clone(),
            _ => format!("{}-{}", self.name, self.calls),
        };
        let options = CallOptions::default()
            .with_timeout(Duration::from_secs(60))
            .with_header("x-connector", "paypal")
            .with_header("x-connector-auth", r#"{"Paypal":{"client_id":"id-1","client_secret":"secret-1"}}"#);
        let data = StringValue { value: r#"{"domains":["shop.example"]}"#.into(), ..Default::default() };
        let request = CreateAccessTokenRequest {
            merchant_access_token_id: reference.clone(),
            connector: Connector::PAYPAL.into(),
            connector_feature_data: Some(data).into(),
            test_mode: Some(true),
            ..Default::default()
        };
        let answer = self.rpc.create_access_token_with_options(request, options).await?.into_owned_parts().1;
        let good = answer.status == OperationStatus::SUCCESS
            && answer.merchant_access_token_id == reference
            && answer.access_token.as_option().is_some_and(|token| token.value.starts_with("token-"));
        if good { Ok(()) } else { Err(format!("not the answer of this call: {answer:?}").into()) }
    }
}

/// How many tokens the vendor has made.
pub(crate) async fn vendor_count(vendor: SocketAddr) -> Result<u64> {
    let request = Request::get(format!("http://{vendor}{COUNT_PATH}")).body(Full::default())?;
    let reply = vendor_client().request(request).await?.into_body().collect().await?.to_bytes();
    Ok(std::str::from_utf8(&reply)?.parse()?)
}

fn vendor_client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}
