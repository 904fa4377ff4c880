use std::{borrow::Cow, marker::PhantomData};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Call, Error, Grant, Inputs, Kind, Reply, Result, Timestamp, Token,
    secret::is_clean,
    signing::{hex, sha256},
};

/// Characters that stand for themselves in a path segment (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A payment connector: what its credentials look like, what it can do, and how to talk to it.
pub trait Connector: 'static {
    /// The credentials, under the vendor's own field names.
    type Credentials: DeserializeOwned + Send + Sync + 'static;

    /// Everything about it that is data.
    const META: Meta;

    /// Test or live, where the shape of the credentials shows it.
    fn mode(_credentials: &Self::Credentials) -> Option<Mode> {
        None
    }

    /// The conversation with the vendor: from the replies so far to the next step.
    ///
    /// # Errors
    /// Before the first call: a value that the vendor cannot take. After it: the vendor's refusal, or an answer that is not as
    /// documented.
    fn step(credentials: &Self::Credentials, exchange: &Exchange<'_>) -> Result<Step>;
}

/// What to do next.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one step is alive at a time, and it is taken apart at once")]
pub enum Step {
    /// Make this call and come back with its reply.
    Call(Call),
    /// Here is the token.
    Done(Token),
}

/// Everything about a connector that is data. Listings, documentation, checks and metric labels come from it.
#[derive(Debug)]
pub struct Meta {
    /// Its name in the `Connector` enum, in lower case.
    pub id: &'static str,
    /// Its name as people write it.
    pub name: &'static str,
    /// The vendor's page on this API.
    pub docs: &'static str,
    /// Facts that do not rest on the vendor's own documents, one sentence each.
    pub unconfirmed: &'static [&'static str],
    /// The hosts that it calls; the first is the main one.
    pub hosts: &'static [Host],
    /// The fields of its credentials.
    pub credentials: &'static [CredentialField],
    /// Its grants, the most useful first.
    pub grants: &'static [Grant],
}

impl Meta {
    /// Whether the field of the credentials is no secret.
    pub fn is_public(&self, credential: &str) -> bool {
        self.credentials.iter().any(|field| field.name == credential && field.public)
    }
}

/// A field of a connector's credentials.
#[derive(Clone, Copy, Debug)]
pub struct CredentialField {
    /// Its name.
    pub name: &'static str,
    /// Whether credentials are incomplete without it.
    pub required: bool,
    /// Whether it is no secret: an account's or client's id, which the vendor puts into URLs and pages.
    pub public: bool,
    /// Whether it is a JSON object of its own rather than a text.
    pub nested: bool,
}

impl CredentialField {
    /// Says that it is no secret.
    #[must_use]
    pub const fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// Says that it is a JSON object.
    #[must_use]
    pub const fn nested(self) -> Self {
        Self { nested: true, ..self }
    }
}

/// A field that must be there.
pub const fn required(name: &'static str) -> CredentialField {
    CredentialField { name, required: true, public: false, nested: false }
}

/// A field that may be there.
pub const fn optional(name: &'static str) -> CredentialField {
    CredentialField { name, required: false, public: false, nested: false }
}

/// One of a connector's hosts. Only scheme and host: the path belongs to the call.
///
/// A `{name}` in it stands for a DNS label that the vendor gives each account; it is taken from the input of that name.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Empty for the main host; otherwise the prefix of its configuration keys (`auth` → `auth_base_url`).
    pub name: &'static str,
    /// Where live calls go.
    pub live: &'static str,
    /// Where test calls go.
    pub test: &'static str,
}

impl Host {
    /// The main host.
    pub const fn main(live: &'static str, test: &'static str) -> Self {
        Self { name: "", live, test }
    }

    /// A further host.
    pub const fn named(name: &'static str, live: &'static str, test: &'static str) -> Self {
        Self { name, live, test }
    }

    /// The host of a mode.
    pub const fn of(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Test => self.test,
            Mode::Live => self.live,
        }
    }

    /// The key under which an operator can replace it: `base_url`, `test_base_url`, `auth_base_url`, …
    pub fn key(&self, mode: Mode) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!("{}_", self.name) };
        match mode {
            Mode::Test => format!("test_{name}base_url"),
            Mode::Live => format!("{name}base_url"),
        }
    }
}

/// Test data or real money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The vendor's test environment.
    Test,
    /// The real thing.
    Live,
}

