//! Takes credentials out of texts that vendors wrote.

/// Longest text of a vendor's that is passed on, in characters.
const MAX_CHARS: usize = 500;

/// What stands in the place of a removed word.
const REMOVED: &str = "[REDACTED]";

/// Shortest part of a secret that gives a word away: vendors like to repeat the beginning of a key.
const TELLING: usize = 8;

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
