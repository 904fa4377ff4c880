//! A connector's answer to one call.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Refusal, Result};

/// The headers that ask for a wait: RFC 9110 section 10.2.3, and Cashfree's name for the same.
const RETRY_AFTER: [&str; 2] = ["retry-after", "x-ratelimit-retry"];

/// The characters of a body that stand in for its words: one line of a log.
const EXCERPT: usize = 200;

/// A connector's answer to one call.
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
    /// The refusal, or [`crate::Kind::BadReply`] where the body is not as documented.
    pub fn accept<T: DeserializeOwned>(&self, refusal: impl FnOnce(&Self) -> Refusal) -> Result<T> {
        self.succeed(refusal)?;
        self.json()
    }

    /// `Ok` where the call succeeded; otherwise the error that `refusal` reads from it.
    ///
    /// # Errors
    /// The refusal. A redirect is [`crate::Kind::BadReply`]: none is documented, none is followed.
    pub fn succeed(&self, refusal: impl FnOnce(&Self) -> Refusal) -> Result<()> {
        match self.status {
            200..300 => Ok(()),
            400..600 => Err(self.refuse(refusal(self))),
            _ => Err(Error::bad_reply(format!("the connector answered with status {}", self.status))),
        }
    }

    /// The error of a refusal that came with this reply. Without words of its own it has the
    /// beginning of the body's text: some bodies have a form that no document shows.
    pub fn refuse(&self, refusal: Refusal) -> Error {
        let wordless = [&refusal.code, &refusal.message, &refusal.reason]
            .into_iter()
            .flatten()
            .all(|words| words.trim().is_empty());
        let refusal = if wordless { Refusal { message: self.excerpt(), ..refusal } } else { refusal };
        Error { retry_after: self.retry_after(), ..Error::refused(Refusal { status: self.status, ..refusal }) }
    }

    /// A refusal whose words are in this reply's JSON body.
    ///
    /// `code`, `message` and `reason` are JSON pointers (RFC 6901); the first that leads to a text,
    /// a number or a list of texts counts. A body of another form has no words and is no error:
    /// gateways between us and the connector write bodies of their own.
    pub fn refusal(&self, code: &[&str], message: &[&str], reason: &[&str]) -> Refusal {
        let body: Value = self.lenient();
        let words = |pointers: &[&str]| pointers.iter().find_map(|pointer| words(body.pointer(pointer)?));
        Refusal { code: words(code), message: words(message), reason: words(reason), ..Refusal::default() }
    }

    /// The beginning of the body's text, without markup and control characters; `None` where there
    /// is none. The engine takes every secret out of it.
    fn excerpt(&self) -> Option<String> {
        let body = std::str::from_utf8(&self.body).ok()?;
        // The parts of a page that are text: what follows a `>` until the next `<`.
        let is_markup = body.trim_start().starts_with('<');
        let text: String = match is_markup {
            true => {
                body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| format!("{text} ")).collect()
            }
            false => body.to_owned(),
        };
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let text: String = words.collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
        // `{}`, `[]`, `""` and `null` say nothing.
        Some(text).filter(|text| text.chars().any(char::is_alphanumeric) && text != "null")
    }

    /// How long to wait before the next call, where a header says it in seconds. A date is
    /// not read.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = RETRY_AFTER.iter().find_map(|name| self.header(name)?.parse().ok());
        seconds.map(Duration::from_secs)
    }

    /// Whether the connector asks for a wait, in seconds or until a date.
    pub fn asks_to_wait(&self) -> bool {
        RETRY_AFTER.iter().any(|name| self.headers.contains_key(*name))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where it is not the JSON that is documented.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| Error::bad_reply("the connector's answer is not as documented"))
    }

    /// The body as JSON, or the default: for error bodies, which a gateway may have replaced.
    pub fn lenient<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`crate::Kind::BadReply`] where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::bad_reply("the connector's answer is not text"))
    }

    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A text, a number, or a list of them, as text; `None` where it is empty.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().filter_map(words).collect::<Vec<_>>().join("; "),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_body_of_unknown_form_gives_an_excerpt() {
        for (body, want) in [
            ("No healthy upstream\n", Some("No healthy upstream")),
            ("<html><head><title>403 Forbidden</title></head>\n<body><h1>403</h1></body>", Some("403 Forbidden 403")),
            (r#"{"fault": {"faultstring": "Quota"}}"#, Some(r#"{"fault": {"faultstring": "Quota"}}"#)),
            ("{}", None),
            ("null", None),
            ("", None),
        ] {
            let body = Bytes::from_static(body.as_bytes());
            let reply = Reply { status: 400, headers: HeaderMap::new(), body, sent_at: Timestamp::UNIX_EPOCH };
            let error = reply.refuse(reply.refusal(&["/code"], &["/message"], &[]));
            assert_eq!(error.refusal.unwrap().message.as_deref(), want, "{reply:?}");
            let told = Refusal { message: Some("told".into()), ..Refusal::default() };
            assert_eq!(reply.refuse(told).refusal.unwrap().message.as_deref(), Some("told"));
        }
    }

    #[test]
    fn a_refusal_carries_the_time_to_wait() {
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
