//! The RPC: metadata and message in, one call of the engine, message out, one log line.

use std::{sync::Arc, time::Duration};

use connectors::{Error, Kind};
use connectrpc::{RequestContext, Response, ServiceRequest, ServiceResult};
use daypass::{Engine, IncomingRequest, IssuedToken, RawCredentials, Transport};
use http::HeaderValue;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    answer::{self, ExpiresIn},
    call_log::CallLog,
    callers::Callers,
    protocol::{
        types,
        ucs::v2::{
            self, Connector, MerchantAuthenticationServiceCreateAccessTokenRequest as TokenRequestMessage,
            MerchantAuthenticationServiceCreateAccessTokenResponse as TokenResponseMessage,
        },
    },
    status::{self, Answered},
};

/// The header under which callers give a call a name, and find it in the logs.
pub const REQUEST_ID: &str = "x-request-id";

/// The header that tells how many calls to the connector were made.
const ATTEMPTS: &str = "x-attempts";

/// In what a path differs from the others.
#[derive(Clone, Copy)]
struct Method {
    /// Whether the path itself asks for a SERVER token.
    server_token: bool,
    expires_in: ExpiresIn,
}

/// The service behind all three paths.
pub struct TokenService {
    engine: Arc<Engine<Transport>>,
    callers: Callers,
    places: Semaphore,
}

impl TokenService {
    /// A service that lets these callers use this engine.
    pub fn new(engine: Arc<Engine<Transport>>, callers: Callers) -> Self {
        let places = Semaphore::new(engine.settings().limits.max_callers);
        Self { engine, callers, places }
    }

    async fn create(
        &self,
        context: &RequestContext,
        message: &ServiceRequest<'_, TokenRequestMessage>,
        method: Method,
    ) -> ServiceResult<TokenResponseMessage> {
        let header = |name: &str| context.header(name).and_then(|value| value.to_str().ok());
        let mut log = CallLog::start(header(REQUEST_ID), header("x-merchant-id"));
        let deadline = self.deadline(context);

        let connector = message.connector;
        let request = |header_connector| IncomingRequest {
            reference: message.merchant_access_token_id,
            connector: connector_name(connector.to_i32()),
            header_connector,
            credentials: credentials(context),
            metadata: message.metadata.as_option().map(|text| text.value),
            feature_data: message.connector_feature_data.as_option().map(|text| text.value),
            test_mode: message.test_mode,
            server_token: method.server_token,
            fresh: header("cache-control").is_some_and(|value| value.to_ascii_lowercase().contains("no-cache")),
        };
        let result = match (self.places.try_acquire(), self.callers.admit(context)) {
            (Ok(_place), Ok(caller)) => {
                log.caller = caller;
                match connector_header(context) {
                    Ok(name) => self.engine.create_access_token(request(name), deadline, &mut log.report).await,
                    Err(error) => Err(error),
                }
            }
            (Err(_), _) => Err(Error::new(Kind::Overloaded, "too many calls are under way")),
            (_, Err(error)) => Err(error),
        };
        log.end(&result);
        reply(message.merchant_access_token_id, &result, method.expires_in, &log)
    }

    /// When the answer must be on its way: the caller's deadline less a margin, within the operator's bounds.
    fn deadline(&self, context: &RequestContext) -> Instant {
        let asked =
            context.time_remaining().map(|time| time.saturating_sub((time / 10).min(Duration::from_millis(50))));
        Instant::now() + self.engine.settings().limits.time_for(asked)
    }
}

/// A pass or a refusal is an answer; everything else is an error.
fn reply(
    reference: &str,
    result: &Result<IssuedToken, Error>,
    expires_in: ExpiresIn,
    log: &CallLog,
) -> ServiceResult<TokenResponseMessage> {
    let body = match result {
        Ok(pass) => answer::success(reference, pass, expires_in),
        Err(error) => match status::answered(error.kind) {
            Answered::AsStatus(status) => answer::refusal(reference, status, error, &log.report),
            Answered::AsError(_) => {
                let mut failed = status::to_connect(error, log.report.connector);
                failed.response_headers_mut().insert(ATTEMPTS, log.report.attempts.into());
                return Err(failed);
            }
        },
    };
    let mut response = Response::new(body).with_header(ATTEMPTS, log.report.attempts.to_string());
    if log.report.replayed {
        response = response.with_header("x-idempotent-replayed", "true");
    }
    if let Some(delay) = result.as_ref().err().and_then(status::retry_after) {
        response = response.with_header("retry-after", delay.as_secs().to_string());
    }
    Ok(response)
}

/// The enum's name in lower case; nothing where the field is unset, a name that no connector has where it is unknown.
fn connector_name(number: i32) -> Option<&'static str> {
    use buffa::Enumeration as _;
    match Connector::from_i32(number) {
        Some(Connector::CONNECTOR_UNSPECIFIED) => None,
        Some(connector) => Some(connector.proto_name()),
        None => Some("(unknown number)"),
    }
}

/// A header that says what the call is, or who calls. One that is there twice, or that proxies read in different ways, is refused
/// and not guessed at.
pub fn single<'a>(context: &'a RequestContext, name: &str) -> Result<Option<&'a HeaderValue>, &'static str> {
    let mut values = context.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err("must be sent once"),
    }
}

fn connector_header(context: &RequestContext) -> Result<Option<&str>, Error> {
    let value = single(context, "x-connector").map_err(|fault| Error::invalid("x-connector", fault))?;
    value.map(|name| name.to_str().map_err(|_| Error::invalid("x-connector", "must be ASCII"))).transpose()
}

fn credentials(context: &RequestContext) -> Result<Option<RawCredentials>, Error> {
    let header = |name| single(context, name).map_err(|fault| RawCredentials::malformed(name, fault));
    match (header("x-connector-auth")?, header("x-connector-config")?) {
        (None, None) => Ok(None),
        (Some(auth), None) => RawCredentials::parse(auth.as_bytes()).map(Some),
        (None, Some(config)) => RawCredentials::parse_config(config.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::InvalidCredentials,
            "x-connector-auth and x-connector-config were both sent; send one of them",
        )),
    }
}

#[expect(refining_impl_trait, reason = "the message itself is the answer")]
impl v2::MerchantAuthenticationService for TokenService {
    async fn create_access_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, TokenRequestMessage>,
    ) -> ServiceResult<TokenResponseMessage> {
        self.create(&context, &request, Method { server_token: false, expires_in: ExpiresIn::Moment }).await
    }
}

#[expect(refining_impl_trait, reason = "the message itself is the answer")]
impl types::MerchantAuthenticationService for TokenService {
    async fn create_access_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, TokenRequestMessage>,
    ) -> ServiceResult<TokenResponseMessage> {
        self.create(&context, &request, Method { server_token: false, expires_in: ExpiresIn::Duration }).await
    }

    async fn create_server_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, TokenRequestMessage>,
    ) -> ServiceResult<TokenResponseMessage> {
        self.create(&context, &request, Method { server_token: true, expires_in: ExpiresIn::Duration }).await
    }
}
