//! Errors: a closed kind, our own words, and the connector's words where it refused.

use std::{borrow::Cow, time::Duration};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every kind of error, grouped by the party at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    // The caller.
    /// A field has a wrong form, or fields contradict each other.
    InvalidRequest,
    /// The connector is not one of the enum's.
    UnknownConnector,
    /// The connector is known, but has no token API, or none of that kind.
    UnsupportedGrant,
    /// An input that the grant needs is absent.
    MissingInput,
    /// No credentials, or credentials of a wrong form.
    InvalidCredentials,
    /// The caller of this service is not authenticated.
    Unauthenticated,
    /// The answer would be a full-access token, which the caller did not ask for.
    ServerTokenNotAskedFor,
    /// The operator's policy does not allow this.
    PolicyDenied,
    /// The reference was used before, with another request.
    ReferenceReused,
    /// The token would live longer than the operator allows.
    LivesTooLong,
    /// The exchange would send a secret again that works once.
    SecretUsedUp,

    // The connector says no.
    /// The connector does not know these credentials.
    CredentialsRejected,
    /// The connector knows the credentials, but they may not do this.
    PermissionDenied,
    /// The connector does not accept the request.
    RequestRejected,
    /// The connector asks for fewer calls.
    RateLimited,
    /// The connector refuses and does not say why.
    Refused,

    // The connector or the network is broken.
    /// No answer in time.
    Timeout,
    /// No connection, a broken one, or the connector says that it is out of order.
    Unavailable,
    /// An answer that is not as documented.
    BadReply,
    /// The host is not the connector's: its certificate, or an address inside this network. Another
    /// attempt fails, too.
    ConnectorNotTrusted,

    // Us.
    /// The caller closed the call.
    Cancelled,
    /// Too many calls in flight.
    Overloaded,
    /// A defect or a misconfiguration of this service.
    Internal,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 23] = [
        Self::InvalidRequest,
        Self::UnknownConnector,
        Self::UnsupportedGrant,
        Self::MissingInput,
        Self::InvalidCredentials,
        Self::Unauthenticated,
        Self::ServerTokenNotAskedFor,
        Self::PolicyDenied,
        Self::ReferenceReused,
        Self::LivesTooLong,
        Self::SecretUsedUp,
        Self::CredentialsRejected,
        Self::PermissionDenied,
        Self::RequestRejected,
        Self::RateLimited,
        Self::Refused,
        Self::Timeout,
        Self::Unavailable,
        Self::BadReply,
        Self::ConnectorNotTrusted,
        Self::Cancelled,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The kind's name in logs, metrics and error details.
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::UnknownConnector => "UNKNOWN_CONNECTOR",
            Self::UnsupportedGrant => "UNSUPPORTED_GRANT",
            Self::MissingInput => "MISSING_INPUT",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::ServerTokenNotAskedFor => "SERVER_TOKEN_NOT_ASKED_FOR",
            Self::PolicyDenied => "POLICY_DENIED",
            Self::ReferenceReused => "REFERENCE_REUSED",
            Self::LivesTooLong => "LIVES_TOO_LONG",
            Self::SecretUsedUp => "SECRET_USED_UP",
            Self::CredentialsRejected => "CREDENTIALS_REJECTED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::RequestRejected => "REQUEST_REJECTED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Refused => "REFUSED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::BadReply => "BAD_REPLY",
            Self::ConnectorNotTrusted => "CONNECTOR_NOT_TRUSTED",
            Self::Cancelled => "CANCELLED",
            Self::Overloaded => "OVERLOADED",
            Self::Internal => "INTERNAL",
        }
    }

    /// The party at fault.
    pub const fn fault(self) -> Fault {
        match self {
            Self::InvalidRequest
            | Self::UnknownConnector
            | Self::UnsupportedGrant
            | Self::MissingInput
            | Self::InvalidCredentials
            | Self::Unauthenticated
            | Self::ServerTokenNotAskedFor
            | Self::PolicyDenied
            | Self::ReferenceReused
            | Self::LivesTooLong
            | Self::SecretUsedUp => Fault::Caller,
            Self::CredentialsRejected
            | Self::PermissionDenied
            | Self::RequestRejected
            | Self::RateLimited
            | Self::Refused => Fault::Connector,
            Self::Timeout | Self::Unavailable | Self::BadReply | Self::ConnectorNotTrusted => Fault::Network,
            Self::Cancelled | Self::Overloaded | Self::Internal => Fault::Daypass,
        }
    }
}

/// The party at fault for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller: the same request fails again.
    Caller,
    /// The connector answered and refused.
    Connector,
    /// The connector, or the network to it, is broken.
    Network,
    /// This service.
    Daypass,
}

impl Fault {
    /// The fault's name in logs and error details.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Connector => "vendor",
            Self::Network => "network",
            Self::Daypass => "daypass",
        }
    }
}

/// A field of the request that is wrong, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Dotted path, e.g. `connector_feature_data.currency`.
    pub field: String,
    /// The fault and the accepted form. Never the value itself.
    pub description: String,
}

