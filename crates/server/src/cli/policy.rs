//! `daypass policy test`: whether a caller may have a token, and which rule says so.

use std::path::PathBuf;

use clap::Subcommand;
use connectors::{Audience, Error, Kind, Mode};
use daypass::canonical_id;

use super::{
    failure::Failure,
    names::{ConnectorParser, GrantParser},
    print::print_line,
};
use crate::config::{Config, ConfigError};

/// The rules of callers
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether a caller may have a token, and why not; nothing is called
    Test(Test),
}

#[derive(clap::Args)]
struct Test {
    /// The caller, by its name in [[callers]]
    #[arg(long)]
    caller: String,
    /// The connector
    #[arg(long, value_parser = ConnectorParser, hide_possible_values = true)]
    connector: String,
    /// The grant; absent: the connector's default
    #[arg(long, value_parser = GrantParser, hide_possible_values = true)]
    grant: Option<String>,
    /// The holder of the token
    #[arg(long, value_parser = ["client", "server"])]
    audience: Option<String>,
    /// An input that the request has, by its name; repeatable
    #[arg(long = "input", value_name = "NAME[=VALUE]")]
    inputs: Vec<String>,
    /// In the connector's test environment, as without it
    #[arg(long, conflicts_with = "live")]
    test: bool,
    /// In the connector's live environment
    #[arg(long)]
    live: bool,
    /// The configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Action::Test(test) = args.action;
    let config = Config::load(test.config.as_deref())?;
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults).into());
    }
    if !config.callers.iter().any(|known| known.name == test.caller) {
        return Err(Failure::UnknownCaller(test.caller));
    }
    let id = canonical_id(&test.connector);
    let Some(registration) = connectors::find(&id) else {
        return Err(Error::invalid("--connector", format!("{id} gives no tokens")).into());
    };
    let settings = config.settings();
    let by_default = settings.connector(&id).map(|own| own.defaults.clone()).unwrap_or_default();
    let given = |name: &str| {
        by_default.contains_key(name) || test.inputs.iter().any(|input| input.split('=').next() == Some(name))
    };
    let audience =
        test.audience.as_deref().map(|word| if word == "server" { Audience::Server } else { Audience::Client });
    let mode = if test.live { Mode::Live } else { Mode::Test };
    match settings.policy.test(&test.caller, registration.meta, (test.grant.as_deref(), audience, mode), given) {
        Ok((grant, audience)) => {
            print_line!("yes: {id}.{}, {}, {}", grant.name, audience.label(), mode.label());
            Ok(())
        }
        Err(error) if error.kind == Kind::PolicyDenied => {
            print_line!("no: {}", error.message);
            Err(Failure::Denied)
        }
        Err(error) => Err(error.into()),
    }
}
