//! Requests that cannot be decoded: answered without repeating what they contain, and logged like every other call.

use connectors::{Error, Kind};
use connectrpc::{
    ConnectError, ErrorCode, Interceptor,
    interceptor::{Next, UnaryRequest, UnaryResponse},
};

use crate::{call_log::CallLog, rpc::REQUEST_ID, status};

/// Watches for failures that happened before the service was reached. Those of the service carry details, these do not.
pub struct Undecodable;

#[connectrpc::async_trait]
impl Interceptor for Undecodable {
    async fn intercept_unary(&self, request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        let ours = request.ctx.path().is_some_and(|path| path.contains("MerchantAuthenticationService/"));
        let id = request.ctx.header(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let answer = next.run(request).await;
        match answer {
            Err(error) if ours && error.details.is_empty() && error.code == ErrorCode::InvalidArgument => {
                let error = Error::new(
                    Kind::InvalidRequest,
                    "the request message cannot be decoded; its fields and their types are in \
                     proto/ucs/v2/merchant_authentication.proto",
                );
                let mut log = CallLog::start(Some(&id), None);
                let connect = status::to_connect(&error, None);
                log.end(&Err(error));
                Err(connect)
            }
            answer => answer,
        }
    }
}
