//! What goes wrong between this node and the store, as closed kinds with a remedy. All parts of the
//! store use it, and the admin port shows it.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

use crate::store::redis::scripts::RIGHTS;

/// Why an operation was not done.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// There is no connection, or it broke. The cause is the system's, or that of TLS.
    Broken(String),
    /// No answer in time.
    Slow,
    /// The store answered with an error.
    Refused(Refusal),
    /// Too many operations were ahead of this one.
    Busy,
    /// The store is down.
    Lost,
}

/// A refusal of the store, by the error code of Redis
/// (<https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoPermission,
    NoAuthentication,
    WrongPassword,
    ReadOnly,
    Moved,
    Ask,
    ClusterDown,
    CrossSlot,
    TryAgain,
    Loading,
    MasterDown,
    DiskError,
    NoReplicas,
    OutOfMemory,
    Busy,
    /// `ERR`: a command or an argument that this server does not know.
    Unknown,
    /// Any other code.
    Other,
}

impl Refusal {
    const ALL: [(Self, &str); 16] = [
        (Self::NoPermission, "NOPERM"),
        (Self::NoAuthentication, "NOAUTH"),
        (Self::WrongPassword, "WRONGPASS"),
        (Self::ReadOnly, "READONLY"),
        (Self::Moved, "MOVED"),
        (Self::Ask, "ASK"),
        (Self::ClusterDown, "CLUSTERDOWN"),
        (Self::CrossSlot, "CROSSSLOT"),
        (Self::TryAgain, "TRYAGAIN"),
        (Self::Loading, "LOADING"),
        (Self::MasterDown, "MASTERDOWN"),
        (Self::DiskError, "MISCONF"),
        (Self::NoReplicas, "NOREPLICAS"),
        (Self::OutOfMemory, "OOM"),
        (Self::Busy, "BUSY"),
        (Self::Unknown, "ERR"),
    ];

    /// The kind of an error code.
    pub(super) fn of(code: &str) -> Self {
        Self::ALL.into_iter().find(|(_, known)| *known == code).map_or(Self::Other, |(kind, _)| kind)
    }

    /// The error code, for metrics and logs.
    pub(super) fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("other", |(_, code)| code)
    }

    /// Whether the store still does other operations. It is used for those.
    pub(super) fn is_partial(self) -> bool {
        match self {
            Self::NoPermission
            | Self::DiskError
            | Self::NoReplicas
            | Self::OutOfMemory
            | Self::Unknown
            | Self::Other => true,
            Self::NoAuthentication
            | Self::WrongPassword
            | Self::ReadOnly
            | Self::Moved
            | Self::Ask
            | Self::ClusterDown
            | Self::CrossSlot
            | Self::TryAgain
            | Self::Loading
            | Self::MasterDown
            | Self::Busy => false,
        }
    }

    /// What the operator does about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::NoPermission => RIGHTS,
            Self::NoAuthentication => "put user and password into store.url",
            Self::WrongPassword => "correct user and password in store.url, or enable the user in the store",
            Self::ReadOnly => {
                "store.url leads to a replica; the name is resolved again. Let it lead to the primary, or use \
                 redis+sentinel://"
            }
            Self::Moved | Self::Ask | Self::CrossSlot => {
                "store.url leads to a node of a Redis Cluster: use redis+cluster:// in place of redis://"
            }
            Self::ClusterDown | Self::TryAgain => "the Redis Cluster does not serve all slots; see CLUSTER INFO",
            Self::Loading => "the store reads its data; wait",
            Self::MasterDown => "the store is a replica without its primary; finish the failover",
            Self::DiskError => "the store cannot save its data; see its log and disk, or stop-writes-on-bgsave-error",
            Self::NoReplicas => "the store has fewer replicas than min-replicas-to-write",
            Self::OutOfMemory => "the store is full: raise maxmemory, or set maxmemory-policy to volatile-ttl",
            Self::Busy => "a script of another program blocks the store; see SCRIPT KILL",
            Self::Unknown => "the store must be Redis 6 or later, or Valkey",
            Self::Other => "see the store's log",
        }
    }
}