impl Mode {
    /// `test` or `live`.
    pub const fn label(self) -> &'static str {
        match self {
            Mode::Test => "test",
            Mode::Live => "live",
        }
    }

    /// The mode that the beginning of a key shows, where it is one of these.
    pub(crate) fn of_key(key: &str, test: &[&str], live: &[&str]) -> Option<Self> {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
        match (starts(test), starts(live)) {
            (true, _) => Some(Mode::Test),
            (_, true) => Some(Mode::Live),
            _ => None,
        }
    }
}

/// Random bytes, fresh for each attempt, drawn by whoever drives the exchange.
#[derive(Clone, Copy)]
pub struct Nonce(pub [u8; 32]);

impl Nonce {
    /// A version 4 UUID (RFC 9562 section 5.4).
    pub fn uuid(&self) -> String {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.0;
        let (g, i) = ((g & 0x0f) | 0x40, (i & 0x3f) | 0x80);
        format!(
            "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{g:02x}{h:02x}-{i:02x}{j:02x}-{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"
        )
    }

    /// `count` letters and digits, at most 32.
    pub fn alphanumeric(&self, count: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.0
            .iter()
            .take(count)
            .map(|byte| char::from(ALPHABET.get(usize::from(*byte) % 62).copied().unwrap_or(b'0')))
            .collect()
    }

    /// All of it as lower-case hex.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One conversation with a vendor so far: what was asked for, what was answered.
pub struct Exchange<'a> {
    /// The grant that is wanted.
    pub grant: &'static Grant,
    /// Test or live.
    pub mode: Mode,
    /// The base URLs of this mode, in the order of [`Meta::hosts`].
    pub bases: &'a [String],
    /// The caller's own name for the token.
    pub reference: &'a str,
    /// The inputs, already checked against the grant.
    pub input: &'a Inputs,
    /// When the exchange began: the same for every attempt, so that a repeated call is the same call.
    pub now: Timestamp,
    /// Fresh random bytes.
    pub nonce: Nonce,
    /// The same for every attempt at this exchange, another for each exchange: a UUID.
    pub idempotency_key: &'a str,
    /// The replies so far.
    pub replies: &'a [Reply],
}

impl Exchange<'_> {
    /// A URL on the main host. `path` begins with a slash and is already encoded.
    ///
    /// # Errors
    /// [`Kind::MissingInput`] where the host needs a label that the caller did not give.
    pub fn url(&self, path: &str) -> Result<Uri> {
        self.url_at(0, path)
    }

    /// A URL on the host of that place in [`Meta::hosts`].
    ///
    /// # Errors
    /// As [`Exchange::url`].
    pub fn url_at(&self, host: usize, path: &str) -> Result<Uri> {
        let base = self.bases.get(host).ok_or_else(|| Error::new(Kind::Internal, "the connector has no such host"))?;
        let base = match base.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
            None => base.clone(),
            Some((head, (label, tail))) => match self.input.text(label) {
                Some(value) => format!("{head}{value}{tail}"),
                None => return Err(Error::missing_inputs(&[label], "the vendor's live host name contains it")),
            },
        };
        format!("{base}{path}")
            .parse()
            .map_err(|_| Error::new(Kind::Internal, "the connector's URL could not be put together"))
    }

    /// A text of the caller's as one path segment.
    pub fn segment(text: &str) -> String {
        utf8_percent_encode(text, SEGMENT).to_string()
    }

    /// The lifetime to ask for, in seconds: the caller's wish, else the grant's default.
    pub fn ttl(&self) -> i64 {
        let default = match self.grant.lifetime {
            crate::Lifetime::Settable { default, .. } | crate::Lifetime::Fixed(default) => default,
            _ => 3600,
        };
        i64::from(self.input.ttl_seconds.unwrap_or(default))
    }

    /// The moment at which a token of [`Exchange::ttl`] would die, in epoch seconds.
    pub fn expires_at(&self) -> i64 {
        self.now.as_second().saturating_add(self.ttl())
    }

    /// The same moment as a date.
    pub(crate) fn expires_on(&self) -> Result<Timestamp> {
        Timestamp::from_second(self.expires_at())
            .map_err(|_| Error::new(Kind::Internal, "the clock is outside the calendar"))
    }

    /// The reference, where it fits into the vendor's field.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] where it is longer, or has other characters than letters, digits and `extra`.
    pub fn reference_of(&self, max: usize, extra: &str) -> Result<&str> {
        let fits = self.reference.chars().count() <= max
            && self.reference.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        if fits {
            return Ok(self.reference);
        }
        Err(Error::invalid(
            "merchant_access_token_id",
            format!("this connector takes at most {max} characters, letters, digits and {extra}"),
        ))
    }

    /// The reference, or a digest of it where it does not fit into the vendor's field (so many letters, digits and `extra`).
    /// The same reference always gives the same text.
    pub fn reference_within(&self, max: usize, extra: &str) -> Cow<'_, str> {
        self.reference_of(max, extra).map_or_else(
            |_| hex(sha256(&[self.reference.as_bytes()])).chars().take(max).collect::<String>().into(),
            Cow::Borrowed,
        )
    }
}

