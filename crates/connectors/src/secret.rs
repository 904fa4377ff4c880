//! The type of every value that must not be seen.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A value that must not be seen: a credential, a token, a private input.
///
/// `Debug` prints `[REDACTED]`, there is no `Display`, and the memory is overwritten on drop. Only
/// [`Secret::expose`] returns the text, so a search for that name finds every use.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself, to put it into a call or an answer.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Whether a text has the form of a credential: no blank around it, no control character, no
/// invisible character. A copied line break would be sent as a part of the key, and would hide the
/// prefix that shows test or live. Only PEM (RFC 7468) has lines.
pub(crate) fn is_clean(text: &str) -> bool {
    let invisible = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let is_pem = text.trim_start().starts_with("-----BEGIN ");
    let is_blank = |c: char| c.is_whitespace() || invisible(c);
    let around = !is_pem && (text.starts_with(is_blank) || text.ends_with(is_blank));
    let inside = text.chars().any(|c| invisible(c) || c.is_control() && !(is_pem && matches!(c, '\r' | '\n' | '\t')));
    !text.is_empty() && !around && !inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_and_control_characters_are_found() {
        for clean in
            ["sk_test_1", "two words", "-----BEGIN PRIVATE KEY-----\r\nMIIE\n-----END PRIVATE KEY-----\n", "pä"]
        {
            assert!(is_clean(clean), "{clean:?}");
        }
        for text in [
            "",
            " ",
            " k",
            "k ",
            "k\n",
            "\tk",
            "k\u{a0}",
            "k\u{0}y",
            "k\u{7f}",
            "\u{feff}k",
            "k\u{200b}",
            "a\nb",
            "a\r\nb",
        ] {
            assert!(!is_clean(text), "{text:?}");
        }
    }
}
