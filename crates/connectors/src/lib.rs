//! What Daypass knows about payment connectors.
//!
//! A connector is a pure function: from a request and the replies so far to the next [`Step`], which is either
//! one more [`Call`] to the vendor or the [`Token`]. Nothing here opens a socket, reads a clock, draws a random number or
//! looks at the environment; whoever drives an [`Exchange`] brings those in as arguments.
//!
//! Start at [`Connector`], then read any file under `connectors/`: they all have the same parts in the same order.

mod call;
mod connector;
pub mod connectors;
mod encoding;
mod error;
mod grant;
mod input;
mod oauth;
mod secret;
mod signing;
mod token;
mod unavailable;

pub use call::{Call, FormBody, Reply};
pub use connector::{
    BoundConnector, Connector, CredentialField, Exchange, Host, Meta, Mode, Nonce, Registration, Step, entry, optional,
    required,
};
pub use connectors::{CONNECTORS, find};
pub use encoding::{base64url_decode, jwt_claims};
pub use error::{Error, FieldViolation, Kind, Refusal, Result};
pub use grant::{Audience, DefaultWhen, Grant, Lifetime, Metadata, Scopes};
pub use input::{Input, InputKind, Inputs};
pub use jiff::Timestamp;
pub use secret::Secret;
pub use token::{Expiry, Seconds, Token};
pub use unavailable::{UNAVAILABLE, why_not};
