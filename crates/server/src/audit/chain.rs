//! The chain of the audit log: each line has a number, the code of the line before it, and a code of
//! its own (HMAC-SHA-256, RFC 2104) over both and the record. Used by `audit`, `writer` and the
//! command `audit`.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The code before the first line.
const NO_CODE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What separates a line's code from the rest.
const CODE: &str = ",\"code\":\"";

/// The keys that derive from the configured one.
pub(crate) struct AuditKey {
    chain: Zeroizing<[u8; 32]>,
    reference: Zeroizing<[u8; 32]>,
}

impl AuditKey {
    /// The keys of a configured key.
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        let derived = |purpose: &str| Zeroizing::new(code(key, &[b"daypass audit ", purpose.as_bytes()]));
        Self { chain: derived("chain"), reference: derived("reference") }
    }

    /// The keyed hash that stands for a reference.
    pub(crate) fn reference(&self, reference: &str) -> String {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = code(&self.reference, &[reference.as_bytes()]);
        hex::encode([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}

fn code(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// A place in the chain: the last line's number and code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number; 0 before the first one.
    pub seq: u64,
    /// Its code.
    pub code: String,
}

impl Default for Place {
    fn default() -> Self {
        Self { seq: 0, code: NO_CODE.into() }
    }
}

/// The members of a line that make the chain.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    previous: String,
    code: String,
}

impl Place {
    /// Adds the line of a record (a JSON object) after this place, and moves there.
    pub(super) fn append(&mut self, key: &AuditKey, time: &str, record: &str, lines: &mut String) {
        self.seq += 1;
        let start = lines.len();
        let members = record.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        let comma = if members.is_empty() { "" } else { "," };
        let _ =
            write!(lines, "{{\"seq\":{},\"time\":\"{time}\"{comma}{members},\"previous\":\"{}\"", self.seq, self.code);
        self.code = hex::encode(code(&key.chain, &[lines.get(start..).unwrap_or_default().as_bytes()]));
        let _ = writeln!(lines, "{CODE}{}\"}}", self.code);
    }

    /// The place of a line, if the line is one of a chain. Its code is not checked.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let Link { seq, code, .. } = serde_json::from_str(line).ok()?;
        Some(Self { seq, code })
    }
}

/// The check of a chain, line by line.
#[derive(Default)]
pub(crate) struct Verifier {
    /// The last line.
    pub last: Option<Place>,
    /// The number of the first line.
    pub first: Option<u64>,
    /// The number of lines.
    pub lines: u64,
}

impl Verifier {
    /// The fault of the next line; `None` where it is right and follows the line before it.
    pub(crate) fn fault(&mut self, key: &AuditKey, line: &str) -> Option<String> {
        self.lines += 1;
        let Ok(link) = serde_json::from_str::<Link>(line) else { return Some("is no line of an audit log".into()) };
        let signed = line.rfind(CODE).and_then(|end| line.get(..end)).unwrap_or_default();
        // The line is written in one way only, so nothing can stand after its code.
        let is_whole = line.get(signed.len()..) == Some(&format!("{CODE}{}\"}}", link.code));
        if !is_whole || hex::encode(code(&key.chain, &[signed.as_bytes()])) != link.code {
            return Some("was altered, or was written with another key".into());
        }
        let place = Place { seq: link.seq, code: link.code };
        let before = self.last.replace(place.clone());
        self.first.get_or_insert(link.seq);
        let before = before?;
        match place.seq.checked_sub(before.seq) {
            Some(1) if link.previous == before.code => None,
            Some(1) => Some(format!("does not follow line {} before it", before.seq)),
            Some(0) => Some(format!("repeats number {}", before.seq)),
            Some(more) => Some(format!("follows line {}: {} lines are missing", before.seq, more - 1)),
            None => Some(format!("has number {} after line {}: lines were moved or repeated", place.seq, before.seq)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u64) -> (AuditKey, Vec<String>) {
        let (key, mut place, mut text) = (AuditKey::of(&[7; 32]), Place::default(), String::new());
        for number in 0..count {
            place.append(&key, "2026-01-01T00:00:00Z", &format!(r#"{{"caller":"c{number}"}}"#), &mut text);
        }
        (key, text.lines().map(ToOwned::to_owned).collect())
    }

    fn faults(key: &AuditKey, lines: &[String]) -> usize {
        let mut verifier = Verifier::default();
        lines.iter().filter(|line| verifier.fault(key, line).is_some()).count()
    }

    #[test]
    fn every_change_of_a_chain_is_found() {
        let (key, right) = lines(6);
        assert_eq!(faults(&key, &right), 0);
        assert_eq!(faults(&key, right.get(3..).unwrap()), 0, "a chain may be looked at from its middle");
        assert_eq!(faults(&AuditKey::of(&[8; 32]), &right), 6, "another key");
        for at in 0..6 {
            // Every byte of the line counts.
            for byte in 0..right[at].len() {
                let mut changed = right.clone();
                let other = if right[at].as_bytes()[byte] == b'1' { "2" } else { "1" };
                changed[at].replace_range(byte..=byte, other);
                assert!(faults(&key, &changed) > 0, "line {at}, byte {byte}");
            }
            let mut longer = right.clone();
            longer[at].insert(1, ' ');
            assert!(faults(&key, &longer) > 0);
            if (1..5).contains(&at) {
                let mut removed = right.clone();
                removed.remove(at);
                assert_eq!(faults(&key, &removed), 1);
            }
            let mut repeated = right.clone();
            repeated.insert(at, right[at].clone());
            assert_eq!(faults(&key, &repeated), 1);
            for other in 0..at {
                let mut swapped = right.clone();
                swapped.swap(at, other);
                assert!(faults(&key, &swapped) > 0, "{at} and {other}");
            }
        }
        // A line of another chain of the same key, with the right number.
        let (_, mut other) = lines(6);
        let mut place = Place { seq: 2, code: NO_CODE.into() };
        let mut text = String::new();
        place.append(&key, "2026-01-01T00:00:00Z", r#"{"caller":"x"}"#, &mut text);
        other[2] = text.trim_end().to_owned();
        assert_eq!(faults(&key, &other), 2);
    }
}
