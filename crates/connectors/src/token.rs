use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

use crate::{Error, Reply, Result, Secret, Timestamp, encoding::jwt_claims};

/// Longest token that is passed on, in bytes.
const MAX_TOKEN_BYTES: usize = 256 * 1024;

/// Longest lifetime that is believed, in seconds: ten years.
const MAX_LIFETIME: i64 = 10 * 366 * 86_400;

/// What an exchange yields. `Debug` shows no value that came with it: some repeat the token.
#[derive(Clone)]
pub struct Token {
    /// The token itself.
    pub value: Secret,
    /// How the client presents it: `Bearer`, or the vendor's own word.
    pub token_type: String,
    /// When it dies.
    pub expiry: Expiry,
    /// What the vendor says that the holder may do.
    pub scopes: Vec<String>,
    /// Public values that the client's SDK needs next to the token.
    pub client_parameters: Vec<(Cow<'static, str>, String)>,
    /// Values that came with the token and must stay in the backend.
    pub server_parameters: Vec<(Cow<'static, str>, Secret)>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} {:?}, {:?})", self.token_type, self.value, self.expiry)
    }
}

impl Token {
    /// A token that expires as said.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where the text cannot be a token: empty, with control characters, or huge.
    pub fn new(value: &str, token_type: impl Into<String>, expiry: Expiry) -> Result<Self> {
        let token_type = token_type.into();
        if value.trim().is_empty() {
            return Err(Error::bad_reply("the connector's answer has no token in it"));
        }
        if value.len() > MAX_TOKEN_BYTES || value.chars().any(char::is_control) {
            return Err(Error::bad_reply("the connector's token has a form that no token can have"));
        }
        if token_type.is_empty() || token_type.len() > 64 || token_type.chars().any(char::is_control) {
            return Err(Error::bad_reply("the connector's token type has a form that none can have"));
        }
        Ok(Self {
            value: value.into(),
            token_type,
            expiry,
            scopes: Vec::new(),
            client_parameters: Vec::new(),
            server_parameters: Vec::new(),
        })
    }

    /// Scopes as RFC 6749 section 3.3 writes them: names with spaces between.
    #[must_use]
    pub fn scope_list(mut self, scopes: Option<&str>) -> Self {
        self.scopes = scopes.unwrap_or_default().split_whitespace().map(Into::into).collect();
        self
    }

    /// Adds a public value that the client needs next to the token.
    #[must_use]
    pub fn client(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.client_parameters.push((name.into(), value.into()));
        self
    }

    /// Adds a value that must stay in the backend.
    #[must_use]
    pub fn server(mut self, name: &'static str, value: impl Into<Secret>) -> Self {
        self.server_parameters.push((name.into(), value.into()));
        self
    }
}

/// When a token dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment of the vendor's clock.
    At(Timestamp),
    /// So many seconds after a moment of ours, from before the call was sent.
    After(Timestamp, i64),
    /// Not before it is used.
    UntilUsed,
    /// The vendor publishes no lifetime.
    Unpublished,
}

impl Expiry {
    /// In epoch seconds, by whichever clock it was told; nothing where there is none.
    pub fn epoch(self) -> Option<i64> {
        match self {
            Self::At(moment) => Some(moment.as_second()),
            Self::After(start, seconds) => Some(start.as_second().saturating_add(seconds)),
            Self::UntilUsed | Self::Unpublished => None,
        }
    }

