//! The RPC service: reads metadata and message, calls the engine once, writes the response and one
//! line of the access log. Uses `auth`, `access_log` and the engine. Used by `server`; the command
//! `token` uses `response` and `errors`.

pub(crate) mod errors;
pub(crate) mod health;
pub(crate) mod json_request;
pub(crate) mod metadata;
mod methods;
pub(crate) mod response;
mod session;

use std::{pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use buffa::Enumeration as _;
use buffa_types::google::protobuf::StringValue;
use connectors::{Error, Kind, Nonce};
use connectrpc::{Protocol, RequestContext, Response, ServiceRequest, ServiceResult};
use daypass::{Engine, IncomingRequest, IssuedToken, Transport, random};
use http::{HeaderValue, header};
use protocol::{
    CreateAccessTokenRequest, CreateAccessTokenResponse,
    ucs::v2::{
        Connector, MerchantAuthenticationServiceCreateClientAuthenticationTokenRequest as ClientRequest,
        MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse as ClientResponse,
        MerchantAuthenticationServiceCreateSdkSessionTokenRequest as EarlierClientRequest,
        MerchantAuthenticationServiceCreateSdkSessionTokenResponse as EarlierClientResponse,
        MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenRequest as ServerRequest,
        MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenResponse as ServerResponse,
        MerchantAuthenticationServiceCreateSessionTokenRequest as EarlierServerRequest,
        MerchantAuthenticationServiceCreateSessionTokenResponse as EarlierServerResponse, OperationStatus,
    },
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::{Instrument, Span};

use crate::{
    access_log::{AccessLog, AccessLogEntry, Arrival},
    auth::{AdmittedCaller, Authenticator},
    telemetry::spans,
};
use errors::KindMapping;
use metadata::{ATTEMPTS, MERCHANT_ID, REPLAYED, TRACEPARENT};
use response::ExpiresIn;
use session::{Members, SessionResponse};

/// The time between the engine's deadline and the caller's is a tenth of the caller's time, and
/// this at most: the response needs some time to reach the caller.
const MAX_RESPONSE_MARGIN: Duration = Duration::from_millis(50);

/// The two packages that have the service.
#[derive(Clone, Copy, PartialEq)]
enum Package {
    /// `ucs.v2`, the documented one.
    Ucs,
    /// `types`, which existing clients call.
    Types,
}

impl Package {
    const fn expires_in(self) -> ExpiresIn {
        match self {
            Self::Ucs => ExpiresIn::UnixTime,
            Self::Types => ExpiresIn::Duration,
        }
    }

    /// How long a shared token should still live. The cache of existing clients takes 15 seconds off
    /// its lifetime, and they use it some seconds later.
    const fn wanted_left(self) -> Option<Duration> {
        match self {
            Self::Ucs => None,
            Self::Types => Some(Duration::from_secs(30)),
        }
    }
}

/// The request of any method, in the terms of the engine.
struct Asked<'a> {
    reference: &'a str,
    /// A request of `types` without a reference gets one of its own, which nobody can use again.
    package: Package,
    /// The connector that the message names.
    connector: Option<&'a str>,
    metadata: Option<&'a str>,
    feature_data: Option<&'a str>,
    test_mode: Option<bool>,
    /// Whether the method itself asks for a SERVER token.
    server_token: bool,
    /// The members of a session request.
    members: Option<&'a Members>,
}

/// The implementation of all methods.
pub(crate) struct TokenService {
    engine: Arc<Engine<Transport>>,
    authenticator: Arc<ArcSwap<Authenticator>>,
    permits: Semaphore,
    log: Arc<AccessLog>,
}

impl TokenService {
    /// A service over this engine for these callers, with its calls in this log.
    pub(crate) fn new(
        engine: Arc<Engine<Transport>>,
        authenticator: Arc<ArcSwap<Authenticator>>,
        log: Arc<AccessLog>,
    ) -> Self {
        let permits = Semaphore::new(engine.settings().limits.max_callers);
        Self { engine, authenticator, permits, log }
    }

    async fn create(
        &self,
        context: &RequestContext,
        message: &ServiceRequest<'_, CreateAccessTokenRequest>,
        package: Package,
        server_token: bool,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        let reference = message.merchant_access_token_id;
        let asked = Asked {
            reference,
            package,
            connector: connector_name(message.connector.to_i32()),
            metadata: message.metadata.as_option().map(|text| text.value),
            feature_data: message.connector_feature_data.as_option().map(|text| text.value),
            test_mode: message.test_mode,
            server_token,
            members: None,
        };
        let (result, entry) = self.traced(context, asked).await;
        respond(
            result,
            &entry,
            |issued| Ok(response::success(reference, issued, package.expires_in())),
            |status, error| response::refusal(reference, status, error, &entry.report),
        )
    }

    async fn client_session(
        &self,
        context: &RequestContext,
        request: ClientRequest,
        package: Package,
    ) -> ServiceResult<ClientResponse> {
        let reference = request.merchant_client_session_id.clone();
        let (data, test_mode) = (request.connector_feature_data.as_option().cloned(), request.test_mode);
        let members = Members::of_client(request);
        self.session(context, &reference, data, test_mode, package, &members, |connector, issued| {
            session::client(connector, issued, &members, session::paypal_client_id(context, Some(connector)))
        })
        .await
    }

    async fn earlier_client_session(
        &self,
        context: &RequestContext,
        request: EarlierClientRequest,
        package: Package,
    ) -> ServiceResult<EarlierClientResponse> {
        let reference = request.merchant_sdk_session_id.clone();
        let data = request.connector_feature_data.as_option().cloned();
        let members = Members::of_earlier_client(request);
        self.session(context, &reference, data, None, package, &members, |connector, issued| {
            session::earlier_client(connector, issued, &members, session::paypal_client_id(context, Some(connector)))
        })
        .await
    }

    async fn server_session(
        &self,
        context: &RequestContext,
        request: ServerRequest,
        package: Package,
    ) -> ServiceResult<ServerResponse> {
        let reference = request.merchant_server_session_id.clone().unwrap_or_default();
        let (data, test_mode) = (request.connector_feature_data.as_option().cloned(), request.test_mode);
        let members = Members::of_server(request);
        let answer = |_: &str, issued: &IssuedToken| Ok(session::server(issued));
        self.session(context, &reference, data, test_mode, package, &members, answer).await
    }

    async fn earlier_server_session(
        &self,
        context: &RequestContext,
        request: EarlierServerRequest,
        package: Package,
    ) -> ServiceResult<EarlierServerResponse> {
        let reference = request.merchant_session_id.clone().unwrap_or_default();
        let (data, test_mode) = (request.connector_feature_data.as_option().cloned(), request.test_mode);
        let members = Members::of_earlier_server(request);
        let answer = |_: &str, issued: &IssuedToken| Ok(session::earlier_server(issued));
        self.session(context, &reference, data, test_mode, package, &members, answer).await
    }

    /// A session call: one call to the engine, whose token `answer` puts into the form of the
    /// connector.
    #[expect(clippy::too_many_arguments, reason = "the members that the four requests share")]
    async fn session<R: SessionResponse>(
        &self,
        context: &RequestContext,
        reference: &str,
        feature_data: Option<StringValue>,
        test_mode: Option<bool>,
        package: Package,
        members: &Members,
        answer: impl Fn(&str, &IssuedToken) -> Result<R, Error>,
    ) -> ServiceResult<R> {
        let asked = Asked {
            reference,
            package,
            connector: None,
            metadata: members.metadata.as_deref(),
            feature_data: feature_data.as_ref().map(|text| text.value.as_str()),
            test_mode,
            server_token: false,
            members: Some(members),
        };
        let (result, entry) = self.traced(context, asked).await;
        let connector = entry.report.connector.unwrap_or_default();
        respond(
            result,
            &entry,
            |issued| Ok(answer(connector, &issued)?.with_token(reference, &issued)),
            |status, error| session::refused(reference, status, error, &entry.report),
        )
    }

    /// One call to the engine, in a span.
    async fn traced(&self, context: &RequestContext, asked: Asked<'_>) -> (Result<IssuedToken, Error>, AccessLogEntry) {
        let span = spans::of_call(
            context.path().unwrap_or_default().trim_start_matches('/'),
            system(context),
            metadata::text(context, &TRACEPARENT),
        );
        let token = pin!(self.token(context, asked, span.clone()));
        let (result, entry) = token.instrument(span.clone()).await;
        if !span.is_disabled() {
            record(&span, &result);
        }
        (result, entry)
    }

    /// One call to the engine for any method, with its line of the access log.
    async fn token(
        &self,
        context: &RequestContext,
        asked: Asked<'_>,
        span: Span,
    ) -> (Result<IssuedToken, Error>, AccessLogEntry) {
        let [merchant_id, traceparent] = [&MERCHANT_ID, &TRACEPARENT].map(|name| metadata::text(context, name));
        let arrival = Arrival::of(context.extensions());
        let caller = self.caller(context, &arrival);
        let mut entry = AccessLogEntry::start(&self.log, arrival, merchant_id, traceparent, span);
        let result = match (self.permits.try_acquire(), caller) {
            (Ok(_permit), Ok(caller)) => {
                entry.caller = caller;
                match entry.begin_audit(asked.reference).await {
                    Ok(()) => self.checked(context, asked, &mut entry).await,
                    Err(error) => Err(error),
                }
            }
            (Err(_), Ok(_)) => {
                entry.audit_refusal();
                Err(Error::new(Kind::Overloaded, "too many calls are under way"))
            }
            (_, Err(error)) => Err(error),
        };
        let result = entry.end_audited(result).await;
        (result, entry)
    }

    /// The caller that the listener admitted. A stranger gets the reason.
    fn caller(&self, context: &RequestContext, arrival: &Arrival) -> Result<Option<Arc<str>>, Error> {
        match &arrival.caller {
            Some(AdmittedCaller(caller)) => Ok(caller.clone()),
            None => {
                let presented = metadata::presented(context.headers(), context.extensions());
                self.authenticator.load().authenticate(&presented)?;
                // Its message was not read.
                Err(Error::new(Kind::Unauthenticated, "the caller was not known when the call began; call again"))
            }
        }
    }

    /// The call of an admitted caller.
    async fn checked(
        &self,
        context: &RequestContext,
        asked: Asked<'_>,
        entry: &mut AccessLogEntry,
    ) -> Result<IssuedToken, Error> {
        let header_connector = metadata::connector(context)?;
        let own_reference = match asked.package == Package::Types && asked.reference.is_empty() {
            true => Some(new_reference()),
            false => None,
        };
        let credentials = metadata::credentials(context, header_connector.or(asked.connector));
        let profile = metadata::profile(context)?;
        let mapped = match asked.members {
            Some(members) => {
                let settings = self.engine.settings();
                let named = match &credentials {
                    Ok(Some(credentials)) => Some(credentials.connector.as_str()),
                    Ok(None) => settings.profile_connector(entry.caller.as_deref(), profile),
                    Err(_) => None,
                };
                let connector = header_connector.or(named);
                Some(session::map(members, connector, asked.feature_data, asked.reference)?)
            }
            None => None,
        };
        let request = IncomingRequest {
            of_session: asked.members.is_some(),
            reference: own_reference.as_deref().unwrap_or(asked.reference),
            connector: asked.connector,
            header_connector,
            credentials,
            profile,
            metadata: asked.metadata,
            feature_data: match &mapped {
                Some(mapped) => mapped.feature_data.as_deref(),
                None => asked.feature_data,
            },
            test_mode: asked.test_mode,
            server_token: asked.server_token,
            fresh: metadata::refuses_cached(context),
            wanted_left: asked.package.wanted_left(),
            caller: entry.caller.as_deref(),
        };
        let result = self.engine.create_access_token(request, self.deadline(context), &mut entry.report).await;
        match mapped {
            Some(mapped) => result.map_err(|error| mapped.in_own_words(error)),
            None => result,
        }
    }

    /// The engine's deadline: the caller's, less a margin, within the operator's limits.
    fn deadline(&self, context: &RequestContext) -> Instant {
        let asked = context.time_remaining().map(|time| time.saturating_sub((time / 10).min(MAX_RESPONSE_MARGIN)));
        Instant::now() + self.engine.settings().limits.time_for(asked)
    }
}

/// The protocol of a call, in the words of the semantic conventions.
fn system(context: &RequestContext) -> &'static str {
    match context.protocol() {
        Some(Protocol::Grpc | Protocol::GrpcWeb) => "grpc",
        _ => "connectrpc",
    }
}

