//! One exchange with a connector: the arguments of a step function, and its result.

use std::borrow::Cow;

use http::Uri;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    crypto::sha256,
    error::{Error, Kind, Result},
    grant::{Grant, Lifetime},
    http::{call::Call, reply::Reply},
    input::values::Inputs,
    meta::{Host, Mode},
    token::Token,
};

/// Characters that a path segment holds unencoded (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The distance in seconds that a requested moment of expiry keeps from the connector's least and
/// greatest lifetime: room for a clock that differs and for the time that the call takes.
const BOUNDS_MARGIN: i64 = 60;

/// The result of a step function.
#[derive(Debug)]
pub enum Step {
    /// The engine makes this call and asks again with its reply.
    Call(Call),
    /// The exchange is over: this is the token.
    Done(Token),
}

impl Call {
    /// The call as the next step of an exchange.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`] or [`Kind::InvalidRequest`] for a value that no header can
    /// carry.
    pub fn send(self) -> Result<Step> {
        self.sound().map(Step::Call)
    }
}

/// Random bytes, fresh for each attempt; the engine draws them.
#[derive(Clone, Copy)]
pub struct Nonce(pub [u8; 32]);

impl Nonce {
    /// A version 4 UUID (RFC 9562 section 5.4).
    pub fn uuid(&self) -> String {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.0;
        let (g, i) = ((g & 0x0f) | 0x40, (i & 0x3f) | 0x80);
        let mut digits = [b'0'; 32];
        // The space is as long as the digits are.
        let _ = hex::encode_to_slice([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], &mut digits);
        let mut uuid = String::with_capacity(36);
        let mut rest = str::from_utf8(&digits).unwrap_or_default();
        for length in [8, 4, 4, 4] {
            let (group, others) = rest.split_at(length);
            uuid.push_str(group);
            uuid.push('-');
            rest = others;
        }
        uuid.push_str(rest);
        uuid
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

    /// All bytes as lower-case hex.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// One exchange with a connector so far: the request and the replies.
pub struct Exchange<'a> {
    /// The grant that is requested.
    pub grant: &'static Grant,
    /// Test or live.
    pub mode: Mode,
    /// The connector's hosts: [`crate::Meta::hosts`].
    pub hosts: &'static [Host],
    /// The base URLs of this mode, one for each of `hosts` in the same order.
    pub bases: &'a [String],
    /// The caller's own name for the token.
    pub reference: &'a str,
    /// The inputs, already checked against the grant.
    pub input: &'a Inputs,
    /// When the exchange began: equal for every attempt, so that a repeated call is the same call.
    /// Signatures and their headers use it.
    pub now: Timestamp,
    /// When the first exchange with this idempotency key began: `now`, or earlier where a caller
    /// repeats a call whose answer was lost. Moments in a body count from it, so that the body is
    /// the same.
    pub began: Timestamp,
    /// Fresh random bytes.
    pub nonce: Nonce,
    /// A UUID, the same for each attempt to get this token: also for a caller's retry after an
    /// answer that was lost. A new token after the end of the earlier one has another.
    pub idempotency_key: &'a str,
    /// How many tokens this reference had before. [`Exchange::object_reference`] uses it.
    pub generation: u32,
    /// The replies so far.
    pub replies: &'a [Reply],
}

impl Exchange<'_> {
    /// A URL on the main host. `path` begins with a slash and is already encoded.
    ///
    /// # Errors
    /// As [`Exchange::url_on`].
    pub fn url(&self, path: &str) -> Result<Uri> {
        self.labelled(self.main()?, path)
    }

    /// A URL on one of the connector's hosts. A label in the host is the input of that name.
    ///
    /// # Errors
    /// [`Kind::MissingInput`] where the host needs a label that the caller did not give.
    pub fn url_on(&self, host: &Host, path: &str) -> Result<Uri> {
        self.labelled(self.base(host)?, path)
    }

