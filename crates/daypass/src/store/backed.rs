use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Claim, Fingerprint, Forgotten, Found, Owner, Place, RedisStore, Store, StoreError, redis::Offered,
    remembered::Remembered,
};
use crate::Clock;

/// A shared store, backed by memory of our own for the time that it does not answer: then only the sharing is lost.
///
/// What the shared store says goes before what is remembered here; what it did not take is offered again when it is asked for.
/// The shared store knows this node, and `forget` waits until it has forgotten too.
pub struct FallbackStore {
    shared: RedisStore,
    here: Arc<Remembered>,
}

impl FallbackStore {
    /// The store at this URL (see [`RedisStore::new`]), backed.
    ///
    /// # Errors
    /// Where the URL cannot be read. Never with a part of it.
    pub fn new(url: &str, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let here = Arc::new(Remembered::new(clock));
        Ok(Self { shared: RedisStore::backed_by(url, here.clone())?, here })
    }

    /// What is here, of what the shared store has not got: offered to it once more. Another's, where that was first.
    async fn offer(&self, look_at: &[Place]) -> Option<Found> {
        let since = self.here.times_forgotten();
        let (mark, ours) = look_at.iter().find_map(|place| {
            // In this order: a value that is there after the mark was obeyed is younger than the
            // mark.
            let mark = self.here.mark(place.fingerprint);
            Some((mark, self.here.refused.find(std::slice::from_ref(place)).next()?))
        })?;
        let found = match self.shared.offer(ours.place, ours.value.clone(), ours.left, mark).await {
            Ok(Offered::Taken) => ours,
            Ok(Offered::Found(theirs)) => theirs,
            Ok(Offered::Forgotten) => return None,
            Err(StoreError) => return Some(ours),
        };
        self.here.follow(since, &[found.place], std::slice::from_ref(&found));
        Some(found)
    }

    /// Remembers a value that the shared store took, or did not.
    fn keep(&self, since: u64, taken: bool, place: Place, value: Vec<u8>, life: Duration) {
        self.here.unless_forgotten(since, || {
            if taken {
                self.here.refused.remove(place);
                self.here.taken.insert(place, value, life);
            } else {
                self.here.refused.insert(place, value, life);
            }
        });
    }
}

#[async_trait::async_trait]
impl Store for FallbackStore {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        self.shared.wait_until_up(limit).await
    }

    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        let since = self.here.times_forgotten();
        let Ok(mut found) = self.shared.get(places).await else { return Ok(self.here.find(places)) };
        self.here.follow(since, places, &found);
        for place in places {
            if !found.iter().any(|found| found.place == *place) {
                found.extend(self.offer(&[*place]).await);
            }
        }
        found.sort_by_key(|found| places.iter().position(|place| *place == found.place));
        Ok(found)
    }

    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        let since = self.here.times_forgotten();
        let taken = self.shared.put(place, value.clone(), life).await.is_ok();
        self.keep(since, taken, place, value, life);
        Ok(())
    }

    async fn put_new(
        &self,
        look_at: &[Place],
        place: Place,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<Found>, StoreError> {
        let since = self.here.times_forgotten();
        match self.shared.put_new(look_at, place, value.clone(), life).await {
            Ok(Some(found)) => {
                self.here.follow(since, &[found.place], std::slice::from_ref(&found));
                Ok(Some(found))
            }
            Ok(None) => {
                self.keep(since, true, place, value, life);
                Ok(None)
            }
            Err(StoreError) => match self.here.find(look_at).into_iter().next() {
                Some(found) => Ok(Some(found)),
                None => self.here.refused.put_new(look_at, place, value, life).await,
            },
        }
    }

    async fn claim(
        &self,
        look_at: &[Place],
        place: Place,
        owner: Owner,
        lease: Duration,
        until: Instant,
    ) -> Result<Claim, StoreError> {
        let since = self.here.times_forgotten();
        match self.shared.claim(look_at, place, owner, lease, until).await {
            Ok(Claim::Ours) => match self.offer(look_at).await {
                Some(found) => {
                    let _ = self.shared.give_up(place, owner).await;
                    Ok(Claim::Found(found))
                }
                None => Ok(Claim::Ours),
            },
            Ok(Claim::Found(found)) => {
                self.here.follow(since, &[found.place], std::slice::from_ref(&found));
                Ok(Claim::Found(found))
            }
            Ok(Claim::Theirs) => Ok(Claim::Theirs),
            Err(StoreError) => match self.here.find(look_at).into_iter().next() {
                Some(found) => Ok(Claim::Found(found)),
                None => self.here.refused.claim(look_at, place, owner, lease, until).await,
            },
        }
    }

    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        let here = self.here.refused.renew(place, owner, lease).await?;
        Ok(self.shared.renew(place, owner, lease).await.unwrap_or(false) || here)
    }

    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError> {
        let since = self.here.times_forgotten();
        let settled = self.shared.settle(place, owner, value.clone(), life).await;
        if settled != Ok(false) {
            self.keep(since, settled.is_ok(), place, value, life);
        }
        self.here.refused.give_up(place, owner).await?;
        Ok(settled.unwrap_or(true))
    }

    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError> {
        self.here.refused.give_up(place, owner).await?;
        self.shared.give_up(place, owner).await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<Forgotten, StoreError> {
        let here = self.here.forget(fingerprint);
        let forgotten = self.shared.forget(fingerprint).await?;
        Ok(Forgotten { values: forgotten.values + here, ..forgotten })
    }

    async fn leave(&self) {
        self.shared.leave().await;
    }
}
