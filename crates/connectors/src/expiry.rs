//! When a token expires, and the forms in which connectors write it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};

use crate::{
    encoding::jwt_claims,
    error::{Error, Result},
    http::reply::Reply,
};

/// The longest lifetime that is accepted, in seconds: ten years.
const MAX_LIFETIME: i64 = 10 * 366 * 86_400;

/// When a token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment of the connector's clock.
    At(Timestamp),
    /// So many seconds after a moment of our clock, which is before the call was sent.
    After(Timestamp, i64),
    /// Not before it is used.
    UntilUsed,
    /// The vendor publishes no lifetime.
    Unpublished,
}

impl Expiry {
    /// In epoch seconds of the clock that it refers to; `None` where there is no expiry.
    pub fn epoch(self) -> Option<i64> {
        match self {
            Self::At(moment) => Some(moment.as_second()),
            Self::After(start, seconds) => Some(start.as_second().saturating_add(seconds)),
            Self::UntilUsed | Self::Unpublished => None,
        }
    }

    /// So many seconds after `start`, a moment of our clock before the call was sent. The result is
    /// never later than the real expiry. A moment of the connector's clock is [`Expiry::at_epoch`].
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

    /// A date and time with an offset (RFC 3339; an offset without colon, as in `+0000`, is read
    /// too). Fractions of a second are cut off.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where the text is not that.
    pub fn at_date(text: &str) -> Result<Self> {
        text.parse::<Timestamp>()
            .map_err(|_| Error::bad_reply("the connector's expiry cannot be read as a date"))
            .and_then(|moment| Self::at_epoch(moment.as_second()))
    }

    /// The `exp` claim of a token that is a JWT and has one; `None` for any other token.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where `exp` is there and cannot be read.
    pub(crate) fn inside_jwt(token: &str) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Claims {
            exp: Option<serde_json::Value>,
        }
        let Ok(Claims { exp: Some(exp) }) = jwt_claims(token) else { return Ok(None) };
        // A NumericDate may have a fraction (RFC 7519 section 2). It is cut off.
        let seconds = exp.as_i64().or_else(|| exp.as_f64().and_then(whole_seconds));
        let seconds = seconds.ok_or_else(|| Error::bad_reply("the exp of the connector's JWT cannot be read"))?;
        Self::at_epoch(seconds).map(Some)
    }

    /// The `exp` claim of a JWT (RFC 7519 section 4.1.4).
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where there is none.
    pub fn of_jwt(jwt: &str) -> Result<Self> {
        jwt_claims::<serde::de::IgnoredAny>(jwt)?;
        Self::inside_jwt(jwt)?.ok_or_else(|| Error::bad_reply("the connector's JWT has no exp"))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked for its size first")]
fn whole_seconds(number: f64) -> Option<i64> {
    (number.abs() < 1e15).then_some(number.floor() as i64)
}

/// A count of seconds as connectors write it: a whole number, or the same as text. Any other value
/// is an error.
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
            #[expect(clippy::cast_possible_truncation, reason = "checked for being a whole number first")]
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
    fn dates_as_connectors_write_them() {
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
    fn impossible_lifetimes_are_errors() {
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
