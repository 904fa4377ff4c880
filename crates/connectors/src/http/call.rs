//! One HTTP request to a connector.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Serialize;

use super::form::FormBody;
use crate::{
    encoding::base64,
    error::{Error, Kind, Result},
    secret::Secret,
};

/// Whether a header's value may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sensitivity {
    Public,
    Secret,
}

/// One HTTP request to a connector, complete to the last byte.
///
/// `Debug` shows method, host and path; never a header's value, a query or a body.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The URL. Its host is always one of the connector's own.
    pub uri: Uri,
    /// Headers. Those that hold a secret are marked sensitive.
    pub headers: HeaderMap,
    /// The body, empty where there is none.
    pub body: Bytes,
    /// Whether sending it twice does no harm: it makes one more token at most, or the connector
    /// recognises the repetition.
    pub repeatable: bool,
    /// A client certificate and its private key, both PEM, for mutual TLS.
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
        self.put(HeaderName::from_static(name), value, Sensitivity::Public)
    }

    /// Adds a header whose value is secret.
    #[must_use]
    pub fn secret_header(self, name: &'static str, value: &str) -> Self {
        self.put(HeaderName::from_static(name), value, Sensitivity::Secret)
    }

    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.put(header::AUTHORIZATION, &format!("Bearer {token}"), Sensitivity::Secret)
    }

    /// `Authorization: Basic` (RFC 7617 section 2): the two are joined as they are.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let credentials = base64([user, ":", password].concat());
        self.put(header::AUTHORIZATION, &["Basic ", &credentials].concat(), Sensitivity::Secret)
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
        self.body(form.into_bytes(), "application/x-www-form-urlencoded")
    }

    /// The body as bytes of a media type. Signed bodies are made once and given here.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Marks it as one that may be sent twice ([`Call::repeatable`]).
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

    /// The call, where every value could be put into it.
    pub(crate) fn sound(self) -> Result<Self> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self),
        }
    }

    fn put(mut self, name: HeaderName, value: &str, sensitivity: Sensitivity) -> Self {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(sensitivity == Sensitivity::Secret);
                self.headers.insert(name, value);
            }
            Err(_) if sensitivity == Sensitivity::Secret => {
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