    /// Seconds after the request was sent: counted from before it left, so never later than the truth. `start` is that moment on
    /// our clock; what the vendor's clock says is [`Expiry::at_epoch`].
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] for zero, negative or absurd lifetimes.
    pub fn after(start: Timestamp, seconds: impl Into<i64>) -> Result<Self> {
        let seconds = seconds.into();
        if !(1..=MAX_LIFETIME).contains(&seconds) {
            return Err(Error::bad_reply("the connector's token has a lifetime that none can have"));
        }
        Ok(Self::After(start, seconds))
    }

    /// Seconds after the call of this reply was sent.
    ///
    /// # Errors
    /// As [`Expiry::after`].
    pub fn after_reply(reply: &Reply, seconds: impl Into<i64>) -> Result<Self> {
        Self::after(reply.sent_at, seconds)
    }

    /// A moment in Unix epoch seconds.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] for a moment outside the calendar.
    pub fn at_epoch(seconds: impl Into<i64>) -> Result<Self> {
        Timestamp::from_second(seconds.into())
            .map(Self::At)
            .map_err(|_| Error::bad_reply("the connector's expiry is not a moment in time"))
    }

    /// A moment in Unix epoch milliseconds.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] for a moment outside the calendar.
    pub fn at_epoch_ms(milliseconds: i64) -> Result<Self> {
        Self::at_epoch(milliseconds.div_euclid(1000))
    }

    /// A date and time with an offset (RFC 3339; an offset without colon, as in `+0000`, is read too). Fractions of a second
    /// are cut off.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where the text is not that.
    pub fn at_date(text: &str) -> Result<Self> {
        text.parse::<Timestamp>()
            .map_err(|_| Error::bad_reply("the connector's expiry cannot be read as a date"))
            .and_then(|moment| Self::at_epoch(moment.as_second()))
    }

    /// The `exp` claim of a JWT (RFC 7519 section 4.1.4).
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where there is none.
    pub fn of_jwt(jwt: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Claims {
            exp: Seconds,
        }
        jwt_claims::<Claims>(jwt).and_then(|claims| Self::at_epoch(claims.exp))
    }
}

/// A count of seconds as vendors write it: a whole number, or the same as text. Anything else is not a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl From<Seconds> for i64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Seconds;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number of seconds")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seconds, E> {
                Ok(Seconds(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seconds, E> {
                i64::try_from(number).map(Seconds).map_err(E::custom)
            }
            #[expect(clippy::cast_possible_truncation, reason = "held against the whole number first")]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Seconds, E> {
                let whole = number.fract() == 0.0 && number.abs() < 1e15;
                whole.then_some(Seconds(number as i64)).ok_or_else(|| E::custom("not a whole number"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                text.parse().map(Seconds).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(expiry: Result<Expiry>) -> Option<i64> {
        match expiry {
            Ok(Expiry::At(moment)) => Some(moment.as_second()),
            Ok(Expiry::After(start, seconds)) => Some(start.as_second() + seconds),
            _ => None,
        }
    }

    #[test]
    fn dates_as_vendors_write_them() {
        for (text, want) in [
            ("2026-01-01T13:00:00+01:00", Some(1_767_268_800)),
            ("2026-01-01T12:00:00Z", Some(1_767_268_800)),
            ("2026-01-01T12:00:00.999Z", Some(1_767_268_800)),
            ("2026-01-01T12:00:00+0000", Some(1_767_268_800)),
            ("2026-01-01 12:00:00+00:00", Some(1_767_268_800)),
            ("2026-02-10T10:00:00.123456Z", Some(1_770_717_600)),
            ("2026-01-01T12:00:00", None),
            ("2026-13-01T12:00:00Z", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(epoch(Expiry::at_date(text)), want, "{text}");
        }
    }

    #[test]
    fn lifetimes_that_none_can_have_are_errors() {
        let now = Timestamp::from_second(1_000).unwrap();
        for seconds in [0, -1, i64::MIN, i64::MAX, MAX_LIFETIME + 1] {
            assert!(Expiry::after(now, seconds).is_err(), "{seconds}");
        }
        assert_eq!(epoch(Expiry::after(now, 60)), Some(1_060));
    }

    #[test]
    fn seconds_are_whole_numbers_or_text() {
        for (json, want) in [
            ("3599", Some(3599)),
            ("\"3599\"", Some(3599)),
            ("3599.0", Some(3599)),
            ("1.5", None),
            ("\"1h\"", None),
            ("1e400", None),
            ("null", None),
        ] {
            assert_eq!(serde_json::from_str::<Seconds>(json).ok().map(i64::from), want, "{json}");
        }
    }
}
