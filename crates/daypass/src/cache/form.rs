//! The written form of records: a byte that names the form, then the record in postcard. Records of
//! earlier versions are JSON, and are read. A record in a form of a later version counts as absent.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

/// The form that is written. Each change of a record's members needs another one: postcard has no names.
const POSTCARD_1: u8 = 1;
/// The first byte of a record in JSON.
const JSON: u8 = b'{';
/// Bytes that a record needs at most besides its texts.
const BESIDES_TEXTS: usize = 256;

/// A record as bytes. `texts` is the length of its texts: with this much space from the start, a secret
/// does not stay behind where the bytes move.
pub(super) fn write(record: &impl Serialize, texts: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(BESIDES_TEXTS + texts);
    bytes.push(POSTCARD_1);
    postcard::to_extend(record, bytes).ok().map(Zeroizing::new)
}

/// The record in these bytes. `None` where they have no form that is known.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match bytes.split_first()? {
        (&POSTCARD_1, record) => postcard::from_bytes(record).ok(),
        (&JSON, _) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

/// A digest: 32 bytes. In JSON it is 64 hexadecimal digits or, before that, 32 numbers.
pub(super) fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    match deserializer.is_human_readable() {
        true => deserializer.deserialize_any(InJson),
        false => Deserialize::deserialize(deserializer),
    }
}

struct InJson;

impl<'de> Visitor<'de> for InJson {
    type Value = [u8; 32];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("64 hexadecimal digits, or 32 numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(E::custom)?;
        Ok(digest)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = numbers.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        match numbers.next_element::<u8>()? {
            None => Ok(digest),
            Some(_) => Err(A::Error::invalid_length(33, &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder {
        #[serde(deserialize_with = "digest")]
        digest: [u8; 32],
        text: String,
    }

    fn holder() -> Holder {
        Holder { digest: std::array::from_fn(|at| u8::try_from(at * 8).unwrap()), text: "x".repeat(5000) }
    }

    #[test]
    fn what_is_written_is_read_and_never_moved() {
        let bytes = write(&holder(), 5000).unwrap();
        assert_eq!(read::<Holder>(&bytes), Some(holder()));
        assert!(bytes.capacity() == BESIDES_TEXTS + 5000 && bytes.len() == 1 + 32 + 2 + 5000);
        for cut in [0, 1, 20, 33, bytes.len() - 1] {
            assert_eq!(read::<Holder>(bytes.get(..cut).unwrap()), None, "{cut}");
        }
        let mut later = bytes.to_vec();
        later[0] = 2;
        assert_eq!(read::<Holder>(&later), None);
    }

    #[test]
    fn records_of_earlier_versions_are_read() {
        let (digest, text) = (holder().digest, holder().text);
        let json = |digest: &str| format!(r#"{{"digest":{digest},"text":"{text}"}}"#);
        let (numbers, digits) = (serde_json::to_string(&digest).unwrap(), hex::encode(digest));
        for right in [&numbers, &format!("\"{digits}\"")] {
            assert_eq!(read(json(right).as_bytes()), Some(holder()), "{right}");
        }
        let short = digits.get(2..).unwrap();
        for wrong in ["[1,2]", &format!("\"{short}\""), &format!("\"{digits}00\""), &numbers.replace(']', ",1]")] {
            assert_eq!(read::<Holder>(json(wrong).as_bytes()), None, "{wrong}");
        }
    }
}
