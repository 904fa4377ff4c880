//! A stored value before it is sealed: a token, or the note that a reference was used.

use std::time::Duration;

use connectors::{Expiry, Secret, Timestamp, Token};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{
    cache::{
        form,
        keyring::{HashInput, Keyring},
        keys::Tag,
    },
    issued::IssuedToken,
    request::validated::TokenRequest,
    store::{StoreKey, StoredValue},
};

/// Bytes of the length of a text in a record (postcard: seven bits each).
const MAX_LENGTH_BYTES: usize = 5;

/// A stored record.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The digest of the request.
    pub request: [u8; 32],
    pub content: Content,
    /// In the note of a reference: the token that it received.
    pub tag: Option<Tag>,
    /// In the place of a secret: the place of the token that the secret came with.
    pub predecessor: Option<StoreKey>,
}

/// The content of a record: as it is written, the token or nothing.
pub(super) enum Content {
    Token(TokenRecord),
    /// The reference was used; its token is shared and stored elsewhere.
    ReferenceNote,
}

/// A token in a record.
#[derive(Serialize, Deserialize)]
pub(super) struct TokenRecord {
    token: Zeroizing<String>,
    token_type: String,
    scopes: Vec<String>,
    client_parameters: Vec<(String, String)>,
    server_parameters: Vec<(String, Zeroizing<String>)>,
    expires_at: Option<i64>,
    life_ms: u64,
    status: u16,
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Token(token) => serializer.serialize_some(token),
            Self::ReferenceNote => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::ReferenceNote, Self::Token))
    }
}

impl Record {
    /// The note that a reference was used.
    pub(super) fn note(request: [u8; 32], tag: Tag) -> Self {
        Self { request, content: Content::ReferenceNote, tag: Some(tag), predecessor: None }
    }

    /// The note that a secret came with the token of another place.
    pub(super) fn successor(request: [u8; 32], predecessor: StoreKey) -> Self {
        Self { request, content: Content::ReferenceNote, tag: None, predecessor: Some(predecessor) }
    }

    /// A token with this remaining lifetime.
    pub(super) fn token(request: [u8; 32], issued: &IssuedToken, left: Duration) -> Self {
        let token = &issued.token;
        let client = token.client_parameters.iter().map(|(name, value)| (name.clone().into_owned(), value.clone()));
        let server = token.server_parameters.iter();
        let server = server.map(|(name, value)| (name.clone().into_owned(), Zeroizing::new(value.expose().into())));
        let token = TokenRecord {
            token: Zeroizing::new(token.value.expose().into()),
            token_type: token.token_type.clone(),
            scopes: token.scopes.clone(),
            client_parameters: client.collect(),
            server_parameters: server.collect(),
            expires_at: issued.expires_at,
            life_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            status: issued.status,
        };
        Self { request, content: Content::Token(token), tag: None, predecessor: None }
    }

    /// The record, sealed for this key.
    pub(super) fn seal(&self, ring: &Keyring, key: StoreKey) -> Option<Vec<u8>> {
        let texts = match &self.content {
            Content::Token(token) => token.text_bytes(),
            Content::ReferenceNote => 0,
        };
        ring.seal(&key.digest, &form::write(self, texts)?)
    }

    /// The record in a stored value. `None` where it cannot be read.
    pub(super) fn open(ring: &Keyring, stored: &StoredValue) -> Option<Self> {
        form::read(&ring.open(&stored.key.digest, &stored.value)?)
    }
}

/// Names a token within its place.
pub(super) fn tag(token: &str) -> Tag {
    let [a, b, c, d, e, f, g, h, ..] = HashInput::of("tag").part(token).unkeyed_digest();
    [a, b, c, d, e, f, g, h]
}

impl TokenRecord {
    /// The length of all texts, with some bytes for the length of each.
    fn text_bytes(&self) -> usize {
        let client = self.client_parameters.iter().map(|(name, value)| name.len() + value.len());
        let server = self.server_parameters.iter().map(|(name, value)| name.len() + value.len());
        let scopes = self.scopes.iter().map(String::len);
        let parameters = client.chain(server).chain(scopes).map(|text| text + 2 * MAX_LENGTH_BYTES);
        self.token.len() + self.token_type.len() + parameters.sum::<usize>()
    }

    /// The tag of the token.
    pub(super) fn tag(&self) -> Tag {
        tag(&self.token)
    }

    /// The token's whole lifetime, from the moment when it was stored.
    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_millis(self.life_ms)
    }

    /// The token. Its remaining lifetime is the shorter of the store's time and the wall clock's.
    pub(super) fn issue(self, left: Duration, now: Timestamp, request: &TokenRequest) -> Option<IssuedToken> {
        let (left, expires_at) = match self.expires_at {
            None => (None, None),
            Some(expires_at) => {
                let by_wall_clock = expires_at.checked_mul(1000)?.checked_sub(now.as_millisecond())?;
                let left = left.min(Duration::from_millis(u64::try_from(by_wall_clock).ok()?));
                // The wall clock may have been set back since the token was made.
                let left_ms = i64::try_from(left.as_millis()).ok()?;
                let by_store = now.as_millisecond().checked_add(left_ms)?.div_euclid(1000);
                (Some(left), Some(expires_at.min(by_store)))
            }
        };
        let server = self.server_parameters.into_iter();
        let token = Token {
            further_ends: Vec::new(),
            value: Secret::from(self.token.as_str()),
            token_type: self.token_type,
            expiry: expires_at.and_then(|at| Expiry::at_epoch(at).ok()).unwrap_or(Expiry::Unpublished),
            scopes: self.scopes,
            client_parameters: self.client_parameters.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            server_parameters: server.map(|(name, value)| (name.into(), Secret::from(value.as_str()))).collect(),
        };
        Some(IssuedToken {
            token,
            grant: request.grant.name,
            audience: request.audience,
            expires_at,
            left,
            status: self.status,
        })
    }
}
