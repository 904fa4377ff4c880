//! One call to the admin port of a running server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::config::Config;

/// Which server is meant.
#[derive(clap::Args)]
pub struct Running {
    /// Its admin address; absent: DAYPASS_ADMIN_LISTEN, else what the configuration file says, else 127.0.0.1:9090
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// Its configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

/// The status and body of the answer, if it comes within this time.
///
/// # Errors
/// Where there is none.
pub async fn send(server: &Running, method: &str, path: &str, limit: Duration) -> Result<(u16, String), String> {
    let address = match server.admin_listen {
        Some(address) => address,
        None => Config::admin_listen(server.config.as_deref())?,
    };
    let request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.take(64 * 1024).read_to_string(&mut reply).await?;
        std::io::Result::Ok(reply)
    };
    let reply = match timeout(limit, exchange).await {
        Ok(reply) => reply.map_err(|error| format!("{address}: {error}"))?,
        Err(_) => return Err(format!("{address}: no answer within {} s", limit.as_secs())),
    };
    let (head, body) = reply.split_once("\r\n\r\n").ok_or_else(|| format!("{address}: not an HTTP answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.to_owned()))
}