    /// A URL on the main host, whose label is this value: one that is not an input.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the result is no URL.
    pub fn url_with_label(&self, value: &str, path: &str) -> Result<Uri> {
        let base = self.main()?;
        match Host::split_label(base) {
            Some((head, _, tail)) => self.joined(&[head, without_suffix(value, tail), tail], path),
            None => self.joined(&[base], path),
        }
    }

    fn main(&self) -> Result<&str> {
        self.bases.first().map(String::as_str).ok_or_else(no_such_host)
    }

    fn base(&self, host: &Host) -> Result<&str> {
        let mut bases = self.hosts.iter().zip(self.bases);
        let found = bases.find(|(known, _)| known.name == host.name);
        found.map(|(_, base)| base.as_str()).ok_or_else(no_such_host)
    }

    fn labelled(&self, base: &str, path: &str) -> Result<Uri> {
        match Host::split_label(base) {
            None => self.joined(&[base], path),
            Some((head, label, tail)) => match self.input.text(label) {
                Some(value) => self.joined(&[head, without_suffix(value, tail), tail], path),
                None => Err(Error::missing_inputs(&[label], "the vendor's live host name contains it")),
            },
        }
    }

    /// The URL of a host and a path. Every URL of every connector is made here.
    fn joined(&self, host: &[&str], path: &str) -> Result<Uri> {
        if folds(path) {
            return Err(self.folded_path());
        }
        let mut url = String::with_capacity(host.iter().map(|part| part.len()).sum::<usize>() + path.len());
        url.extend(host.iter().copied().chain([path]));
        Uri::try_from(url).map_err(|_| Error::new(Kind::Internal, "the connector's URL could not be put together"))
    }

    /// The error for a path that is another one than it seems. Its cause is a value of the caller's,
    /// or, if the caller gave no such value, one of a reply.
    fn folded_path(&self) -> Error {
        const WHY: &str = "must not be or contain a path segment . or ..: it would lead to another path";
        let folding = self.input.iter().find(|(name, _)| self.input.text(name).is_some_and(folds));
        match folding {
            Some((name, _)) => Error::invalid_input(name, WHY),
            None if folds(self.reference) => Error::invalid("merchant_access_token_id", WHY),
            None if self.replies.is_empty() => Error::invalid("x-connector-auth", format!("a value of it {WHY}")),
            None => Error::bad_reply("a value of the connector's answer leads to another path than the documented one"),
        }
    }

    /// A text of the caller's as one path segment.
    pub fn segment(text: &str) -> String {
        utf8_percent_encode(text, SEGMENT).to_string()
    }

    /// The lifetime to request, in seconds: `ttl_seconds`, else the grant's default.
    pub fn ttl(&self) -> i64 {
        let default = match self.grant.lifetime {
            Lifetime::Settable { default, .. } | Lifetime::Fixed(default) => default,
            _ => 3600,
        };
        i64::from(self.input.ttl_seconds.unwrap_or(default))
    }

    /// The moment at which a token of [`Exchange::ttl`] expires, in epoch seconds, for a connector
    /// that takes a moment and not a duration. It measures its bounds on its own clock and from its
    /// own creation, so the moment stays a minute inside them.
    pub fn expires_at(&self) -> i64 {
        let ttl = match self.grant.lifetime {
            Lifetime::Settable { min, max, .. } => {
                let (least, most) = (i64::from(min) + BOUNDS_MARGIN, i64::from(max) - BOUNDS_MARGIN);
                self.ttl().min(most).max(least)
            }
            _ => self.ttl(),
        };
        self.began.as_second().saturating_add(ttl)
    }

    /// The same moment as a date.
    pub(crate) fn expires_on(&self) -> Result<Timestamp> {
        Timestamp::from_second(self.expires_at()).map_err(|_| outside_the_calendar())
    }

