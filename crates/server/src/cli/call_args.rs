//! A call that arguments describe, with credentials from the environment or standard input. Used by
//! the commands `token` and `explain`.

use std::{
    fs,
    io::{IsTerminal, Read},
    path::PathBuf,
};

use connectors::{Error, InputKind, Kind, find};
use daypass::{Availability, Engine, IncomingRequest, RawCredentials, Transport, availability, canonical_id};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};

use super::{
    embedded_sandbox,
    failure::Failure,
    input_value,
    names::{ConnectorParser, GrantParser},
};
use crate::{
    config::{Config, ConfigError},
    engine::{self, Process},
};

/// A call without its credentials.
#[derive(clap::Args)]
pub(super) struct CallArgs {
    /// The connector, as `daypass connectors` names it
    #[arg(value_parser = ConnectorParser, hide_possible_values = true)]
    connector: String,
    /// Your reference of the token; made up if absent
    #[arg(long)]
    reference: Option<String>,
    /// The grant; absent: the connector's default
    #[arg(long, value_parser = GrantParser, hide_possible_values = true)]
    grant: Option<String>,
    /// The holder of the token
    #[arg(long, value_parser = ["client", "server"])]
    audience: Option<String>,
    /// Wanted lifetime in seconds
    #[arg(long)]
    ttl_seconds: Option<i64>,
    /// A scope to ask for; repeatable
    #[arg(long = "scope")]
    scopes: Vec<String>,
    /// An input of the grant, `name=value`: texts as they are, lists and objects as JSON;
    /// repeatable. Not for secret inputs, as other users of the machine see arguments
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// An input whose value is in a file, `name=path`, also a secret one; repeatable. Another way is
    /// DAYPASS_FEATURE_DATA (JSON)
    #[arg(long = "input-file", value_name = "NAME=PATH")]
    input_files: Vec<String>,
    /// Metadata as a JSON object
    #[arg(long)]
    metadata: Option<String>,
    /// Use the connector's test environment
    #[arg(long, conflicts_with = "live")]
    test: bool,
    /// Use the connector's live environment
    #[arg(long)]
    live: bool,
    /// Ask the embedded sandbox instead of the connector; its own credentials serve where none are
    /// given
    #[arg(long)]
    sandbox: bool,
    /// The configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

/// What a command does where nobody gives it credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// It fails.
    Fails,
    /// Credentials of the right form stand for them: made up, and worth nothing anywhere.
    Placeholders,
}

/// A call that is ready to be made.
pub(super) struct PreparedCall {
    /// The engine for the call.
    pub engine: Engine<Transport>,
    /// The configuration, which limits the time of the call.
    pub config: Config,
    /// The caller's reference of the token.
    pub reference: String,
    /// Whether placeholders stand for credentials that nobody gave.
    pub placeholders: bool,
    connector: String,
    feature_data: String,
    metadata: Option<String>,
    test_mode: Option<bool>,
    credentials: String,
    /// Its drop stops the sandbox.
    _sandbox: Option<Sandbox>,
}

impl PreparedCall {
    /// Reads arguments, environment and standard input.
    ///
    /// # Errors
    /// A part is missing or wrong.
    pub(super) async fn prepare(args: CallArgs, without: Without) -> Result<Self, Failure> {
        let mut config = Config::load(args.config.as_deref())?;
        let sandbox = if args.sandbox { Some(embedded_sandbox::start(&mut config).await?) } else { None };
        let faults = config.settings().faults();
        if !faults.is_empty() {
            return Err(ConfigError::Faults(faults).into());
        }
        let connector = canonical_id(&args.connector);
        let mut placeholders = false;
        let fake = if args.sandbox { sandbox::fake_vendor(&connector) } else { None };
        let credentials = match (variable("DAYPASS_CREDENTIALS"), fake) {
            (Some(credentials), _) => credentials,
            (None, Some(fake)) => fake.credentials.to_owned(),
            (None, None) => match (credentials_from_stdin()?, without, sandbox::fake_vendor(&connector)) {
                (Some(credentials), ..) => credentials,
                (None, Without::Placeholders, Some(fake)) => {
                    placeholders = true;
                    fake.credentials.to_owned()
                }
                (None, ..) => return Err(no_credentials()),
            },
        };
        // clap refuses `--test` with `--live`.
        let test_mode =
            if args.live { Some(false) } else { (args.test || args.sandbox || placeholders).then_some(true) };
        Ok(Self {
            engine: engine::build(&config, Process::Command)?,
            config,
            credentials: with_connector_name(&connector, &credentials),
            reference: args.reference.clone().unwrap_or_else(random_reference),
            feature_data: feature_data(&args, &connector)?,
            metadata: args.metadata,
            test_mode,
            connector,
            placeholders,
            _sandbox: sandbox,
        })
    }

