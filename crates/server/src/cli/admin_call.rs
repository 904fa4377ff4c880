//! One HTTP request to the admin port of a running server. Used by the commands `cache forget` and
//! `healthcheck`.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::config::{Config, ConfigError};

/// Most bytes of a reply.
const MAX_REPLY_BYTES: u64 = 64 * 1024;

/// The server to ask.
#[derive(clap::Args)]
pub(super) struct RunningServer {
    /// Its admin address; absent: DAYPASS_ADMIN_LISTEN, else what the configuration file says, else
    /// 127.0.0.1:9090
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// Its configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

/// The server gave no usable reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminCallError {
    /// The configuration has no admin address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The connection failed.
    #[error("{address}: {source}")]
    Connection {
        /// The server.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The reply took too long.
    #[error("{address}: no answer within {} s", limit.as_secs())]
    Timeout {
        /// The server.
        address: SocketAddr,
        /// The time that it had.
        limit: Duration,
    },
    /// The reply is not HTTP.
    #[error("{address}: not an HTTP answer")]
    NotHttp {
        /// The server.
        address: SocketAddr,
    },
}

/// A reply of the admin port.
pub(super) struct AdminReply {
    /// The HTTP status.
    pub status: u16,
    /// The text.
    pub body: String,
}

/// Sends a request and reads its reply within the limit.
///
/// # Errors
/// There is no usable reply.
pub(super) async fn send(
    server: &RunningServer,
    method: &str,
    path: &str,
    limit: Duration,
) -> Result<AdminReply, AdminCallError> {
    let address = within_reach(match server.admin_listen {
        Some(address) => address,
        None => Config::admin_listen(server.config.as_deref())?,
    });
    let request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.take(MAX_REPLY_BYTES).read_to_string(&mut reply).await?;
        io::Result::Ok(reply)
    };
    let reply = timeout(limit, exchange).await.map_err(|_| AdminCallError::Timeout { address, limit })?;
    let reply = reply.map_err(|source| AdminCallError::Connection { address, source })?;
    let (head, body) = reply.split_once("\r\n\r\n").ok_or(AdminCallError::NotHttp { address })?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(AdminReply { status, body: body.to_owned() })
}

/// The loopback address of a server that listens on all: the admin port answers to its own names only.
fn within_reach(mut listens: SocketAddr) -> SocketAddr {
    if listens.ip().is_unspecified() {
        listens.set_ip(match listens {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listens
}
