use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Failure;
use crate::config::Config;

/// Ask a running server whether it takes calls; exit code 0 if so (for container health checks)
#[derive(clap::Args)]
pub struct Args {
    /// Its admin address; absent: DAYPASS_ADMIN_LISTEN, else 127.0.0.1:9090
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let address = match args.admin_listen {
        Some(address) => address,
        None => Config::load(None)?.admin_listen,
    };
    match timeout(Duration::from_secs(3), ask(address)).await {
        Ok(Ok(status)) if status.starts_with("HTTP/1.1 200") => {
            println!("ready");
            Ok(())
        }
        Ok(Ok(_)) => Err("not ready".to_owned().into()),
        Ok(Err(error)) => Err(format!("{address}: {error}").into()),
        Err(_) => Err(format!("{address}: no answer within 3 s").into()),
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut reply = String::new();
    stream.take(4096).read_to_string(&mut reply).await?;
    Ok(reply)
}
