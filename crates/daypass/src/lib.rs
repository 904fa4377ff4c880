//! The engine: takes a request, holds it against what the connector can do and what the operator allows, and drives the
//! exchange with the vendor inside the caller's deadline.
//!
//! [`Engine::create_access_token`] reads top to bottom as the path of one call. This crate is the only home of IO towards
//! vendors; everything that it knows about them comes from [`connectors`].

mod clock;
mod credentials;
mod egress;
mod engine;
mod flights;
mod gate;
mod keyring;
mod life;
mod names;
mod order;
mod record;
mod retry;
mod scrub;
mod settings;
mod shelf;
mod store;
mod transport;

pub use clock::{Clock, ManualClock, SystemClock};
pub use credentials::RawCredentials;
pub use egress::BaseUrls;
pub use engine::{CallReport, Engine, IssuedToken};
pub use keyring::Keyring;
pub use order::{Availability, IncomingRequest, TokenRequest, availability, canonical_id};
pub use settings::{ConnectorSettings, Limits, Policy, Settings};
pub use store::{
    Claim, FallbackStore, Fingerprint, Forgotten, Found, MemoryStore, Owner, Place, RedisStore, Store, StoreError,
};
pub use transport::{ConnectTimeouts, HttpSend, Transport, TransportError};
