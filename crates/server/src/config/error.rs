//! Errors of the configuration. Their texts are for the operator and hold no value of a setting,
//! as a value may be a secret. Used by `config`, `sources` and the users of both.

use std::{fmt::Display, io, path::PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The text is no TOML. The text itself is left out.
    #[error("{name}: line {line}, column {column}: cannot be read as TOML")]
    Syntax {
        /// The name of the text.
        name: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A setting is unknown, missing, repeated or of a wrong type.
    #[error("{0}")]
    Setting(String),
    /// A setting has a value that its user refuses.
    #[error("{0}")]
    Invalid(String),
    /// A shared store has no key.
    #[error("store.key: a shared store needs a key (`openssl rand -base64 32`)")]
    StoreKeyMissing,
    /// Several faults, one a line.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

impl ConfigError {
    /// A refusal by the user of a setting, which names the setting.
    pub(super) fn invalid(refusal: impl Display) -> Self {
        Self::Invalid(refusal.to_string())
    }
}
