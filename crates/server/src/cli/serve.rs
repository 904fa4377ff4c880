//! `daypass serve`: the service, until a signal ends it.

use std::{net::SocketAddr, path::PathBuf};

use sandbox::Sandbox;
use tracing_subscriber::Layer as _;

use super::{embedded_sandbox, failure::Failure};
use crate::{
    admin,
    config::Config,
    logs, recent_calls,
    reload::Source,
    server::{Reloading, Server, ServerError},
    signals::{self, Hangups},
    telemetry::Telemetry,
};

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
    let hangups = Hangups::listen();
    let (mut config, digests) = Config::load_with_digests(args.config.as_deref())?;
    let telemetry = Telemetry::start(&config)?;
    let mut further = telemetry.as_ref().map(Telemetry::layers).unwrap_or_default();
    if args.sandbox {
        further.calls = Some(recent_calls::layer().boxed());
    }
    logs::start(&config.log, further)?;
    let sandbox = if args.sandbox { Some(embedded_sandbox::start_for(&config).await?) } else { None };
    let source = source(&args, sandbox.as_ref().map(Sandbox::addr));
    (source.amend)(&mut config);

    let meters = telemetry.as_ref().and_then(Telemetry::recorder);
    let metrics = admin::collect_metrics(meters).map_err(ServerError::from)?;
    let mut server = Server::bind(config).await?;
    // The signals are caught before the process prints that it is up.
    let signal = signals::shutdown();
    let (address, admin) = (server.address()?, server.admin_address()?);
    logs::announce(format_args!("daypass serves gRPC, gRPC-Web and Connect/JSON on {address}, {}", server.accepts()));
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
    let digests = digests.without(&source.by_flag);
    server.serve(signal, Some(Reloading { source, digests, hangups }), metrics).await;
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    Ok(())
}

/// The configuration's file, with the flags and the sandbox over it at each reading.
fn source(args: &Args, sandbox: Option<SocketAddr>) -> Source {
    let (listen, admin_listen) = (args.listen, args.admin_listen);
    let amend = move |config: &mut Config| {
        config.listen = listen.unwrap_or(config.listen);
        config.admin_listen = admin_listen.unwrap_or(config.admin_listen);
        if let Some(sandbox) = sandbox {
            embedded_sandbox::redirect(config, sandbox);
        }
    };
    let by_flag = [(listen, "listen"), (admin_listen, "admin_listen")];
    let by_flag = by_flag.into_iter().filter_map(|(flag, setting)| flag.map(|_| setting)).collect();
    Source { file: args.config.clone(), amend: Box::new(amend), by_flag }
}
