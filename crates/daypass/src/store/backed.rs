use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Claim, Fingerprint, Found, MemoryStore, Owner, Place, Store, StoreError};
use crate::Clock;

/// A shared store, backed by memory of our own for the time that it does not answer: then only the sharing is lost.
///
/// What the shared store says goes before what is remembered here; what it did not take is offered again when it is asked for.
pub struct BackedStore<S> {
    shared: S,
    /// What the shared store was last seen to hold.
    remembered: MemoryStore,
    /// What it did not take.
    refused: MemoryStore,
}

impl<S: Store> BackedStore<S> {
    /// This store, backed.
    pub fn new(shared: S, clock: Arc<dyn Clock>) -> Self {
        Self { shared, remembered: MemoryStore::new(clock.clone()), refused: MemoryStore::new(clock) }
    }

    /// What is here, of what the shared store has not got: offered to it once more. Another's, where that was first.
    async fn offer(&self, look_at: &[Place]) -> Option<Found> {
        let ours = self.refused.get(look_at).await.ok()?.into_iter().next()?;
        match self.shared.put_new(&[ours.place], ours.place, ours.value.clone(), ours.left).await {
            Ok(theirs) => {
                self.refused.follow(&[ours.place], &[]);
                let found = theirs.unwrap_or(ours);
                self.remembered.follow(&[found.place], std::slice::from_ref(&found));
                Some(found)
            }
            Err(StoreError) => Some(ours),
        }
    }

    /// Remembers a value that the shared store took, or did not.
    async fn keep(&self, taken: bool, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        if taken {
            self.refused.follow(&[place], &[]);
            self.remembered.put(place, value, life).await
        } else {
            self.refused.put(place, value, life).await
        }
    }

    async fn here(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        let (refused, remembered) = (self.refused.get(places).await?, self.remembered.get(places).await?);
        let at = |place: &Place| refused.iter().chain(&remembered).find(|found| found.place == *place).cloned();
        Ok(places.iter().filter_map(at).collect())
    }
}

#[async_trait::async_trait]
impl<S: Store> Store for BackedStore<S> {
    async fn wait_until_up(&self, limit: Duration) -> bool {
        self.shared.wait_until_up(limit).await
    }

    async fn get(&self, places: &[Place]) -> Result<Vec<Found>, StoreError> {
        let Ok(mut found) = self.shared.get(places).await else { return self.here(places).await };
        self.remembered.follow(places, &found);
        for place in places {
            if !found.iter().any(|found| found.place == *place) {
                found.extend(self.offer(&[*place]).await);
            }
        }
        found.sort_by_key(|found| places.iter().position(|place| *place == found.place));
        Ok(found)
    }

    async fn put(&self, place: Place, value: Vec<u8>, life: Duration) -> Result<(), StoreError> {
        let taken = self.shared.put(place, value.clone(), life).await.is_ok();
        self.keep(taken, place, value, life).await
    }

    async fn put_new(
        &self,
        look_at: &[Place],
        place: Place,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<Option<Found>, StoreError> {
        match self.shared.put_new(look_at, place, value.clone(), life).await {
            Ok(found) => {
                match &found {
                    Some(found) => self.remembered.follow(&[found.place], std::slice::from_ref(found)),
                    None => self.keep(true, place, value, life).await?,
                }
                Ok(found)
            }
            Err(StoreError) => match self.here(look_at).await?.into_iter().next() {
                Some(found) => Ok(Some(found)),
                None => self.refused.put_new(look_at, place, value, life).await,
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
        match self.shared.claim(look_at, place, owner, lease, until).await {
            Ok(Claim::Ours) => match self.offer(look_at).await {
                Some(found) => {
                    let _ = self.shared.give_up(place, owner).await;
                    Ok(Claim::Found(found))
                }
                None => Ok(Claim::Ours),
            },
            Ok(Claim::Found(found)) => {
                self.remembered.follow(&[found.place], std::slice::from_ref(&found));
                Ok(Claim::Found(found))
            }
            Ok(Claim::Theirs) => Ok(Claim::Theirs),
            Err(StoreError) => match self.here(look_at).await?.into_iter().next() {
                Some(found) => Ok(Claim::Found(found)),
                None => self.refused.claim(look_at, place, owner, lease, until).await,
            },
        }
    }

    async fn renew(&self, place: Place, owner: Owner, lease: Duration) -> Result<bool, StoreError> {
        let here = self.refused.renew(place, owner, lease).await?;
        Ok(self.shared.renew(place, owner, lease).await.unwrap_or(false) || here)
    }

    async fn settle(&self, place: Place, owner: Owner, value: Vec<u8>, life: Duration) -> Result<bool, StoreError> {
        let settled = self.shared.settle(place, owner, value.clone(), life).await;
        if settled != Ok(false) {
            self.keep(settled.is_ok(), place, value, life).await?;
        }
        self.refused.give_up(place, owner).await?;
        Ok(settled.unwrap_or(true))
    }

    async fn give_up(&self, place: Place, owner: Owner) -> Result<(), StoreError> {
        self.refused.give_up(place, owner).await?;
        self.shared.give_up(place, owner).await
    }

    async fn forget(&self, fingerprint: Fingerprint) -> Result<u64, StoreError> {
        self.remembered.forget(fingerprint).await?;
        let here = self.refused.forget(fingerprint).await?;
        Ok(self.shared.forget(fingerprint).await? + here)
    }
}