/// The codes that are errors of a server's span. The others are the caller's mistakes (semantic
/// conventions for gRPC spans).
const SERVICE_FAULTS: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// The outcome of a call for its span. A connector's refusal is a response, and no error of the RPC.
fn record(span: &Span, result: &Result<IssuedToken, Error>) {
    let code = match result.as_ref().map_err(|error| errors::mapping(error.kind)) {
        Err(KindMapping::Code(code)) => code.as_str().to_ascii_uppercase(),
        Ok(_) | Err(KindMapping::Status(_)) => "OK".to_owned(),
    };
    if SERVICE_FAULTS.contains(&code.as_str()) {
        span.record("otel.status_code", "ERROR");
    }
    if code != "OK" {
        span.record("error.type", code.as_str());
    }
    span.record("rpc.response.status_code", code);
}

/// The response for a token or a connector's refusal, the error for everything else.
fn respond<R>(
    result: Result<IssuedToken, Error>,
    entry: &AccessLogEntry,
    token: impl FnOnce(IssuedToken) -> Result<R, Error>,
    refusal: impl FnOnce(OperationStatus, &Error) -> R,
) -> ServiceResult<R> {
    let retry_after = result.as_ref().err().and_then(errors::retry_after);
    let message = match result {
        Ok(issued) => token(issued).map_err(|error| errors::to_connect(&error, entry.report.connector))?,
        Err(error) => match errors::mapping(error.kind) {
            KindMapping::Status(status) => refusal(status, &error),
            KindMapping::Code(_) => {
                let mut failed = errors::to_connect(&error, entry.report.connector);
                failed.response_headers_mut().insert(&ATTEMPTS, entry.report.attempts.into());
                // A gRPC client with a retry policy waits so long before its next attempt (gRFC A6).
                if let Some(delay) = error.retry_after.and(retry_after) {
                    let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                    failed.trailers_mut().insert("grpc-retry-pushback-ms", milliseconds.into());
                }
                return Err(failed);
            }
        },
    };
    let mut response = Response::new(message);
    response.headers.insert(&ATTEMPTS, entry.report.attempts.into());
    if entry.report.replayed {
        response.headers.insert(&REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(delay) = retry_after {
        response.headers.insert(header::RETRY_AFTER, delay.as_secs().into());
    }
    Ok(response)
}

/// A reference for a request that has none.
fn new_reference() -> String {
    Nonce(random::bytes()).uuid()
}

/// The name of an enum value. An unset field has none; an unknown number has one that no connector
/// has, so that the engine refuses it.
fn connector_name(number: i32) -> Option<&'static str> {
    match Connector::from_i32(number) {
        Some(Connector::CONNECTOR_UNSPECIFIED) => None,
        Some(connector) => Some(connector.proto_name()),
        None => Some("(unknown number)"),
    }
}
