//! Random numbers: from the system where two copies of a process must not have the same, else from a
//! generator in this thread (ChaCha12, seeded again and again by the system), which needs no system call.

use rand::Rng as _;

/// Random bytes that nobody else has, also not a copy of this process such as a resumed snapshot of a virtual
/// machine: nonces, owners of leases, idempotency keys.
pub(crate) fn unique<const N: usize>() -> [u8; N] {
    let mut unique = [0; N];
    match getrandom::fill(&mut unique) {
        Ok(()) => unique,
        // The thread's generator has a seed already, or ends the call.
        Err(_) => bytes(),
    }
}

/// Random bytes that nobody can predict: ids in logs, delays, choices.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