    /// [`Exchange::now`] as HTTP writes it in the header `date` (RFC 9110 section 5.6.7).
    pub(crate) fn http_date(&self) -> Result<String> {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.now).map_err(|_| outside_the_calendar())
    }

    /// The reference, where it fits into the connector's field.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] where it is longer than `max` characters, or has other characters
    /// than letters, digits and `extra`.
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

    /// The reference, or a digest of it where it does not fit into the connector's field (at most
    /// `max` letters, digits and `extra`). Equal references give equal texts.
    pub fn reference_within(&self, max: usize, extra: &str) -> Cow<'_, str> {
        self.reference_of(max, extra).map_or_else(|_| digest(&[self.reference.as_bytes()], max).into(), Cow::Borrowed)
    }

    /// The same for a field that takes any characters, at most `max` of them.
    pub fn reference_up_to(&self, max: usize) -> Cow<'_, str> {
        match self.reference.chars().count() <= max {
            true => Cow::Borrowed(self.reference),
            false => self.reference_within(max, ""),
        }
    }

    /// The name of an object that the call creates at the connector (an order, a payment), where
    /// the connector refuses the same name twice: [`Exchange::reference_within`] for the first
    /// token of a reference, a digest of reference and generation for each later one.
    pub fn object_reference(&self, max: usize, extra: &str) -> Cow<'_, str> {
        match self.generation {
            0 => self.reference_within(max, extra),
            generation => digest(&[self.reference.as_bytes(), &[0], &generation.to_be_bytes()], max).into(),
        }
    }

    /// The same, where the connector has no idempotency key: a caller's repeat of a call whose
    /// answer was lost gets another name, since the connector would refuse the first one. The
    /// object of the lost call has no holder.
    pub fn object_reference_without_key(&self, max: usize, extra: &str) -> Cow<'_, str> {
        if self.began == self.now {
            return self.object_reference(max, extra);
        }
        let (generation, moment) = (self.generation.to_be_bytes(), self.now.as_nanosecond().to_be_bytes());
        digest(&[self.reference.as_bytes(), &[0], &generation, &moment], max).into()
    }
}

/// A label without the rest of its own DNS label that the host has already: people copy
/// `1797a841-Shop-checkout-live` from the vendor's host name.
fn without_suffix<'a>(label: &'a str, tail: &str) -> &'a str {
    let suffix = tail.split('.').next().unwrap_or_default();
    label.strip_suffix(suffix).filter(|label| !label.is_empty()).unwrap_or(label)
}

/// At most `max` hex digits of a digest over the parts.
fn digest(parts: &[&[u8]], max: usize) -> String {
    let mut digits = hex::encode(sha256(parts));
    digits.truncate(max);
    digits
}

/// Whether a path has a segment that the URL standard removes: `.` or `..`, also percent-encoded
/// (<https://url.spec.whatwg.org/#double-dot-path-segment>). Some servers and proxies decode a path
/// before they take it apart, and some do it twice. So encoded slashes and backslashes divide segments
/// too, and the tabs and line ends that the standard drops are dropped.
fn folds(path: &str) -> bool {
    // Most paths have nothing that could be such a segment.
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%')) {
        return false;
    }
    let mut path = Cow::Borrowed(path.split(['?', '#']).next().unwrap_or_default());
    for _ in 0..3 {
        if path.contains('%') {
            path = percent_decode_str(&path).decode_utf8_lossy().into_owned().into();
        }
    }
    path.split(['/', '\\']).any(|segment| {
        let left = segment.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
        left.clone().eq(".".chars()) || left.eq("..".chars())
    })
}

fn no_such_host() -> Error {
    Error::new(Kind::Internal, "the connector has no such host")
}

fn outside_the_calendar() -> Error {
    Error::new(Kind::Internal, "the clock is outside the calendar")
}

#[cfg(test)]
mod tests {
    use super::folds;

    #[test]
    fn dot_segments_are_seen_in_each_notation() {
        for path in [
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2E%2e/b",
            "/.%2e",
            "/a%2f..%2fb",
            "/..\\b",
            "/%252e%252e",
            "/.%0a.",
        ] {
            assert!(folds(path), "{path}");
        }
        for path in ["", "/", "/a", "/a.b/..c/d..", "/...", "/a?x=/../b", "/v1.2/x"] {
            assert!(!folds(path), "{path}");
        }
    }
}
