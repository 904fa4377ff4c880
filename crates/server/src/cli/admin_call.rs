//! One call to the admin port of a running server.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::config::Config;

/// The status and body of the answer.
///
/// # Errors
/// Where there is none.
pub async fn send(address: Option<SocketAddr>, method: &str, path: &str) -> Result<(u16, String), String> {
    let address = match address {
        Some(address) => address,
        None => Config::load(None)?.admin_listen,
    };
    let request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.take(64 * 1024).read_to_string(&mut reply).await?;
        std::io::Result::Ok(reply)
    };
    let reply = match timeout(Duration::from_secs(5), exchange).await {
        Ok(reply) => reply.map_err(|error| format!("{address}: {error}"))?,
        Err(_) => return Err(format!("{address}: no answer within 5 s")),
    };
    let (head, body) = reply.split_once("\r\n\r\n").ok_or_else(|| format!("{address}: not an HTTP answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.to_owned()))
}