type Bind = fn(&Map<String, Value>) -> Result<Box<dyn BoundConnector>>;

/// A connector of the list, with its types hidden.
pub struct Registration {
    /// Everything about it that is data.
    pub meta: &'static Meta,
    bind: Bind,
}

impl Registration {
    /// Reads credentials and gives back the connector with them in hand.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`], or [`Kind::InvalidRequest`] for blanks around a value; naming the field, never its value.
    pub fn bind(&self, credentials: &Map<String, Value>) -> Result<Box<dyn BoundConnector>> {
        for (name, value) in credentials {
            let Some(field) = self.meta.credentials.iter().find(|field| field.name == name) else {
                let known: Vec<&str> = self.meta.credentials.iter().map(|field| field.name).collect();
                // Not even the name: somebody may have put the secret there.
                return Err(Error::invalid_credential(
                    "*",
                    format!("unknown field; {} has {}", self.meta.name, known.join(", ")),
                ));
            };
            if field.nested && !value.is_null() && value.as_object().is_none_or(Map::is_empty) {
                return Err(Error::invalid_credential(name, "must be a JSON object that is not empty"));
            }
            if !field.nested && !value.is_null() && value.as_str().is_none_or(str::is_empty) {
                return Err(Error::invalid_credential(name, "must be a text that is not empty"));
            }
            if let Some(place) = unclean(name, value) {
                let description = "has blanks around it, or control characters in it: send it exactly as it was issued";
                return Err(Error::invalid(format!("credentials.{place}"), description));
            }
        }
        for field in self.meta.credentials.iter().filter(|field| field.required) {
            if credentials.get(field.name).is_none_or(Value::is_null) {
                return Err(Error::invalid_credential(field.name, format!("{} needs it", self.meta.name)));
            }
        }
        (self.bind)(credentials)
    }
}

/// The place of the first text that cannot be a credential as it is written, however deep.
fn unclean(place: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!is_clean(text)).then(|| place.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| unclean(place, item)),
        Value::Object(members) => members.iter().find_map(|(name, member)| match is_clean(name) {
            true => unclean(&format!("{place}.{name}"), member),
            false => Some(place.to_owned()),
        }),
        _ => None,
    }
}

/// A connector with credentials in hand.
pub trait BoundConnector: Send + Sync {
    /// See [`Connector::mode`].
    fn mode(&self) -> Option<Mode>;

    /// See [`Connector::step`].
    ///
    /// # Errors
    /// See [`Connector::step`].
    fn step(&self, exchange: &Exchange<'_>) -> Result<Step>;
}

struct WithCredentials<C: Connector>(C::Credentials);

impl<C: Connector> BoundConnector for WithCredentials<C> {
    fn mode(&self) -> Option<Mode> {
        C::mode(&self.0)
    }

    fn step(&self, exchange: &Exchange<'_>) -> Result<Step> {
        C::step(&self.0, exchange)
    }
}

struct Static<C>(PhantomData<C>);

impl<C: Connector> Static<C> {
    const META: &'static Meta = &C::META;
}

/// A line of the list.
pub const fn entry<C: Connector>() -> Registration {
    Registration {
        meta: Static::<C>::META,
        bind: |credentials| {
            let credentials = C::Credentials::deserialize(credentials)
                .map_err(|_| Error::new(Kind::InvalidCredentials, "the credentials have a wrong form"))?;
            Ok(Box::new(WithCredentials::<C>(credentials)))
        },
    }
}
