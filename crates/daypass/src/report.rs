//! The facts about a call besides its result, for the access log and the metrics. They contain no
//! secret.

use std::time::Duration;

use connectors::Audience;

use crate::store::Fingerprint;

/// The facts about one call, filled in as far as the call comes.
#[derive(Clone, Debug, Default)]
pub struct CallReport {
    /// The connector.
    pub connector: Option<&'static str>,
    /// The grant.
    pub grant: Option<&'static str>,
    /// The party that may hold the token.
    pub audience: Option<Audience>,
    /// Test or live.
    pub mode: Option<&'static str>,
    /// The credential profile that it uses.
    pub profile: Option<String>,
    /// Fingerprints of the credentials, one for each key of the ring, the current key first.
    pub credentials: Vec<Fingerprint>,
    /// Attempts at calls to the connector that this call started.
    pub attempts: u32,
    /// Time that those attempts took.
    pub connector_time: Duration,
    /// Whether the token was issued for the same reference before.
    pub replayed: bool,
}

/// The use that an exchange made of its connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectorUse {
    /// Attempts at calls, the first ones included.
    pub attempts: u32,
    /// Time that the attempts took.
    pub time: Duration,
}
