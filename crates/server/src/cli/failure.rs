//! The failure of a command: its message and its exit code. Used by every command.

use std::{io, path::PathBuf};

use connectors::{Error, Fault};

use super::admin_call::AdminCallError;
use crate::{config::ConfigError, engine::EngineError, logs::LogError, rpc::errors, server::ServerError};

/// The exit codes of failed commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitCode {
    /// The command itself failed.
    Failed = 1,
    /// The request must change.
    Caller = 2,
    /// The connector refused.
    Connector = 3,
    /// The connector, or the network to it, is broken.
    Network = 4,
    /// A defect of Daypass.
    Daypass = 5,
}

impl From<Fault> for ExitCode {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Caller => Self::Caller,
            Fault::Connector => Self::Connector,
            Fault::Network => Self::Network,
            Fault::Daypass => Self::Daypass,
        }
    }
}

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The arguments describe no call that can be made.
    #[error("{}: {_0}", .0.kind.label())]
    Call(#[from] Error),
    /// The call failed.
    #[error("{}: {_0}\n{}", .0.kind.label(), errors::guidance(.0.kind))]
    NoToken(Error),
    /// The connector refused. Its response is on standard output.
    #[error("the connector refused; no token was made")]
    Refused(Fault),
    /// No caller has this name.
    #[error("no caller in [[callers]] is named {0}")]
    UnknownCaller(String),
    /// The policy denies what was asked for. The answer is on standard output.
    #[error("denied")]
    Denied,
    /// Credentials of a file must change. The verdicts are on standard output.
    #[error("some of the credentials cannot be used as they are")]
    MustChange,
    /// A file is no JSON. What is in it is not repeated: it may be a secret.
    #[error("{}: no JSON, at line {line}, column {column}", file.display())]
    NoJson {
        /// The file.
        file: PathBuf,
        /// The line of the fault.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomBytes,
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration makes no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server cannot start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Logging cannot start.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A page of the documentation cannot be written, or a file not be read.
    #[error("{}: {source}", file.display())]
    Page {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A running server gave no usable reply.
    #[error(transparent)]
    AdminCall(#[from] AdminCallError),
    /// A running server refused.
    #[error("{0}")]
    AdminRefusal(String),
    /// A step of the demo failed.
    #[error(transparent)]
    Demo(Box<dyn std::error::Error + Send + Sync>),
    /// The sandbox refused.
    #[error("{0}")]
    Sandbox(String),
    /// The chain of the audit log is broken.
    #[error("{what}: {faults} faults")]
    Audit {
        /// The lines that were looked at.
        what: String,
        /// Their faults.
        faults: u64,
    },
    /// A response cannot be printed.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// The exit code of the process.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Call(error) | Self::NoToken(error) => error.kind.fault().into(),
            Self::Refused(fault) => (*fault).into(),
            Self::MustChange | Self::NoJson { .. } => ExitCode::Caller,
            _ => ExitCode::Failed,
        }
    }
}
