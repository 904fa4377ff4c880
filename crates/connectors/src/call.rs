use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Kind, Refusal, Result, Secret, Step, Timestamp, encoding::base64};

/// One HTTP request to a vendor, complete to the last byte.
///
/// `Debug` shows method, host and path; never a header's value, a query or a body.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where it goes. Its host is always one of the connector's own.
    pub uri: Uri,
    /// Headers. Those that hold a secret are marked sensitive.
    pub headers: HeaderMap,
    /// The body, empty where there is none.
    pub body: Bytes,
    /// Whether sending it twice does no harm (it makes one more token at most, or the vendor recognises the repetition).
    pub repeatable: bool,
    /// A client certificate and its private key, both PEM, for vendors that want mutual TLS.
    pub client_certificate: Option<(Secret, Secret)>,
    fault: Option<Error>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.uri.host().unwrap_or_default();
        write!(f, "{} {host}{} ({} bytes)", self.method, self.uri.path(), self.body.len())
    }
}

impl Call {
    fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            repeatable: false,
            client_certificate: None,
            fault: None,
        }
    }

    /// A `POST`.
    pub fn post(uri: Uri) -> Self {
        Self::new(Method::POST, uri)
    }

    /// A `GET`, which may be repeated.
    pub fn get(uri: Uri) -> Self {
        Self { repeatable: true, ..Self::new(Method::GET, uri) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.put(HeaderName::from_static(name), value, false)
    }

    /// Adds a header whose value is secret.
    #[must_use]
    pub fn secret_header(self, name: &'static str, value: &str) -> Self {
        self.put(HeaderName::from_static(name), value, true)
    }

    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.put(header::AUTHORIZATION, &format!("Bearer {token}"), true)
    }

    /// `Authorization: Basic` (RFC 7617 section 2): the two are joined as they are.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.put(header::AUTHORIZATION, &format!("Basic {}", base64(format!("{user}:{password}"))), true)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body(bytes, "application/json"),
            Err(_) => {
                self.fault = Some(Error::new(Kind::Internal, "a request body could not be written as JSON"));
                self
            }
        }
    }

    /// The body as a form.
    #[must_use]
    pub fn form(self, form: FormBody) -> Self {
        self.body(form.0.into_bytes(), "application/x-www-form-urlencoded")
    }

    /// The body as bytes of a media type. Signed bodies are made once and given here.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Says that sending it twice does no harm.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Presents a client certificate.
    #[must_use]
    pub fn client_certificate(mut self, certificate: &Secret, private_key: &Secret) -> Self {
        self.client_certificate = Some((certificate.clone(), private_key.clone()));
        self
    }

    /// The call as the next step of an exchange.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`] or [`Kind::InvalidRequest`] where a value cannot stand in a header.
    pub fn send(self) -> Result<Step> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(Step::Call(self)),
        }
    }

    fn put(mut self, name: HeaderName, value: &str, secret: bool) -> Self {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(secret);
                self.headers.insert(name, value);
            }
            Err(_) if secret => {
                self.fault = Some(Error::new(
                    Kind::InvalidCredentials,
                    format!("a credential has characters that the header {name} cannot carry"),
                ));
            }
            Err(_) => {
                self.fault = Some(Error::new(
                    Kind::InvalidRequest,
                    format!("a value has characters that the connector's header {name} cannot carry"),
                ));
            }
        }
        self
    }
}

/// A body of `application/x-www-form-urlencoded` pairs, in the order in which they are added.
#[derive(Clone, Default)]
pub struct FormBody(String);

impl FormBody {
    /// A form without pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.0 = form_urlencoded::Serializer::new(std::mem::take(&mut self.0)).append_pair(name, value).finish();
        self
    }

    /// Adds a pair where there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Whether it has no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoded text, for a query or a signature.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a vendor answered.
///
/// `Debug` shows the status and the size; never a header or the body.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 1 MiB.
    pub body: Bytes,
    /// When the call was sent: the moment before its first byte left.
    pub sent_at: Timestamp,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer to a call that succeeded; otherwise the error that `refusal` reads from it.
    ///
    /// # Errors
    /// The refusal, or [`Kind::BadReply`] where the body is not as documented.
    pub fn accept<T: DeserializeOwned>(&self, refusal: impl FnOnce(&Reply) -> Refusal) -> Result<T> {
        self.succeed(refusal)?;
        self.json()
    }

    /// Nothing where the call succeeded; otherwise the error that `refusal` reads from it.
    ///
    /// # Errors
    /// The refusal. A redirect is [`Kind::BadReply`]: none is documented, none is followed.
    pub fn succeed(&self, refusal: impl FnOnce(&Reply) -> Refusal) -> Result<()> {
        match self.status {
            200..300 => Ok(()),
            400..600 => Err(self.refuse(refusal(self))),
            _ => Err(Error::bad_reply(format!("the connector answered with status {}", self.status))),
        }
    }

    /// The error of a refusal that came with this reply.
    pub fn refuse(&self, refusal: Refusal) -> Error {
        // RFC 9110 section 10.2.3, and as Cashfree says the same.
        let names = ["retry-after", "x-ratelimit-retry"];
        let seconds = names.iter().find_map(|name| self.header(name)?.parse().ok());
        Error {
            retry_after: seconds.map(std::time::Duration::from_secs),
            ..Error::refused(Refusal { status: self.status, ..refusal })
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Kind::BadReply`] where it is not the JSON that is documented.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| Error::bad_reply("the connector's answer is not as documented"))
    }

    /// The body as JSON, or nothing: for error bodies, which gateways on the way may have replaced.
    pub fn lenient<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Kind::BadReply`] where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::bad_reply("the connector's answer is not text"))
    }

    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_back() {
        for (headers, want) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("x-ratelimit-retry", "9")], Some(9)),
            (&[("x-ratelimit-retry", "9"), ("retry-after", "7")], Some(7)),
            (&[("retry-after", "Thu, 01 Jan 2026 00:00:00 GMT")], None),
            (&[], None),
        ] {
            let headers =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let reply =
                Reply { status: 429, headers: headers.collect(), body: Bytes::new(), sent_at: Timestamp::UNIX_EPOCH };
            assert_eq!(reply.refuse(Refusal::default()).retry_after, want.map(Duration::from_secs), "{reply:?}");
        }
    }
}
