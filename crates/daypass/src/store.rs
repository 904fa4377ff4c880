//! Where tokens wait for their next caller. Values come here sealed; a store sees neither credentials nor tokens.

mod backed;
mod memory;
mod redis;
mod remembered;

use std::time::Duration;

use tokio::time::Instant;

pub use backed::FallbackStore;
pub use memory::MemoryStore;
pub use redis::RedisStore;

/// The name of a place in a store. It begins with the fingerprint of the credentials, so that all places of one set of
/// credentials can be forgotten together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The fingerprint of the credentials.
    pub fingerprint: Fingerprint,
    /// A keyed hash of everything that the value depends on.
    pub slot: [u8; 32],
}

/// A keyed hash of a connector's credentials: what logs show instead of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 8]);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        number.map(|number| Self(number.to_be_bytes())).ok_or("a fingerprint has 16 hex digits, as logs show it")
    }
}

/// A value and how long it will still be there, by the store's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which of the places that were asked for holds it.
    pub place: Place,
    /// The sealed value.
    pub value: Vec<u8>,
    /// Time until it disappears.
    pub left: Duration,
}

/// What came of asking for the right to make a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The value is there already.
    Found(Found),
    /// The right is ours until it is settled, given up, or not renewed in time.
    Ours,
    /// Somebody else still has it.
    Theirs,
}

/// What came of forgetting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many values the store held.
    pub values: u64,
    /// The nodes that did not confirm that they remember none, each with the time since it was last
    /// heard of.
    pub unconfirmed: Vec<String>,
}

/// How often a claim looks whether somebody else's right has ended.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Who claims: another text for each flight.
pub type Owner = [u8; 16];

/// Why a store did not do as asked: it was not there, not in time, or refused. The caller goes on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError;

/// A place for sealed values, with leases so that one value is made once.
///
/// Several places to look at are alternatives, the first one preferred: the names that one thing has under several keys.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Waits until the store answers, for this long at most; whether it does.
    async fn wait_until_up(&self, limit: Duration) -> bool {
        let _ = limit;
        true
    }

    /// Those of these places that hold a value, in the order in which they were asked for.
    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError>;

    /// Puts a value, whoever holds a lease.
    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError>;

    /// Puts a value unless one of the places to look at holds one already, which is given back. In one step.
    async fn put_new(
        &self,
        look_at: &[Place],
        place: Place,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<Found>, StoreError>;

    /// The value at one of these places, or else the right to make that of `place`: in one step. With no places to look at,
    /// only the right. Where somebody else has the right, waits for it or for the value, until then.
    async fn claim(
        &self,
        look_at: &[Place],
        place: Place,
        owner: Owner,
        lease: Duration,
        until: Instant,
    ) -> Result<Claim, StoreError>;

    /// Keeps the right for longer.
    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError>;

    /// Puts the value and gives the right back. `false`, with nothing put, where the right had passed to somebody else.
    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError>;

    /// Gives the right back without a value.
    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError>;

    /// Forgets every value of these credentials, on every node. Done only where no node is
    /// [`Forgotten::unconfirmed`].
    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError>;

    /// Says that this node ends: nobody waits for it any more. Not to be used afterwards.
    async fn leave(&self) {}
}
