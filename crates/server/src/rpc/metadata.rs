//! Request metadata (HTTP headers): the connector, the credentials, the caller's key. Uses `auth`
//! and the parser of credentials in `daypass`. Used by `rpc`, and by `listen` for the
//! request id and the admission.

use connectors::{Error, Kind};
use connectrpc::RequestContext;
use daypass::RawCredentials;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Map;

use crate::auth::{Presented, VerifiedClientCertificate};

/// The header with the id of a request, which the logs and the response repeat.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header with the merchant's id for the logs.
pub(crate) static MERCHANT_ID: HeaderName = HeaderName::from_static("x-merchant-id");

/// The header with the caller's trace (W3C Trace Context).
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header by which a caller names credentials that the operator keeps.
static PROFILE: HeaderName = HeaderName::from_static("x-credential-profile");

/// The header with the connector's name.
static CONNECTOR: HeaderName = HeaderName::from_static("x-connector");

/// The header with the connector's credentials in an object `config`.
static CONNECTOR_CONFIG: HeaderName = HeaderName::from_static("x-connector-config");

/// The header with the connector's credentials without that object, or by position.
static CONNECTOR_AUTH: HeaderName = HeaderName::from_static("x-connector-auth");

/// The header with the form of credentials by position.
static AUTH_FORM: HeaderName = HeaderName::from_static("x-auth");

/// The header by which existing clients would choose the connector's host.
static CONFIG_OVERRIDE: HeaderName = HeaderName::from_static("x-config-override");

/// The headers of credentials by position, and the positions.
static POSITION_HEADERS: [(HeaderName, &str); 4] = [
    (HeaderName::from_static("x-api-key"), "api_key"),
    (HeaderName::from_static("x-key1"), "key1"),
    (HeaderName::from_static("x-api-secret"), "api_secret"),
    (HeaderName::from_static("x-key2"), "key2"),
];

/// The response header with the number of calls to the connector.
pub(crate) static ATTEMPTS: HeaderName = HeaderName::from_static("x-attempts");

/// The response header of a token that its reference had before.
pub(crate) static REPLAYED: HeaderName = HeaderName::from_static("x-idempotent-replayed");

/// A header as text, or `None` where it is absent or not visible ASCII.
pub(crate) fn text<'a>(context: &'a RequestContext, name: &HeaderName) -> Option<&'a str> {
    context.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Whether the caller refuses a cached token (RFC 9111 section 5.2.1.4).
pub(crate) fn refuses_cached(context: &RequestContext) -> bool {
    text(context, &header::CACHE_CONTROL).is_some_and(|value| value.to_ascii_lowercase().contains("no-cache"))
}

/// The means by which a request authenticates its caller. A key in a wrong form is a wrong key.
pub(crate) fn presented<'a>(headers: &'a HeaderMap, extensions: &'a Extensions) -> Presented<'a> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, further) = (values.next(), values.next());
    let key = first.filter(|_| further.is_none()).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim()).filter(|key| !key.is_empty())
    });
    // A header in another form, or two of them, are a key that is wrong.
    let key = key.or(first.map(|_| ""));
    Presented { key, certificate: extensions.get::<VerifiedClientCertificate>() }
}

/// The connector that the header names.
///
/// # Errors
/// The header is repeated or not ASCII.
pub(crate) fn connector(context: &RequestContext) -> Result<Option<&str>, Error> {
    single_text(context, &CONNECTOR)
}

/// The credential profile that the call names.
///
/// # Errors
/// The header is repeated or not ASCII.
pub(crate) fn profile(context: &RequestContext) -> Result<Option<&str>, Error> {
    single_text(context, &PROFILE)
}

/// The connector's credentials, in every form that clients send. `connector` is the name that the
/// call gives it, for credentials by position.
///
/// # Errors
/// A header is repeated or malformed, or asks for other hosts, or two headers contradict each other.
pub(crate) fn credentials(context: &RequestContext, connector: Option<&str>) -> Result<Option<RawCredentials>, Error> {
    let header =
        |name: &HeaderName| single(context, name).map_err(|fault| RawCredentials::malformed(name.as_str(), fault));
    if header(&CONFIG_OVERRIDE)?.is_some() {
        let why = "callers do not choose where credentials go; the operator sets hosts in the configuration";
        return Err(Error::invalid(CONFIG_OVERRIDE.as_str(), why));
    }
    match (header(&CONNECTOR_AUTH)?, header(&CONNECTOR_CONFIG)?) {
        // Clients that send a named form may send the positions too, as a fallback.
        (None, None) => match header(&AUTH_FORM)? {
            None => Ok(None),
            Some(form) => by_position(context, form, connector).map(Some),
        },
        (Some(auth), None) => RawCredentials::parse_auth(auth.as_bytes(), connector).map(Some),
        (None, Some(config)) => RawCredentials::parse_config(config.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::InvalidCredentials,
            "x-connector-auth and x-connector-config were both sent; send one of them",
        )),
    }
}

/// The credentials in headers of their own.
fn by_position(context: &RequestContext, form: &HeaderValue, connector: Option<&str>) -> Result<RawCredentials, Error> {
    let form = form.to_str().map_err(|_| RawCredentials::malformed(AUTH_FORM.as_str(), "must be ASCII"))?;
    let mut values = Map::new();
    for (header, position) in &POSITION_HEADERS {
        let value = single(context, header).map_err(|fault| RawCredentials::malformed(header.as_str(), fault))?;
        if let Some(value) = value {
            let text = value.to_str().map_err(|_| RawCredentials::malformed(header.as_str(), "must be ASCII"))?;
            values.insert((*position).to_owned(), text.into());
        }
    }
    RawCredentials::by_position(form, connector, values, AUTH_FORM.as_str())
}

/// A header that selects the connector or authenticates. Proxies differ in which value of a
/// repeated header they use, so a repeated one is an error.
fn single<'a>(context: &'a RequestContext, name: &HeaderName) -> Result<Option<&'a HeaderValue>, &'static str> {
    let mut values = context.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err("must be sent once"),
    }
}

fn single_text<'a>(context: &'a RequestContext, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let value = single(context, name).map_err(|fault| Error::invalid(name.as_str(), fault))?;
    value.map(|text| text.to_str().map_err(|_| Error::invalid(name.as_str(), "must be ASCII"))).transpose()
}
