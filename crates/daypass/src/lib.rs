//! The engine of Daypass: it checks a request, answers it from the cache, or runs the exchange with
//! the connector within the caller's deadline.
//!
//! A call goes one way: [`Engine::create_access_token`] → `request` (check) → `cache` (hit, or one
//! fetch for all callers) → `exchange` (calls to the connector) → `exchange::transport`. The
//! `store` is below the cache. No module uses a module above it. Only this crate does IO to
//! connectors; the facts about connectors come from the crate [`connectors`].

mod cache;
mod clock;
mod engine;
mod exchange;
mod issued;
pub mod random;
mod report;
mod request;
mod settings;
mod spans;
mod store;

pub use cache::keyring::{Keyring, KeyringError, decode_key};
pub use clock::{Clock, ManualClock, SystemClock};
pub use engine::Engine;
pub use exchange::{
    connect::{ConnectFault, ConnectSettings, OutboundProxy, ProxyError},
    transport::{Connection, Egress, HttpSend, NotSent, Transport, TransportError, TransportSetupError},
};
pub use issued::IssuedToken;
pub use report::CallReport;
pub use request::{
    IncomingRequest,
    base_urls::{BaseUrlError, BaseUrls},
    caller_policy::{Asked, CallerPolicy},
    connector_id::{Availability, availability, canonical_id},
    credentials::RawCredentials,
    profiles::Profile,
    validated::TokenRequest,
};
pub use settings::{ConnectorSettings, Hosts, Limits, Policy, Settings};
pub use spans::SPANS;
pub use store::{
    Fingerprint, FingerprintError, Forgotten, LeaseOutcome, Owner, Put, Store, StoreError, StoreKey, StoredValue,
    fallback::FallbackStore,
    memory::MemoryStore,
    redis::{
        RedisStore,
        access::{OpenError, StoreAccess},
        trouble::StoreState,
    },
};
