use std::{net::SocketAddr, path::PathBuf};

use super::{Failure, sandbox::into_sandbox};
use crate::{config::Config, logs, server};

/// Run the service
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
    /// Where the RPC listens, over DAYPASS_LISTEN and the file
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where metrics and health listen, over DAYPASS_ADMIN_LISTEN and the file
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// Send every connector's calls to an embedded sandbox of fake processors
    #[arg(long)]
    sandbox: bool,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let mut config = Config::load(args.config.as_deref())?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.admin_listen = args.admin_listen.unwrap_or(config.admin_listen);
    logs::start(&config.log)?;
    let sandbox = if args.sandbox { Some(into_sandbox(&mut config).await?) } else { None };

    let server = server::Server::bind(config).await?;
    eprintln!("daypass serves gRPC, gRPC-Web and Connect/JSON on {}, plaintext and TLS", server.address()?);
    eprintln!("metrics and health: http://{}/metrics, /healthz, /readyz", server.admin_address()?);
    if let Some(file) = server.authority_file() {
        eprintln!("throw-away certificate authority, made for this run: {}", file.display());
    }
    if let Some(sandbox) = &sandbox {
        eprintln!("every connector goes to the sandbox at http://{}", sandbox.addr());
    }
    server.serve(server::signal()).await?;
    Ok(())
}
