//! The payment connectors of Daypass, as pure functions.
//!
//! A step function of a connector takes the credentials and an [`Exchange`] (the request and the
//! replies so far) and returns the next [`Step`]: one more [`Call`] to the connector, or the
//! [`Token`]. Nothing in this crate opens a socket, reads a clock, draws a random number or reads
//! the environment; the engine passes these values in as arguments. `clippy.toml` bans them.
//!
//! Start at [`Connector`], then read any file under `connectors/`: all have the same parts in the
//! same order.

mod connector;
pub mod connectors;
mod crypto;
mod encoding;
mod error;
mod evidence;
mod exchange;
mod existing_clients;
mod expiry;
mod grant;
mod http;
mod input;
mod meta;
mod oauth;
mod pem;
mod prelude;
mod registry;
mod retired;
mod secret;
mod token;
mod unavailable;

pub use connector::{Connector, StepFn};
pub use connectors::{CONNECTORS, find};
pub use encoding::{base64url_decode, jwt_claims};
pub use error::{Error, Fault, FieldViolation, Kind, Refusal, Result};
pub use evidence::{Evidence, ModeShown, Source, SourceKind};
pub use exchange::{Exchange, Nonce, Step};
pub use existing_clients::{FurtherField, POSITIONS, PositionalForm, further_field, further_fields, positions};
pub use expiry::{Expiry, Seconds};
pub use grant::{Audience, Bound, ClientParameter, DefaultWhen, Grant, Lifetime, MintingEndsEarlier, Scopes};
pub use http::{call::Call, form::FormBody, reply::Reply};
pub use input::{
    kind::{Input, InputKind, currency_decimals},
    metadata::Metadata,
    values::Inputs,
};
pub use jiff::Timestamp;
pub use meta::{CredentialField, Host, Meta, Mode, Place, optional, required};
pub use registry::{BoundConnector, Registration, entry};
pub use retired::retired;
pub use secret::Secret;
pub use token::Token;
pub use unavailable::{UNAVAILABLE, why_not};
