//! The faults that an operator sets for all calls to one fake, and the texts that name them.
//!
//! The listener and the sandbox's state apply them; the command line reads them.

use std::{error::Error, fmt, str::FromStr, time::Duration};

/// The upper limit of `slow_<n>ms`: ten minutes, longer than the deadline of any caller.
const MAX_SLOW_MS: u64 = 600_000;

/// A fault of one fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `status_503`: the vendor's failure of that status, 400 to 599.
    Status(u16),
    /// `slow_500ms`: the right answer, later.
    Slow(Duration),
    /// `garbage`: status 200 and a broken body.
    Garbage,
    /// `empty`: status 200 and no body.
    Empty,
    /// `reset`: the connection is reset.
    Reset,
    /// `hang`: no answer until the caller closes the connection.
    Hang,
    /// `redirect`: a redirect to another host.
    Redirect,
}

/// The texts that [`Fault`] is read from.
pub const FAULTS: &str = "status_<400-599>, slow_<n>ms, garbage, empty, reset, hang, redirect";

/// The reason why a fault cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultError {
    /// There is no fake of this name.
    UnknownConnector(String),
    /// The text names no fault.
    UnknownFault,
    /// The request names no connector.
    NoConnector,
    /// The request has no fault, or one that is not a text.
    NoFault,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownConnector(name) => write!(f, "no such processor: {name}"),
            Self::UnknownFault => write!(f, "no such fault; there are {FAULTS}"),
            Self::NoConnector => f.write_str("connector must be a processor's name"),
            Self::NoFault => write!(f, "fault must be null or one of {FAULTS}"),
        }
    }
}

impl Error for FaultError {}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = text.strip_prefix("status_").and_then(|status| status.parse().ok());
        let pause_ms =
            text.strip_prefix("slow_").and_then(|rest| rest.strip_suffix("ms")).and_then(|it| it.parse().ok());
        match (text, status, pause_ms) {
            (_, Some(status @ 400..=599), _) => Ok(Self::Status(status)),
            (_, _, Some(pause_ms @ 0..=MAX_SLOW_MS)) => Ok(Self::Slow(Duration::from_millis(pause_ms))),
            ("garbage", ..) => Ok(Self::Garbage),
            ("empty", ..) => Ok(Self::Empty),
            ("reset", ..) => Ok(Self::Reset),
            ("hang", ..) => Ok(Self::Hang),
            ("redirect", ..) => Ok(Self::Redirect),
            _ => Err(FaultError::UnknownFault),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status_{status}"),
            Self::Slow(pause) => write!(f, "slow_{}ms", pause.as_millis()),
            Self::Garbage => f.write_str("garbage"),
            Self::Empty => f.write_str("empty"),
            Self::Reset => f.write_str("reset"),
            Self::Hang => f.write_str("hang"),
            Self::Redirect => f.write_str("redirect"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_texts_are_read_and_no_others() {
        for text in ["status_400", "status_503", "slow_500ms", "garbage", "empty", "reset", "hang", "redirect"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["", "status_200", "status_600", "status_", "slow_ms", "slow_5s", "slow_600001ms", "Garbage"] {
            assert!(text.parse::<Fault>().unwrap_err().to_string().contains("slow_<n>ms"), "{text}");
        }
    }
}
