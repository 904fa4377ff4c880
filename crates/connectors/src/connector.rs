//! The trait that each file under `connectors/` implements, and the type of a grant's step
//! function.

use serde::de::DeserializeOwned;

use crate::{
    error::Result,
    exchange::{Exchange, Step},
    grant::{Audience, Grant, Lifetime},
    meta::{Meta, Mode},
};

/// The step function of one grant: it looks at the replies so far and returns the next step.
///
/// It is pure: equal credentials and an equal exchange give an equal step.
///
/// # Errors
/// Before the first call: a value that the connector cannot take. After it: the connector's
/// refusal, or an answer that is not as documented.
pub type StepFn<C> = fn(&C, &Exchange<'_>) -> Result<Step>;

/// A payment connector: the form of its credentials, its description and its grants.
pub trait Connector: 'static {
    /// The credentials, under the field names that the vendor uses.
    type Credentials: DeserializeOwned + Send + Sync + 'static;

    /// The description. Each of its grants holds its step function.
    const META: Meta<StepFn<Self::Credentials>>;

    /// Test or live, where the credentials show it.
    fn mode(_credentials: &Self::Credentials) -> Option<Mode> {
        None
    }
}

/// A grant whose token is safe in a client.
///
/// It stands here and not in `grant`: the type of the step function needs the exchange, which needs
/// the grant.
pub(crate) const fn client_grant<C>(
    name: &'static str,
    allows: &'static str,
    lifetime: Lifetime,
    step: StepFn<C>,
) -> Grant<StepFn<C>> {
    Grant::new(name, Audience::Client, allows, lifetime, step)
}

/// A grant whose token has full API access.
pub(crate) const fn server_grant<C>(
    name: &'static str,
    allows: &'static str,
    lifetime: Lifetime,
    step: StepFn<C>,
) -> Grant<StepFn<C>> {
    Grant::new(name, Audience::Server, allows, lifetime, step)
}
