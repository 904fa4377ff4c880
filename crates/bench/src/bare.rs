//! The floor: the same RPC on the same stack, without checks, store, policy and log. It forwards each
//! call to the vendor over pooled connections, or replies at once.

use std::net::SocketAddr;

use buffa_types::google::protobuf::StringValue;
use bytes::Bytes;
use connectrpc::{ConnectError, ConnectRpcService, RequestContext, Response, Router, ServiceRequest, ServiceResult};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use protocol::{
    CreateAccessTokenRequest, CreateAccessTokenResponse,
    ucs::v2::{self, MerchantAuthenticationService, MerchantAuthenticationServiceExt, OperationStatus},
};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{Result, calls::EXCHANGE_BODY};

struct Bare {
    vendor: Option<Uri>,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Deserialize)]
struct Made {
    access_token: String,
    token_type: String,
    expires_in: i64,
    scope: String,
}

impl Bare {
    async fn token(&self) -> Result<Made> {
        let Some(vendor) = self.vendor.clone() else {
            let (access_token, token_type, scope) = ("token-0".into(), "Bearer".into(), "orders".into());
            return Ok(Made { access_token, token_type, expires_in: 3600, scope });
        };
        let request = Request::post(vendor)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", "Basic aWQtMTpzZWNyZXQtMQ==")
            .body(Full::new(Bytes::from_static(EXCHANGE_BODY)))?;
        let reply = self.client.request(request).await?.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&reply)?)
    }
}

/// A method that the bench does not call.
macro_rules! not_served {
    ($method:ident, $request:ty, $response:ty) => {
        async fn $method(&self, _: RequestContext, _: ServiceRequest<'_, $request>) -> ServiceResult<$response> {
            Err(ConnectError::unimplemented("the bench does not call it"))
        }
    };
}

#[expect(refining_impl_trait, reason = "the trait's own return type hides the message")]
impl MerchantAuthenticationService for Bare {
    not_served!(create_server_authentication_token, CreateAccessTokenRequest, CreateAccessTokenResponse);
    not_served!(
        create_client_authentication_token,
        v2::MerchantAuthenticationServiceCreateClientAuthenticationTokenRequest,
        v2::MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse
    );
    not_served!(
        create_server_session_authentication_token,
        v2::MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenRequest,
        v2::MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenResponse
    );
    not_served!(
        create_sdk_session_token,
        v2::MerchantAuthenticationServiceCreateSdkSessionTokenRequest,
        v2::MerchantAuthenticationServiceCreateSdkSessionTokenResponse
    );
    not_served!(
        create_session_token,
        v2::MerchantAuthenticationServiceCreateSessionTokenRequest,
        v2::MerchantAuthenticationServiceCreateSessionTokenResponse
    );

    async fn create_access_token(
        &self,
        _: RequestContext,
        request: ServiceRequest<'_, CreateAccessTokenRequest>,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        let made = self.token().await.map_err(|error| ConnectError::unavailable(error.to_string()))?;
        Ok(Response::new(CreateAccessTokenResponse {
            access_token: Some(StringValue { value: made.access_token, ..Default::default() }).into(),
            token_type: made.token_type,
            expires_in_seconds: Some(made.expires_in),
            status: OperationStatus::SUCCESS.into(),
            status_code: 200,
            merchant_access_token_id: request.merchant_access_token_id.into(),
            scopes: vec![made.scope],
            ..Default::default()
        }))
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(address: SocketAddr, vendor: Option<Uri>) -> Result {
    let listener = TcpListener::bind(address).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let router =
        MerchantAuthenticationServiceExt::register(std::sync::Arc::new(Bare { vendor, client }), Router::new());
    let service = TowerToHyperService::new(ConnectRpcService::new(router));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