impl Trouble {
    /// Whether a new connection may succeed at once, so that the operation is repeated.
    pub(super) fn may_pass_on_a_new_connection(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Refused(refusal) => matches!(refusal, Refusal::ReadOnly | Refusal::NoAuthentication),
            Self::Slow | Self::Busy | Self::Lost => false,
        }
    }
}

/// The kind of trouble behind an error of the client.
pub(super) fn trouble(error: &RedisError) -> Trouble {
    // The error of a pipeline keeps those of its commands.
    let of_command = error.clone().into_server_errors();
    let first = of_command.as_ref().and_then(|errors| errors.first()).map(|(_, error)| error.code());
    match (first.or(error.code()), error.kind()) {
        (Some(code), _) => Trouble::Refused(Refusal::of(code)),
        (None, ErrorKind::AuthenticationFailed) => Trouble::Refused(Refusal::WrongPassword),
        (None, _) if error.is_timeout() => Trouble::Slow,
        // The text of the system or of rustls. It has no part of the URL but the host.
        (None, ErrorKind::Io) => Trouble::Broken(error.to_string()),
        (None, ErrorKind::MasterNameNotFoundBySentinel) => {
            Trouble::Broken("no sentinel answers, or none knows a primary of this service".into())
        }
        (None, _) => Trouble::Broken(error.category().to_owned()),
    }
}

/// The state of the store as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// The store is this process.
    InProcess,
    /// No answer yet.
    Connecting,
    /// It does all operations. The time of its last heartbeat's round trip.
    Connected(Duration),
    /// It refuses operations.
    Refused {
        /// The error code of Redis, or `other`.
        code: &'static str,
        /// What the operator does about it.
        remedy: &'static str,
    },
    /// There is no connection.
    Silent {
        /// The cause, of the system or of TLS.
        cause: String,
    },
    /// It answers later than the time limit of an operation.
    Slow {
        /// The time limit.
        limit: Duration,
        /// The time of the last round trip of a heartbeat, if there was one.
        round_trip: Option<Duration>,
    },
}

impl StoreState {
    /// One word, or the error code of a refusal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InProcess => "in process",
            Self::Connecting => "connecting",
            Self::Connected(_) => "connected",
            Self::Refused { code, .. } => code,
            Self::Silent { .. } => "silent",
            Self::Slow { .. } => "slow",
        }
    }
}

impl std::fmt::Display for StoreState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InProcess => f.write_str("in this process"),
            Self::Connecting => f.write_str("connecting"),
            Self::Connected(round_trip) => write!(f, "connected (round trip {:.1} ms)", milliseconds(*round_trip)),
            Self::Refused { code, remedy } => write!(f, "refused: {code} ({remedy})"),
            Self::Silent { cause } => write!(f, "does not answer: {cause}"),
            Self::Slow { limit, round_trip } => {
                write!(f, "slow: an operation took longer than {:.0} ms", milliseconds(*limit))?;
                match round_trip {
                    Some(time) => write!(f, " (last round trip of a heartbeat {:.1} ms)", milliseconds(*time)),
                    None => Ok(()),
                }
            }
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_kind_of_its_own_and_a_remedy() {
        for (kind, code) in Refusal::ALL {
            assert_eq!((Refusal::of(code), kind.code()), (kind, code));
            assert!(!kind.remedy().is_empty());
        }
        assert_eq!((Refusal::of("SURPRISE"), Refusal::Other.code()), (Refusal::Other, "other"));
    }

    #[test]
    fn the_state_says_what_to_do() {
        let refused = StoreState::Refused { code: "MOVED", remedy: Refusal::Moved.remedy() };
        assert!(refused.to_string().contains("redis+cluster://"), "{refused}");
        let slow =
            StoreState::Slow { limit: Duration::from_millis(15), round_trip: Some(Duration::from_micros(20_500)) };
        assert_eq!(
            slow.to_string(),
            "slow: an operation took longer than 15 ms (last round trip of a heartbeat 20.5 ms)"
        );
    }
}
