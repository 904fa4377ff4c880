//! Random numbers of calls: nonces, identifiers, delays. They come from a generator in this thread
//! (ChaCha12, seeded again and again by the system), as a system call for each would cost more than
//! the hash of a name. Keys come from the system itself.

use rand::Rng as _;

/// Random bytes that nobody can predict.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
