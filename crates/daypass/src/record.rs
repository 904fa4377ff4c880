use std::time::Duration;

use connectors::{Expiry, Secret, Timestamp, Token};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    IssuedToken, TokenRequest,
    keyring::Keyring,
    store::{Found, Place},
};

/// What is kept, sealed, in the store.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    /// What was asked for.
    pub request: [u8; 32],
    /// Nothing where only the use of a reference is noted.
    pass: Option<PassRecord>,
}

#[derive(Serialize, Deserialize)]
struct PassRecord {
    token: Zeroizing<String>,
    token_type: String,
    scopes: Vec<String>,
    client_parameters: Vec<(String, String)>,
    server_parameters: Vec<(String, Zeroizing<String>)>,
    expires_at: Option<i64>,
    life_ms: u64,
    status: u16,
}

impl Record {
    /// The use of a reference, whose token is kept elsewhere.
    pub fn note(request: [u8; 32]) -> Self {
        Self { request, pass: None }
    }

    /// A token that lives for so long from now.
    pub fn of(request: [u8; 32], pass: &IssuedToken, left: Duration) -> Self {
        let token = &pass.token;
        let client = token.client_parameters.iter().map(|(name, value)| (name.clone().into_owned(), value.clone()));
        let server = token.server_parameters.iter();
        let server = server.map(|(name, value)| (name.clone().into_owned(), Zeroizing::new(value.expose().into())));
        let pass = PassRecord {
            token: Zeroizing::new(token.value.expose().into()),
            token_type: token.token_type.clone(),
            scopes: token.scopes.clone(),
            client_parameters: client.collect(),
            server_parameters: server.collect(),
            expires_at: pass.expires_at,
            life_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            status: pass.status,
        };
        Self { request, pass: Some(pass) }
    }

    /// Whether it only notes the use of a reference.
    pub fn is_note(&self) -> bool {
        self.pass.is_none()
    }

    /// How long its token lives in all.
    pub fn life(&self) -> Duration {
        Duration::from_millis(self.pass.as_ref().map_or(0, |pass| pass.life_ms))
    }

    /// As it goes into the store.
    pub fn seal(&self, keys: &Keyring, place: Place) -> Option<Vec<u8>> {
        let json = Zeroizing::new(serde_json::to_vec(self).ok()?);
        keys.seal(&place.slot, &json)
    }

    /// As it comes back; nothing where it cannot be read.
    pub fn open(keys: &Keyring, found: &Found) -> Option<Self> {
        let json = keys.open(&found.place.slot, &found.value).map(Zeroizing::new)?;
        serde_json::from_slice(&json).ok()
    }

    /// Its token, with what is left of it: the least of what the wall clock and the store say.
    pub fn pass(self, left: Duration, now: Timestamp, order: &TokenRequest) -> Option<IssuedToken> {
        let kept = self.pass?;
        let left = match kept.expires_at {
            None => None,
            Some(expires_at) => {
                let by_wall = expires_at.checked_mul(1000)?.checked_sub(now.as_millisecond())?;
                Some(left.min(Duration::from_millis(u64::try_from(by_wall).ok()?)))
            }
        };
        let server = kept.server_parameters.into_iter();
        let token = Token {
            value: Secret::from(kept.token.as_str()),
            token_type: kept.token_type,
            expiry: kept.expires_at.and_then(|at| Expiry::at_epoch(at).ok()).unwrap_or(Expiry::Unpublished),
            scopes: kept.scopes,
            client_parameters: kept.client_parameters.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            server_parameters: server.map(|(name, value)| (name.into(), Secret::from(value.as_str()))).collect(),
        };
        Some(IssuedToken {
            token,
            grant: order.grant.name,
            audience: order.audience,
            expires_at: kept.expires_at,
            left,
            status: kept.status,
        })
    }
}
