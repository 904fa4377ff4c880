//! The places of connections. Where all are taken, a new connection gets that of one on which no call
//! was admitted: strangers cannot keep callers out. Used by `listen` and `connection`.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// The places of all connections.
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
    /// A place became free.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    /// Connections in all.
    all: usize,
    /// Those without an admitted call, the oldest first.
    strangers: BTreeMap<u64, Stranger>,
    /// How many of these each address has.
    per_address: HashMap<IpAddr, usize>,
    next: u64,
}

struct Stranger {
    address: IpAddr,
    /// Tells the connection that its place is given away.
    lost: Arc<Notify>,
}

impl Places {
    /// So many places.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until a place is free, or can be taken from a stranger.
    pub(super) async fn available(&self) {
        self.wait_for(|taken| taken.all < self.most || !taken.strangers.is_empty()).await;
    }

    /// Waits until no place is taken.
    pub(super) async fn all_free(&self) {
        self.wait_for(|taken| taken.all == 0).await;
    }

    async fn wait_for(&self, is_so: impl Fn(&Taken) -> bool) {
        loop {
            let freed = self.freed.notified();
            if is_so(&self.lock()) {
                return;
            }
            freed.await;
        }
    }

    /// A place for a connection from this address. Where none is free, the address with the most
    /// strangers loses its oldest one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Place {
        // An IPv6 client has a whole /64 of addresses.
        let address = match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        };
        let mut taken = self.lock();
        if taken.all >= self.most {
            taken.take_from_stranger();
        }
        let (id, lost) = (taken.next, Arc::new(Notify::new()));
        taken.next += 1;
        taken.all += 1;
        taken.strangers.insert(id, Stranger { address, lost: lost.clone() });
        *taken.per_address.entry(address).or_default() += 1;
        Place { places: self.clone(), id, lost, admitted: AtomicBool::new(false) }
    }

    /// A place, if one is free.
    pub(super) fn try_take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let free = self.lock().all < self.most;
        free.then(|| self.take(address))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes a connection out of the strangers.
    fn forget(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&id)?;
        if let Some(count) = self.per_address.get_mut(&stranger.address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&stranger.address);
            }
        }
        Some(stranger)
    }

    fn take_from_stranger(&mut self) {
        let most = self.per_address.iter().max_by_key(|(_, count)| **count).map(|(address, _)| *address);
        let oldest = self.strangers.iter().find(|(_, stranger)| Some(stranger.address) == most).map(|(id, _)| *id);
        if let Some(stranger) = oldest.and_then(|id| self.forget(id)) {
            stranger.lost.notify_one();
            metrics::counter!("daypass_displaced_connections_total").increment(1);
        }
    }
}

/// The place of one connection, until its drop.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    lost: Arc<Notify>,
    admitted: AtomicBool,
}

impl Place {
    /// Keeps the place: a call was admitted on this connection.
    pub(super) fn keep(&self) {
        if !self.admitted.swap(true, Ordering::Relaxed) {
            self.places.lock().forget(self.id);
        }
    }

    /// Waits until another connection has this place.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.forget(self.id);
        taken.all -= 1;
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_address_with_most_strangers_loses_its_oldest() {
        let places = Places::new(4);
        let caller = places.take(address(1));
        caller.keep();
        let (quiet, old, young) = (places.take(address(2)), places.take(address(3)), places.take(address(3)));
        let new = places.take(address(4));
        assert!(old.lost().now_or_never().is_some());
        for other in [&caller, &quiet, &young, &new] {
            assert!(other.lost().now_or_never().is_none());
        }
        drop(old);
        for place in [&quiet, &young, &new] {
            place.keep();
        }
        assert!(places.available().now_or_never().is_none(), "all places have admitted callers");
        drop(young);
        assert!(places.available().now_or_never().is_some());
        drop((caller, quiet, new));
        assert!(places.all_free().now_or_never().is_some());
        assert!(places.lock().per_address.is_empty() && places.lock().strangers.is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one_stranger() {
        let places = Places::new(3);
        let v6 = |text: &str| text.parse().unwrap();
        let first = places.take(v6("2001:db8::1"));
        let (other, second) = (places.take(v6("2001:db8:0:1::1")), places.take(v6("2001:db8::2")));
        let _new = places.take(v6("2001:db8:0:2::1"));
        assert!(first.lost().now_or_never().is_some());
        assert!(other.lost().now_or_never().is_none() && second.lost().now_or_never().is_none());
    }
}
