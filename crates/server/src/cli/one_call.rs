//! What `token` and `explain` share: a call described by arguments, its credentials from elsewhere.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use connectors::{Error, Kind};
use daypass::{Availability, Engine, IncomingRequest, RawCredentials, Transport, availability, canonical_id};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};

use super::{Failure, sandbox::into_sandbox};
use crate::{config::Config, server};

/// A call, but for its credentials.
#[derive(clap::Args)]
pub struct CallArgs {
    /// The connector, as `daypass connectors` names it
    connector: String,
    /// Your reference of the token; made up if absent
    #[arg(long)]
    reference: Option<String>,
    /// The grant; absent: the connector's default
    #[arg(long)]
    grant: Option<String>,
    /// Who will hold the token: client or server
    #[arg(long)]
    audience: Option<String>,
    /// Wanted lifetime in seconds
    #[arg(long)]
    ttl_seconds: Option<i64>,
    /// A scope to ask for; repeatable
    #[arg(long = "scope")]
    scopes: Vec<String>,
    /// An input of the grant, `name=value`, the value as JSON or plain text; repeatable. Secret inputs belong into
    /// DAYPASS_FEATURE_DATA (JSON)
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Metadata as a JSON object
    #[arg(long)]
    metadata: Option<String>,
    /// Use the connector's test environment
    #[arg(long, conflicts_with = "live")]
    test: bool,
    /// Use the connector's live environment
    #[arg(long)]
    live: bool,
    /// Ask the embedded sandbox instead of the connector; its own credentials serve where none are given
    #[arg(long)]
    sandbox: bool,
    /// The configuration file (TOML)
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

/// Everything that the call needs, kept alive while it runs.
pub struct OneCall {
    /// The engine.
    pub engine: Engine<Transport>,
    /// Most time that it may take.
    pub config: Config,
    /// The connector.
    pub connector: String,
    /// The reference.
    pub reference: String,
    feature_data: String,
    metadata: Option<String>,
    test_mode: Option<bool>,
    credentials: String,
    _sandbox: Option<Sandbox>,
}

impl OneCall {
    /// Reads arguments, environment and standard input.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub async fn prepare(args: CallArgs) -> Result<Self, Failure> {
        let mut config = Config::load(args.config.as_deref())?;
        let sandbox = if args.sandbox { Some(into_sandbox(&mut config).await?) } else { None };
        let faults = config.settings().faults();
        if !faults.is_empty() {
            return Err(faults.join("\n").into());
        }
        let connector = canonical_id(&args.connector);
        let known =
            if args.sandbox { sandbox::fake_vendor(&connector).map(|processor| processor.credentials) } else { None };
        let credentials = match (variable("DAYPASS_CREDENTIALS"), known) {
            (Some(credentials), _) => credentials,
            (None, Some(known)) => known.to_owned(),
            (None, None) => from_stdin()?,
        };
        let made_up = match (args.test, args.live, args.sandbox) {
            (true, ..) => Some(true),
            (_, true, _) => Some(false),
            (_, _, true) => Some(true),
            _ => None,
        };
        Ok(Self {
            engine: server::engine(&config, false)?,
            config,
            credentials: named(&connector, &credentials),
            reference: args.reference.clone().unwrap_or_else(reference),
            feature_data: feature_data(&args)?,
            metadata: args.metadata,
            test_mode: made_up,
            connector,
            _sandbox: sandbox,
        })
    }

    /// The request for the engine.
    pub fn request(&self) -> IncomingRequest<'_> {
        IncomingRequest {
            reference: &self.reference,
            connector: Some(&self.connector),
            header_connector: None,
            credentials: RawCredentials::parse(self.credentials.as_bytes()).map(Some),
            metadata: self.metadata.as_deref(),
            feature_data: Some(&self.feature_data),
            test_mode: self.test_mode,
            server_token: false,
            fresh: false,
        }
    }
}

/// What the environment says, unless that is nothing.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn from_stdin() -> Result<String, Failure> {
    let none = || {
        let message = "no credentials: set DAYPASS_CREDENTIALS, or pipe them in, as JSON";
        Failure::from(Error::new(Kind::InvalidCredentials, message))
    };
    let mut text = String::new();
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(none());
    }
    stdin.read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.trim().is_empty() { Err(none()) } else { Ok(text) }
}

/// `{"api_key": …}` becomes `{"<connector>": {"api_key": …}}`; what is already named stays.
fn named(connector: &str, credentials: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(credentials) else { return credentials.into() };
    let known = |name: &str| !matches!(availability(&canonical_id(name)), Availability::Unknown);
    match (fields.len(), fields.keys().next()) {
        (1, Some(name)) if known(name) => credentials.into(),
        _ => json!({ connector: fields }).to_string(),
    }
}

fn feature_data(args: &CallArgs) -> Result<String, Error> {
    let mut data: Map<String, Value> = match variable("DAYPASS_FEATURE_DATA") {
        Some(json) => {
            serde_json::from_str(&json).map_err(|_| Error::invalid("DAYPASS_FEATURE_DATA", "must be a JSON object"))?
        }
        None => Map::new(),
    };
    for input in &args.inputs {
        let (name, value) =
            input.split_once('=').ok_or_else(|| Error::invalid("--input", format!("{input}: expected NAME=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        data.insert(name.into(), value);
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

fn reference() -> String {
    let mut bytes = [0; 32];
    let _ = getrandom::fill(&mut bytes);
    format!("cli_{}", connectors::Nonce(bytes).alphanumeric(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_named_unless_they_are_already() {
        for (credentials, want) in [
            (r#"{"api_key":"x"}"#, r#"{"payload":{"api_key":"x"}}"#),
            (r#"{"auth_key_map":{"USD":{}}}"#, r#"{"payload":{"auth_key_map":{"USD":{}}}}"#),
            (r#"{"Payload":{"api_key":"x"}}"#, r#"{"Payload":{"api_key":"x"}}"#),
            (r#"{"PinelabsOnline":{}}"#, r#"{"PinelabsOnline":{}}"#),
            ("no JSON", "no JSON"),
        ] {
            assert_eq!(named("payload", credentials), want);
        }
    }
}
