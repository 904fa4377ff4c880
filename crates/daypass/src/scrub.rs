//! Keeps credentials out of what is handed out: takes them out of texts that connectors wrote, and finds tokens that
//! contain one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

/// Longest text of a vendor's that is passed on, in characters.
const MAX_CHARS: usize = 500;

/// What stands in the place of a removed word.
const REMOVED: &str = "[REDACTED]";

/// Shortest part of a secret that gives a word away: vendors like to repeat the beginning of a key.
const TELLING: usize = 8;

/// Shortest secret that is looked for inside a longer text. A shorter one, such as a PIN of four digits, is part of many
/// random tokens by chance; it counts only where it is the whole text.
const SHORTEST_INSIDE: usize = 6;

/// Whether the text contains one of the secrets: as it is, percent-encoded, escaped as JSON does it, or in base64, as in the
/// claims of a JWT.
pub(crate) fn contains_secret<'a>(text: &str, secrets: impl Iterator<Item = &'a str> + Clone) -> bool {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    let unescaped = serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_default();
    let inside = |text: &str| {
        secrets.clone().any(|secret| text == secret || secret.len() >= SHORTEST_INSIDE && text.contains(secret))
    };
    [text, &decoded, &unescaped].into_iter().any(inside)
        || text.split('.').filter_map(of_base64).any(|part| inside(&part))
}

/// The text behind base64 of either alphabet (RFC 4648 sections 4 and 5), with padding or without.
fn of_base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The text without control characters, at most 500 characters long, and with every word removed that is a secret, contains
/// one, or shares eight characters in a row with one.
pub(crate) fn scrub<'a>(text: &str, secrets: impl Iterator<Item = &'a str> + Clone) -> String {
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
            if secrets.clone().any(|secret| gives_away(core, secret)) {
                format!("{REMOVED}{tail}")
            } else {
                word.into()
            }
        })
        .collect()
}

fn gives_away(word: &str, secret: &str) -> bool {
    // One and two characters are no secret, and would empty every text.
    if secret.len() < 3 {
        return false;
    }
    if word.contains(secret) {
        return true;
    }
    word.as_bytes().windows(TELLING).any(|part| std::str::from_utf8(part).is_ok_and(|part| secret.contains(part)))
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
    fn whole_values_parts_and_neighbours_go() {
        let secrets = ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "with two words", "pin"];
        let scrub = |text| scrub(text, secrets.iter().copied());
        assert_eq!(scrub("Invalid API Key provided: sk_test_********p7dc."), "Invalid API Key provided: [REDACTED]");
        assert_eq!(scrub("key=sk_test_4eC39HqLyjWDarjtT1zdp7dc&x=1 bad"), "[REDACTED] bad");
        assert_eq!(scrub("is with two words here"), "is [REDACTED] here");
        assert_eq!(scrub("pin wrong"), "[REDACTED] wrong");
        assert_eq!(scrub("No such customer: 'cus_x'"), "No such customer: 'cus_x'");
        assert_eq!(scrub("a\r\nb"), "a  b");
        assert_eq!(scrub(&"é".repeat(600)).chars().count(), MAX_CHARS);
    }
}
