//! Keeps the secrets of an exchange out of its result: it replaces them in the connector's error
//! texts, and finds tokens that contain one. The exchange uses it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectors::{Call, Error, Refusal, Token};
use percent_encoding::percent_decode_str;

use crate::request::validated::TokenRequest;

/// Longest text of a connector that is passed on, in characters.
const MAX_CHARS: usize = 500;

/// The text that replaces a removed word.
const REMOVED: &str = "[REDACTED]";

/// Shortest part of a secret for which a word is removed: connectors repeat the beginning of a key.
const SHORTEST_PART: usize = 8;

/// Shortest secret that is searched inside a longer text. A shorter one, such as a PIN of four
/// digits, is part of many random tokens by chance; it counts only where it is the whole text.
const SHORTEST_INSIDE: usize = 6;

/// The secrets of one exchange: those of the request, and those in headers that were sent.
pub(super) struct Secrets<'a> {
    request: &'a TokenRequest,
    /// Header values without their scheme, as a connector may repeat them.
    sent: Vec<String>,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(request: &'a TokenRequest) -> Self {
        Self { request, sent: Vec::new() }
    }

    /// Adds the secrets in the headers of a call.
    pub(super) fn add_sent(&mut self, call: &Call) {
        let secret = call.headers.values().filter(|value| value.is_sensitive());
        self.sent.extend(secret.filter_map(|value| {
            let text = value.to_str().ok()?;
            Some(text.split_once(' ').map_or(text, |(_, credentials)| credentials).to_owned())
        }));
    }

    /// Whether a token, or what comes with it, contains a secret: a connector, or a gateway before
    /// it, may repeat the merchant's key. `server_parameters` stay in the backend and may repeat an
    /// input.
    pub(super) fn are_in(&self, token: &Token) -> bool {
        let parameters = token.client_parameters.iter().flat_map(|(name, value)| [name.as_ref(), value.as_str()]);
        let scopes = token.scopes.iter().map(String::as_str);
        let mut texts = [token.value.expose(), &token.token_type].into_iter().chain(scopes).chain(parameters);
        let is_public = |sent: &&str| self.request.public_values().any(|public| public == *sent);
        let sent = self.sent.iter().map(String::as_str).filter(|sent| !is_public(sent));
        let secrets: Vec<&str> = self.request.private_values().chain(sent).collect();
        texts.any(|text| contains_secret(text, secrets.iter().copied()))
    }

    /// The error, with every credential replaced in the connector's texts.
    pub(super) fn redact(&self, mut error: Error) -> Error {
        let Some(refusal) = error.refusal.take() else { return error };
        let secrets: Vec<&str> = self.request.secrets().chain(self.sent.iter().map(String::as_str)).collect();
        let clean = |text: Option<String>| text.map(|text| redact(&text, secrets.iter().copied()));
        error.refusal = Some(Box::new(Refusal {
            code: clean(refusal.code),
            message: clean(refusal.message),
            reason: clean(refusal.reason),
            ..*refusal
        }));
        error
    }
}

/// Whether the text contains one of the secrets: as it is, percent-encoded, escaped as in JSON, or
/// in base64, as in the claims of a JWT.
fn contains_secret<'a>(text: &str, secrets: impl Iterator<Item = &'a str> + Clone) -> bool {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    let unescaped = serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_default();
    let inside = |text: &str| {
        secrets.clone().any(|secret| text == secret || secret.len() >= SHORTEST_INSIDE && text.contains(secret))
    };
    [text, &decoded, &unescaped].into_iter().any(inside)
        || text.split('.').filter_map(of_base64).any(|part| inside(&part))
}

/// The decoded text of base64 of either alphabet (RFC 4648 sections 4 and 5), with padding or
/// without.
fn of_base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The text without control characters, at most 500 characters long. Every word is replaced that is
/// a secret, contains one, or has eight characters in a row in common with one.
fn redact<'a>(text: &str, secrets: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Whole values first: they may contain spaces.
    for secret in secrets.clone().filter(|secret| secret.chars().any(char::is_whitespace)) {
        clean = clean.replace(secret, REMOVED);
    }
    let clamped: String = clean.chars().take(MAX_CHARS).collect();
    clamped
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            let core = word.trim_end();
            let tail = word.get(core.len()..).unwrap_or_default();
            if secrets.clone().any(|secret| reveals(core, secret)) { format!("{REMOVED}{tail}") } else { word.into() }
        })
        .collect()
}

fn reveals(word: &str, secret: &str) -> bool {
    // A secret of one or two characters is in almost every word.
    if secret.len() < 3 {
        return false;
    }
    if word.contains(secret) {
        return true;
    }
    word.as_bytes().windows(SHORTEST_PART).any(|part| std::str::from_utf8(part).is_ok_and(|part| secret.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_every_form() {
        let secrets = ["sk_test_1+2/3=", "two\nlines", "1234"];
        let found = |text| contains_secret(text, secrets.iter().copied());
        for text in [
            "sk_test_1+2/3=",
            "x sk_test_1+2/3= y",
            "https://a.example/?k=sk_test_1%2B2%2f3%3D",
            r"two\nlines",
            "two%0Alines",
            "1234",
            "eyJhbGciOiJub25lIn0.eyJrIjoic2tfdGVzdF8xKzIvMz0ifQ.",
            "eyJrIjoic2tfdGVzdF8xKzIvMz0ifQ==",
        ] {
            assert!(found(text), "{text}");
        }
        for text in ["", "cs_test_1", "91234", "sk_test_1", "\"", "%"] {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn whole_values_and_parts_are_replaced() {
        let secrets = ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "with two words", "pin"];
        let redact = |text| redact(text, secrets.iter().copied());
        assert_eq!(redact("Invalid API Key provided: sk_test_********p7dc."), "Invalid API Key provided: [REDACTED]");
        assert_eq!(redact("key=sk_test_4eC39HqLyjWDarjtT1zdp7dc&x=1 bad"), "[REDACTED] bad");
        assert_eq!(redact("is with two words here"), "is [REDACTED] here");
        assert_eq!(redact("pin wrong"), "[REDACTED] wrong");
        assert_eq!(redact("No such customer: 'cus_x'"), "No such customer: 'cus_x'");
        assert_eq!(redact("a\r\nb"), "a  b");
        assert_eq!(redact(&"é".repeat(600)).chars().count(), MAX_CHARS);
    }
}
