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
        let texts = [token.value.expose(), &token.token_type].into_iter().chain(scopes).chain(parameters);
        let texts: Vec<&str> = texts.collect();
        let is_public = |sent: &&str| self.request.public_values().any(|public| public == *sent);
        let sent = self.sent.iter().map(String::as_str).filter(|sent| !is_public(sent));
        let secrets: Vec<&str> = self.request.private_values().chain(sent).collect();
        contain_secret(&texts, &secrets)
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

/// Whether one of the texts contains one of the secrets: as it is, percent-encoded, escaped as in JSON,
/// or in base64, as in the claims of a JWT.
fn contain_secret(texts: &[&str], secrets: &[&str]) -> bool {
    let Some(shortest) = secrets.iter().map(|secret| secret.len()).min() else { return false };
    let inside = |text: &str| {
        let is_in = |secret: &&str| secret.len() >= SHORTEST_INSIDE && text.contains(*secret);
        secrets.iter().any(|secret| text == *secret || is_in(secret))
    };
    // Looked through as one text: no secret has the character between them. Short secrets count as whole texts.
    if inside(&texts.join("\0")) || texts.iter().any(|text| secrets.contains(text)) {
        return true;
    }
    // Without the mark of an encoding, its reading is the text itself.
    texts.iter().any(|text| {
        text.contains('%') && inside(&percent_decode_str(text).decode_utf8_lossy())
            || text.contains('\\') && serde_json::from_str(&format!("\"{text}\"")).is_ok_and(|text: String| inside(&text))
            // Four characters of base64 are three bytes.
            || text.split('.').filter(|part| part.len() * 3 / 4 >= shortest).filter_map(of_base64).any(|part| inside(&part))
    })
}

/// The decoded text of base64 of either alphabet (RFC 4648 sections 4 and 5), with padding or
/// without.
fn of_base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let decoded = match text.contains(['+', '/']) {
        false => URL_SAFE_NO_PAD.decode(text),
        true => URL_SAFE_NO_PAD.decode(text.replace('+', "-").replace('/', "_")),
    };
    String::from_utf8(decoded.ok()?).ok()
}

/// The text without control characters, at most 500 characters long. Every word is replaced that
/// gives a secret away: as it is, in other case, reversed, or in an encoding that error pages use.
fn redact<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let secrets: Vec<Forms> = secrets.map(Forms::of).collect();
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Whole values first: they may contain spaces.
    for secret in secrets.iter().filter(|secret| secret.text.chars().any(char::is_whitespace)) {
        clean = clean.replace(secret.text, REMOVED);
    }
    let clamped: String = clean.chars().take(MAX_CHARS).collect();
    clamped
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            let core = word.trim_end();
            let tail = word.get(core.len()..).unwrap_or_default();
            let read = readings(core);
            if secrets.iter().any(|secret| secret.is_in(core, &read)) {
                format!("{REMOVED}{tail}")
            } else {
                word.into()
            }
        })
        .collect()
}

/// One secret with the forms in which a text may have it.
struct Forms<'a> {
    text: &'a str,
    /// In lower case: the secret, and the secret reversed.
    plain: [String; 2],
    /// In lower case: base64 (both alphabets as one) at the three places that it can have in a longer
    /// text, and hex.
    encoded: Vec<String>,
}

impl<'a> Forms<'a> {
    fn of(text: &'a str) -> Self {
        let reversed: String = text.chars().rev().collect();
        let at = |offset: usize| {
            let mut bytes = vec![0; offset];
            bytes.extend_from_slice(text.as_bytes());
            let encoded = URL_SAFE_NO_PAD.encode(bytes);
            // The first characters also hold bits of what is before the secret, the last ones of what
            // is after it.
            let from = (offset * 8).div_ceil(6);
            let to = encoded.len().saturating_sub(1);
            encoded.get(from..to).unwrap_or_default().to_lowercase()
        };
        Self {
            text,
            plain: [text.to_lowercase(), reversed.to_lowercase()],
            encoded: vec![at(0), at(1), at(2), hex::encode(text)],
        }
    }

    /// Whether a word, or a reading of it, has the secret or eight characters in a row of it.
    fn is_in(&self, word: &str, readings: &[String]) -> bool {
        // A secret of one or two characters is in almost every word.
        if self.text.len() < 3 {
            return false;
        }
        let one_alphabet = || word.to_lowercase().replace('+', "-").replace('/', "_");
        word.contains(self.text)
            || shares_part(word, self.text, |_| true)
            || readings.iter().any(|read| self.plain.iter().any(|form| shares_part(read, form, is_no_word)))
            || self.text.len() >= SHORTEST_INSIDE && {
                let word = one_alphabet();
                self.encoded.iter().any(|form| shares_part(&word, form, |_| true))
            }
    }
}