    /// The connector's id.
    pub(super) fn connector(&self) -> &str {
        &self.connector
    }

    /// The request for the engine.
    pub(super) fn incoming_request(&self) -> IncomingRequest<'_> {
        IncomingRequest {
            of_session: false,
            reference: &self.reference,
            connector: Some(&self.connector),
            header_connector: None,
            credentials: RawCredentials::parse(self.credentials.as_bytes()).map(Some),
            profile: None,
            metadata: self.metadata.as_deref(),
            feature_data: Some(&self.feature_data),
            test_mode: self.test_mode,
            server_token: false,
            fresh: false,
            wanted_left: None,
            caller: None,
        }
    }
}

/// An environment variable. An empty one counts as absent.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn no_credentials() -> Failure {
    let message = "no credentials: set DAYPASS_CREDENTIALS, or pipe them in, as JSON";
    Error::new(Kind::InvalidCredentials, message).into()
}

/// The credentials that are piped in, if any are.
fn credentials_from_stdin() -> Result<Option<String>, Failure> {
    let mut text = String::new();
    let mut stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin.read_to_string(&mut text)?;
    }
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// `{"api_key": …}` becomes `{"<connector>": {"api_key": …}}`. Credentials with a connector's name
/// stay as they are.
fn with_connector_name(connector: &str, credentials: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(credentials) else { return credentials.into() };
    let known = |name: &str| !matches!(availability(&canonical_id(name)), Availability::Unknown);
    match (fields.len(), fields.keys().next()) {
        (1, Some(name)) if known(name) => credentials.into(),
        _ => json!({ connector: fields }).to_string(),
    }
}

/// The feature data of the environment, with the arguments over it.
fn feature_data(args: &CallArgs, connector: &str) -> Result<String, Error> {
    let mut data: Map<String, Value> = match variable("DAYPASS_FEATURE_DATA") {
        Some(json) => {
            serde_json::from_str(&json).map_err(|_| Error::invalid("DAYPASS_FEATURE_DATA", "must be a JSON object"))?
        }
        None => Map::new(),
    };
    let named_grant = data.get("grant").and_then(Value::as_str).map(ToOwned::to_owned);
    let grant = args.grant.clone().or(named_grant);
    let meta = find(connector).map(|entry| entry.meta);
    let kind = |name: &str| {
        let declaration = meta.and_then(|meta| input_value::declaration(meta, grant.as_deref(), name));
        declaration.map(|input| input.kind)
    };
    for input in &args.inputs {
        let (name, value) = input.split_once('=').ok_or_else(|| Error::invalid("--input", "expected NAME=VALUE"))?;
        if matches!(kind(name), Some(InputKind::Secret)) {
            let why = format!(
                "{name} is a secret, and other users of this machine see arguments: use --input-file {name}=PATH, or \
                 DAYPASS_FEATURE_DATA={{\"{name}\":\"…\"}}"
            );
            return Err(Error::invalid("--input", why));
        }
        data.insert(name.into(), input_value::input_value(kind(name), value));
    }
    for input in &args.input_files {
        let (name, path) = input.split_once('=').ok_or_else(|| Error::invalid("--input-file", "expected NAME=PATH"))?;
        let value =
            fs::read_to_string(path).map_err(|error| Error::invalid("--input-file", format!("{path}: {error}")))?;
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        data.insert(name.into(), input_value::input_value(kind(name), value));
    }
    let common = [
        ("grant", args.grant.clone().map(Value::from)),
        ("audience", args.audience.clone().map(Value::from)),
        ("ttl_seconds", args.ttl_seconds.map(Value::from)),
        ("scopes", (!args.scopes.is_empty()).then(|| args.scopes.clone().into())),
    ];
    data.extend(common.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(Value::Object(data).to_string())
}

fn random_reference() -> String {
    format!("cli_{}", connectors::Nonce(daypass::random::bytes()).alphanumeric(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_get_the_name_of_their_connector_once() {
        for (credentials, want) in [
            (r#"{"api_key":"x"}"#, r#"{"payload":{"api_key":"x"}}"#),
            (r#"{"auth_key_map":{"USD":{}}}"#, r#"{"payload":{"auth_key_map":{"USD":{}}}}"#),
            (r#"{"Payload":{"api_key":"x"}}"#, r#"{"Payload":{"api_key":"x"}}"#),
            (r#"{"PinelabsOnline":{}}"#, r#"{"PinelabsOnline":{}}"#),
            ("no JSON", "no JSON"),
        ] {
            assert_eq!(with_connector_name("payload", credentials), want);
        }
    }
}
