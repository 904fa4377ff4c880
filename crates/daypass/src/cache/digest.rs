//! Digests in records: written as hexadecimal text, which is read faster than 32 numbers. Records of
//! earlier versions have the numbers, and are read. For `#[serde(with = "digest")]`.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, SeqAccess, Visitor},
};

pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [0; 64];
    hex::encode_to_slice(digest, &mut text).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    deserializer.deserialize_any(EitherForm)
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
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
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder(#[serde(with = "super")] [u8; 32]);

    #[test]
    fn both_forms_are_read_and_the_short_one_is_written() {
        let digest: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        let numbers = serde_json::to_string(&digest).unwrap();
        let text = serde_json::to_string(&Holder(digest)).unwrap();
        assert_eq!(text, format!("\"{}\"", hex::encode(digest)));
        for form in [&numbers, &text] {
            assert_eq!(serde_json::from_str::<Holder>(form).unwrap(), Holder(digest));
        }
        let digits = hex::encode(digest);
        let short = digits.get(2..).unwrap();
        for wrong in
            ["[1,2]".to_owned(), format!("\"{short}\""), format!("\"{digits}00\""), numbers.replace(']', ",1]")]
        {
            assert!(serde_json::from_str::<Holder>(&wrong).is_err(), "{wrong}");
        }
    }
}