/// What a word says, in lower case: as it is, percent-decoded, without the escapes of JSON and HTML.
fn readings(word: &str) -> Vec<String> {
    let percent = percent_decode_str(word).decode_utf8_lossy();
    let mut readings: Vec<String> = vec![word.to_lowercase(), percent.to_lowercase()];
    readings.extend(
        [unescaped(word, "\\u", 4), unescaped(word, "\\x", 2), without_entities(word)].map(|text| text.to_lowercase()),
    );
    readings.dedup();
    readings
}

/// The text with `\uXXXX` or `\xXX` in their place.
fn unescaped(text: &str, mark: &str, digits: usize) -> String {
    let mut parts = text.split(mark);
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        match (code, part.get(digits..)) {
            (Some(character), Some(rest)) => {
                read.push(character);
                read.push_str(rest);
            }
            _ => {
                read.push_str(mark);
                read.push_str(part);
            }
        }
    }
    read
}

/// The text with the character references of HTML in their place: numbers, and the five names that
/// every escaper writes (HTML, section 13.5).
fn without_entities(text: &str) -> String {
    let mut parts = text.split('&');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        match reference {
            Some((character, rest)) => {
                read.push(character);
                read.push_str(rest);
            }
            None => {
                read.push('&');
                read.push_str(part);
            }
        }
    }
    read
}

fn character(reference: &str) -> Option<char> {
    let number = reference.strip_prefix('#');
    match (number.and_then(|number| number.strip_prefix(['x', 'X'])), number) {
        (Some(hex), _) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
        (None, Some(decimal)) => char::from_u32(decimal.parse().ok()?),
        (None, None) => match reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        },
    }
}

/// Whether a text has a secret, or eight characters in a row of it that count.
fn shares_part(text: &str, secret: &str, counts: impl Fn(&str) -> bool) -> bool {
    if secret.len() >= 3 && text.contains(secret) {
        return true;
    }
    let parts = secret.as_bytes().windows(SHORTEST_PART).filter_map(|part| std::str::from_utf8(part).ok());
    parts.filter(|part| counts(part)).any(|part| text.contains(part))
}

/// Whether a part of a secret in another case is more than a word of a language (`merchant`).
fn is_no_word(part: &str) -> bool {
    !part.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn secrets_are_found_in_every_form() {
        let secrets = ["sk_test_1+2/3=", "two\nlines", "1234"];
        let found = |text| contain_secret(&["an", text, "other"], &secrets);
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
    fn secrets_are_removed_in_the_forms_that_error_pages_write() {
        let secret = "sk_test_4eC39+Hq/LyjWDarjtT1zdp7dc";
        let basic = STANDARD.encode(format!("user:{secret}"));
        let (alone, url_safe) = (STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(format!("ab{secret}yz")));
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let html: String = secret.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        let html_hex: String = secret.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect();
        let json: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let reversed: String = secret.chars().rev().collect();
        let partly = secret.replace('+', "%2b").replace('/', "&#47;");
        for form in [
            basic.as_str(),
            &alone,
            &url_safe,
            &percent,
            &html,
            &html_hex,
            &json,
            &reversed,
            &partly,
            &hex::encode(secret),
            &hex::encode_upper(secret),
            &secret.to_uppercase(),
            secret.get(10..20).unwrap(),
            &format!("\"{secret}\""),
        ] {
            let text = format!("bad <{form}> given");
            assert_eq!(redact(&text, std::iter::once(secret)), "bad [REDACTED] given", "{form}");
        }
    }

    #[test]
    fn ordinary_words_stay() {
        let secrets = ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "MERCHANT-ACCOUNT-9", "pin9"];
        for text in [
            "The merchant is not active; contact support@vendor.example (code 401, trace 4bf92f3577b34da6a3ce929d0e0e4736)",
            "Field &quot;amount&quot; must be a number, see https://docs.vendor.example/errors#invalid_amount?lang=en%2Dgb",
            "Dm9wZW5zc2wgcmVxdWVzdCBmYWlsZWQ= is no token; {\"error\":\"invalid_request\"}",
        ] {
            assert_eq!(redact(text, secrets.iter().copied()), text);
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