/// A refusal in the connector's own words.
///
/// The connector's file fills `code`, `message`, `reason` and, where the HTTP status is not enough,
/// `kind`. The engine shortens the texts and removes credentials before they reach an answer.
/// `Debug` never shows them, as some connectors repeat the key that they refuse.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the reply.
    pub status: u16,
    /// The kind, where the connector's own code is more exact than the status.
    pub kind: Option<Kind>,
    /// The connector's error code.
    pub code: Option<String>,
    /// The connector's message.
    pub message: Option<String>,
    /// Further text: the field, the category, joined details.
    pub reason: Option<String>,
}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.status, self.kind)
    }
}

/// Words of refusals that an earlier request of the merchant is the reason for: its idempotency key
/// or its object's name was used before. Stripe and Cashfree: `idempotency_error`; Square:
/// `IDEMPOTENCY_KEY_REUSED`; GoCardless: `idempotent_creation_conflict`; Cashfree:
/// `order_already_exists`; Airwallex: `duplicate_request`; Paystack: Duplicate Transaction Reference.
const EARLIER_REQUEST: [&str; 4] = ["idempoten", "duplicate", "already exist", "already_exist"];

impl Refusal {
    /// Whether the connector says that an earlier request took the key or the name of this one.
    pub fn blames_earlier_request(&self) -> bool {
        let texts = [&self.code, &self.message, &self.reason];
        texts
            .into_iter()
            .flatten()
            .map(|text| text.to_ascii_lowercase())
            .any(|text| EARLIER_REQUEST.iter().any(|word| text.contains(word)))
    }

    /// A refusal with the connector's code and message; either may be absent.
    pub fn new(code: Option<impl Into<String>>, message: Option<impl Into<String>>) -> Self {
        Self { code: code.map(Into::into), message: message.map(Into::into), ..Self::default() }
    }

    /// Adds further text.
    #[must_use]
    pub fn reason(mut self, reason: Option<impl Into<String>>) -> Self {
        self.reason = reason.map(Into::into);
        self
    }

    /// Sets the kind, where the status alone would mislead.
    #[must_use]
    pub fn kind(mut self, kind: Option<Kind>) -> Self {
        self.kind = kind;
        self
    }

    /// The kind of an HTTP status without a more exact code (RFC 9110 section 15, RFC 6585
    /// section 4).
    pub const fn kind_of_status(status: u16) -> Kind {
        match status {
            401 => Kind::CredentialsRejected,
            403 => Kind::PermissionDenied,
            429 => Kind::RateLimited,
            400..=499 => Kind::RequestRejected,
            500..=599 => Kind::Unavailable,
            _ => Kind::Refused,
        }
    }
}

/// An error: the kind, our own words, and the connector's where it answered.
#[derive(Clone, Debug)]
pub struct Error {
    /// The kind, which decides every code.
    pub kind: Kind,
    /// Our own words, without a secret and without text of the connector.
    pub message: Cow<'static, str>,
    /// The fields of the request that are at fault.
    pub fields: Vec<FieldViolation>,
    /// The connector's words, where it answered with a refusal.
    pub refusal: Option<Box<Refusal>>,
    /// How long to wait before the next call, where it is known.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error of a kind, in our own words.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), fields: Vec::new(), refusal: None, retry_after: None }
    }

    /// A field of the request has a wrong value. `description` states the accepted form and never
    /// repeats the value.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = FieldViolation { field: field.into(), description: description.into() };
        let message = format!("{}: {}", violation.field, violation.description);
        Self { fields: vec![violation], ..Self::new(Kind::InvalidRequest, message) }
    }

    /// A key of `connector_feature_data` has a wrong value.
    pub fn invalid_input(name: &str, description: impl Into<String>) -> Self {
        Self::invalid(format!("connector_feature_data.{name}"), description)
    }

    /// Keys of `connector_feature_data` that the grant needs are absent.
    pub fn missing_inputs(names: &[&str], description: &str) -> Self {
        let fields = names
            .iter()
            .map(|name| FieldViolation {
                field: format!("connector_feature_data.{name}"),
                description: description.into(),
            })
            .collect();
        let message = format!("connector_feature_data lacks {}: {description}", names.join(", "));
        Self { fields, ..Self::new(Kind::MissingInput, message) }
    }

    /// A credential has a wrong form. `description` never repeats the value.
    pub fn invalid_credential(name: &str, description: impl Into<String>) -> Self {
        let violation = FieldViolation { field: format!("credentials.{name}"), description: description.into() };
        let message = format!("{}: {}", violation.field, violation.description);
        Self { fields: vec![violation], ..Self::new(Kind::InvalidCredentials, message) }
    }

    /// The connector's answer is not as documented.
    pub fn bad_reply(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::BadReply, message)
    }

    /// The connector refused.
    pub fn refused(refusal: Refusal) -> Self {
        let kind = refusal.kind.unwrap_or(Refusal::kind_of_status(refusal.status));
        let message = match kind {
            Kind::CredentialsRejected => "the connector does not accept these credentials",
            Kind::PermissionDenied => "the connector does not let these credentials do this",
            Kind::RequestRejected => "the connector does not accept this request",
            Kind::RateLimited => "the connector asks for fewer calls",
            Kind::Unavailable => "the connector is out of order",
            _ => "the connector refuses",
        };
        Self { refusal: Some(Box::new(refusal)), ..Self::new(kind, message) }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
