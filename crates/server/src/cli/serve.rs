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
    server::ignore_hangups();
    let sandbox = if args.sandbox { Some(into_sandbox(&mut config).await?) } else { None };

    let server = server::Server::bind(config).await?;
    // The signals are caught before the process says that it is up.
    let signal = server::signal();
    let (address, admin) = (server.address()?, server.admin_address()?);
    logs::say(format_args!("daypass serves gRPC, gRPC-Web and Connect/JSON on {address}, plaintext and TLS"));
    logs::say(format_args!("metrics and health: http://{admin}/metrics, /healthz, /readyz"));
    if let Some(file) = server.authority_file() {
        logs::say(format_args!("throw-away certificate authority, made for this run: {}", file.display()));
    }
    if let Some(sandbox) = &sandbox {
        logs::say(format_args!("every connector goes to the sandbox at http://{}", sandbox.addr()));
    }
    server.serve(signal).await?;
    Ok(())
}
