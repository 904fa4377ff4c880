//! The written form of records: a byte that names the form, then the record in postcard. A record in
//! another form counts as absent.

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// The form that is written. Each change of a record's members needs another one: postcard has no names.
const POSTCARD_1: u8 = 1;
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
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder {
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
}
