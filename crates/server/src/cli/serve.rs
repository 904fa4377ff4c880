//! `daypass serve`: the service, until a signal ends it.

use std::{net::SocketAddr, path::PathBuf};

use super::{embedded_sandbox, failure::Failure};
use crate::{config::Config, logs, server::Server, signals};

/// Run the service
#[derive(clap::Args)]
pub(super) struct Args {
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

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut config = Config::load(args.config.as_deref())?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.admin_listen = args.admin_listen.unwrap_or(config.admin_listen);
    logs::start(&config.log)?;
    signals::ignore_hangups();
    let sandbox = if args.sandbox { Some(embedded_sandbox::start(&mut config).await?) } else { None };

    let mut server = Server::bind(config).await?;
    // The signals are caught before the process prints that it is up.
    let signal = signals::shutdown();
    let (address, admin) = (server.address()?, server.admin_address()?);
    logs::announce(format_args!("daypass serves gRPC, gRPC-Web and Connect/JSON on {address}, plaintext and TLS"));
    logs::announce(format_args!("metrics and health: http://{admin}/metrics, /healthz, /readyz"));
    if let Some(file) = server.authority_file() {
        logs::announce(format_args!("throw-away certificate authority, made for this run: {}", file.display()));
    }
    if let Some(sandbox) = &sandbox {
        logs::announce(format_args!(
            "every connector, without a limit for the life of CLIENT tokens, goes to the sandbox at http://{}",
            sandbox.addr()
        ));
        if let Some(url) = server.serve_playground(sandbox)? {
            logs::announce(format_args!("try it in a browser: {url}"));
        }
    }
    server.serve(signal).await?;
    Ok(())
}
