//! When a shared token is replaced before it expires (stale-while-revalidate). Pure functions; the
//! cache and the fetch use them.

use std::time::Duration;

use crate::random;

/// A shared token is replaced before the last tenth of its lifetime or the last minute, whichever
/// is shorter. It is handed out in the meantime.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// A shift of the moment of replacement, in parts of 256 of the refresh window. It differs between
/// nodes, so that they do not refresh at the same time.
#[derive(Clone, Copy)]
pub(super) struct Jitter(u32);

impl Jitter {
    /// The largest shift: a quarter of the window.
    pub(super) const MAX: Self = Self(63);

    pub(super) fn random() -> Self {
        let [byte] = random::bytes();
        Self(u32::from(byte) % (Self::MAX.0 + 1))
    }
}

/// Whether a shared token with this lifetime is to be replaced.
pub(super) fn is_due(lifetime: Duration, left: Duration, Jitter(jitter): Jitter) -> bool {
    let window = (lifetime / 10).min(REFRESH_BEFORE);
    left <= window + window * jitter / 256
}
