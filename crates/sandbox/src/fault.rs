//! What an operator of the sandbox can make a whole processor do, whatever it is sent.

use std::{fmt, str::FromStr, time::Duration};

/// The longest that an answer can be held back.
const LONGEST_MS: u64 = 600_000;

/// One way for a processor to be broken.
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
    /// `hang`: no answer, for as long as the caller stays.
    Hang,
    /// `redirect`: to another host.
    Redirect,
}

/// The faults, as people write them.
pub const FAULTS: &str = "status_<400-599>, slow_<n>ms, garbage, empty, reset, hang, redirect";

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = text.strip_prefix("status_").and_then(|status| status.parse().ok());
        let pause = text.strip_prefix("slow_").and_then(|rest| rest.strip_suffix("ms")).and_then(|it| it.parse().ok());
        match (text, status, pause) {
            (_, Some(status @ 400..=599), _) => Ok(Self::Status(status)),
            (_, _, Some(pause @ 0..=LONGEST_MS)) => Ok(Self::Slow(Duration::from_millis(pause))),
            ("garbage", ..) => Ok(Self::Garbage),
            ("empty", ..) => Ok(Self::Empty),
            ("reset", ..) => Ok(Self::Reset),
            ("hang", ..) => Ok(Self::Hang),
            ("redirect", ..) => Ok(Self::Redirect),
            _ => Err(format!("no such fault; there are {FAULTS}")),
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
    fn what_is_written_is_read_and_nothing_else() {
        for text in ["status_400", "status_503", "slow_500ms", "garbage", "empty", "reset", "hang", "redirect"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["", "status_200", "status_600", "status_", "slow_ms", "slow_5s", "slow_600001ms", "Garbage"] {
            assert!(text.parse::<Fault>().unwrap_err().contains("slow_<n>ms"), "{text}");
        }
    }
}
