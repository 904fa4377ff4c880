//! The expiry in the response: the earliest one that any clock allows. The exchange uses it
//! for each new token.

use std::time::{Duration, SystemTime};

use connectors::{Audience, Error, Expiry, Lifetime, Reply, Timestamp, Token};
use http::{HeaderValue, header};

use crate::{clock::Clock, issued::IssuedToken, request::validated::TokenRequest};

/// The least remaining lifetime of a token that is handed out, in milliseconds: the response has
/// whole seconds.
const LEAST_LEFT_MS: i64 = 1000;
/// The `Date` header counts whole seconds (RFC 9110 section 5.6.7): the connector's clock may be
/// this much ahead of it.
const DATE_ROUNDING_MS: i64 = 999;

/// No connector documents a token that lives for longer than a year.
const A_YEAR_MS: i64 = 366 * 24 * 3600 * 1000;
/// How far the connector's clock may be ahead.
const SLACK_MS: i64 = 10 * 60 * 1000;

/// The facts of the last reply that the expiry depends on.
#[derive(Clone)]
pub(super) struct LastReply {
    status: u16,
    /// The connector's clock: the reply's `Date`.
    date: Option<HeaderValue>,
    /// When the call's first attempt was sent, on the monotonic clock.
    first_sent: Duration,
}

impl LastReply {
    pub(super) fn of(reply: &Reply, first_sent: Duration) -> Self {
        Self { status: reply.status, date: reply.headers.get(header::DATE).cloned(), first_sent }
    }

    /// The connector's clock (RFC 9110 section 6.6.1).
    fn date(&self) -> Option<Timestamp> {
        let date = httpdate::parse_http_date(self.date.as_ref()?.to_str().ok()?).ok()?;
        timestamp(date)
    }
}

/// Why a token is not handed out.
pub(super) enum Unusable {
    /// It has expired, or is about to.
    Ended,
    /// It lives for longer than can be true.
    LivesTooLong,
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::bad_reply(match unusable {
            Unusable::Ended => "the connector gave a token that has already expired",
            Unusable::LivesTooLong => "the connector gave a token that lives far longer than it documents",
        })
    }
}

/// The token as the caller receives it. `age` is the time since the first exchange for it, before
/// this one began: the connector may have repeated the reply of that one.
///
/// # Errors
/// The token has ended, or its expiry cannot be true.
pub(super) fn issue(
    mut token: Token,
    request: &TokenRequest,
    last_reply: Option<&LastReply>,
    age: Duration,
    clock: &dyn Clock,
) -> Result<IssuedToken, Unusable> {
    let (now, elapsed) = (clock.now(), clock.elapsed());
    let ends = std::iter::once(&token.expiry).chain(&token.further_ends);
    let left_ms = ends.clone().filter_map(|end| left_of(*end, last_reply, age, now, elapsed)).min();
    if left_ms.is_some_and(|left| left < LEAST_LEFT_MS) {
        return Err(Unusable::Ended);
    }
    if left_ms.is_some_and(|left| left > most_ms(request.grant.lifetime)) {
        return Err(Unusable::LivesTooLong);
    }
    // A connector's clock that is ahead makes its own moment later than the truth.
    let by_our_clock = left_ms.map(|left| (now.as_millisecond() + left).div_euclid(1000));
    let expires_at = ends.filter_map(|end| end.epoch()).chain(by_our_clock).min().filter(|_| left_ms.is_some());
    if request.audience == Audience::Client {
        token.server_parameters.clear();
    }
    Ok(IssuedToken {
        token,
        grant: request.grant.name,
        audience: request.audience,
        expires_at,
        left: left_ms.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis),
        status: last_reply.map_or(200, |last| last.status),
    })
}

/// The longest life of a token that can be true, in milliseconds. Where the vendor documents a greatest
/// lifetime, it is that one; typical lifetimes are exceeded now and then.
fn most_ms(lifetime: Lifetime) -> i64 {
    match lifetime {
        Lifetime::Settable { max, .. } => i64::from(max) * 1000 + SLACK_MS,
        Lifetime::Fixed(_) | Lifetime::InReply | Lifetime::UntilUsed | Lifetime::Unpublished => A_YEAR_MS,
    }
}

/// The milliseconds that are left of one end; `None` where it is no end.
fn left_of(
    end: Expiry,
    last_reply: Option<&LastReply>,
    age: Duration,
    now: Timestamp,
    elapsed: Duration,
) -> Option<i64> {
    match end {
        Expiry::UntilUsed | Expiry::Unpublished => None,
        Expiry::After(_, seconds) => {
            let since_sent = last_reply.map_or(Duration::ZERO, |last| elapsed.saturating_sub(last.first_sent));
            Some(seconds.saturating_mul(1000) - milliseconds(since_sent + age))
        }
        Expiry::At(moment) => {
            let by_our_clock = moment.as_millisecond() - now.as_millisecond();
            let by_its_clock = last_reply.and_then(|last| left_by_date(moment, last, elapsed));
            Some(by_its_clock.map_or(by_our_clock, |left| left.min(by_our_clock)))
        }
    }
}

/// The time until a moment by the connector's own clock, whose `Date` was set after the call was
/// sent.
fn left_by_date(moment: Timestamp, last: &LastReply, elapsed: Duration) -> Option<i64> {
    let since_sent = milliseconds(elapsed.saturating_sub(last.first_sent));
    Some(moment.as_millisecond() - last.date()?.as_millisecond() - DATE_ROUNDING_MS - since_sent)
}

fn timestamp(date: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(date).ok()
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
