//! The operator's limit for the life of CLIENT tokens. The request check applies it to what is
//! asked for, the engine to what the connector gave.

use connectors::{Audience, Error, Grant, Inputs, Kind, Lifetime, Meta, Result};

use crate::issued::IssuedToken;

/// Moments differ by the connector's clock and by the time that a call takes: a token may live
/// longer than the limit by a tenth of it, and by this many seconds at most.
const MOST_SLACK_SECONDS: u32 = 300;

/// The limit for one request. A SERVER grant has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimit {
    seconds: Option<u32>,
    connector: &'static str,
}

impl ClientLimit {
    /// The limit of this grant, `seconds` by the operator's settings.
    pub(super) fn of(meta: &Meta, grant: &Grant, seconds: u32) -> Self {
        Self { seconds: (grant.audience == Audience::Client).then_some(seconds), connector: meta.id }
    }

    /// Asks for a shorter life than the connector's default, where the limit is below it.
    ///
    /// # Errors
    /// The caller asks for more, or the connector gives only longer lives.
    pub(super) fn apply(self, meta: &Meta, grant: &Grant, inputs: &mut Inputs) -> Result<()> {
        let Some(limit) = self.seconds else { return Ok(()) };
        match grant.lifetime {
            Lifetime::Settable { .. } if inputs.ttl_seconds.is_some_and(|asked| asked > limit) => {
                Err(Error::invalid_input("ttl_seconds", format!("must be at most {limit}; {}", self.who_allows())))
            }
            Lifetime::Settable { min, .. } if min > limit => {
                Err(self.refuse(&format!("{} gives {} at least {min} seconds", meta.name, grant.name)))
            }
            Lifetime::Settable { default, .. } if inputs.ttl_seconds.is_none() && default > limit => {
                inputs.ttl_seconds = Some(limit);
                Ok(())
            }
            Lifetime::Fixed(fixed) if fixed > limit => {
                Err(self.refuse(&format!("{} fixes the life of {} at {fixed} seconds", meta.name, grant.name)))
            }
            _ => Ok(()),
        }
    }

    /// Checks the life that the connector gave.
    ///
    /// # Errors
    /// It is longer than the limit.
    pub(crate) fn check(self, token: &IssuedToken) -> Result<()> {
        let (Some(limit), Some(left)) = (self.seconds, token.left) else { return Ok(()) };
        let slack = (limit / 10).min(MOST_SLACK_SECONDS);
        if left.as_secs() <= u64::from(limit) + u64::from(slack) {
            return Ok(());
        }
        Err(self.refuse(&format!("the connector gave {} a life of {} seconds", token.grant, left.as_secs())))
    }

    fn refuse(self, fact: &str) -> Error {
        let limit = self.seconds.unwrap_or(u32::MAX);
        let message = format!("{fact}, and a CLIENT token may live {limit} seconds at most; {}", self.who_allows());
        Error::new(Kind::LivesTooLong, message)
    }

    fn who_allows(self) -> String {
        format!(
            "the operator raises it with connectors.{}.client_token_max_seconds or policy.client_token_max_seconds",
            self.connector
        )
    }
}
