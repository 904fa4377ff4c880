//! `daypass migrate check`: credentials of another server of this API, and what becomes of them here.

mod entries;
mod verdict;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Deserializer, Value};
use zeroize::Zeroizing;

use super::{
    failure::Failure,
    print::{print_line, print_wrapped},
};
use crate::{
    config::Config,
    engine::{self, Process},
};
use verdict::{Fault, Outcome, Verdict};

/// Move here from another server of this API
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say for each connector's credentials in a file what works, what is ignored and what must
    /// change; nothing is called, and no value is printed
    Check(Check),
}

#[derive(clap::Args)]
#[command(after_help = "Forms, one or a list of them, also as members of an object:
  {\"config\": {\"<Name>\": {…}}}
  {\"<Name>\": {…}}
  {\"connector\": \"<name>\", \"auth_type\": \"BodyKey\", \"api_key\": …, \"key1\": …}
  {\"connector_name\": \"<name>\", \"connector_account_details\": {\"auth_type\": …}, \"test_mode\": …}

Example:
  daypass migrate check connectors.json")]
struct Check {
    /// The file (JSON); - is standard input
    file: PathBuf,
    /// Print the verdicts as JSON
    #[arg(long)]
    json: bool,
    /// The configuration file (TOML): its hosts are accepted, too
    #[arg(long, env = "DAYPASS_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Action::Check(check) = args.action;
    let mut config = Config::load(check.config.as_deref())?;
    // The question is what the credentials can do, and not what the operator allows. No store is used.
    (config.policy, config.store) = (Default::default(), Default::default());
    let engine = engine::build(&config, Process::Command)?;
    let entries = values(&check.file)?.into_iter().flat_map(entries::read);
    let verdicts: Vec<Verdict> =
        entries.enumerate().map(|(nth, entry)| verdict::judge(nth + 1, entry, &engine)).collect();
    if check.json {
        print_line!("{}", serde_json::to_string_pretty(&verdicts)?);
    } else {
        verdicts.iter().for_each(print);
        print_line!("{}", summary(&verdicts));
    }
    match verdicts.iter().all(|verdict| verdict.outcome == Outcome::Works) {
        true => Ok(()),
        false => Err(Failure::MustChange),
    }
}

/// The JSON values of the file, one after the other.
fn values(file: &Path) -> Result<Vec<Value>, Failure> {
    let failed = |source| Failure::Page { file: file.to_owned(), source };
    let bytes = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()).map(String::into_bytes),
        _ => std::fs::read(file),
    };
    let bytes = Zeroizing::new(bytes.map_err(failed)?);
    // The parser's words may repeat the file's; its place does not.
    let values = Deserializer::from_slice(&bytes).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    values.map_err(|error| Failure::NoJson { file: file.to_owned(), line: error.line(), column: error.column() })
}

fn print(verdict: &Verdict) {
    let name = verdict.connector.unwrap_or("unknown connector");
    let outcome = match verdict.outcome {
        Outcome::Works => "works",
        Outcome::MustChange => "must change",
        Outcome::NoTokens => "gives no tokens",
        Outcome::Unreadable => "cannot be read",
    };
    let only_in = verdict.only_in.map(|mode| format!(", in {mode} mode only")).unwrap_or_default();
    print_line!("{}. {name}: {outcome}{only_in}", verdict.entry);
    for (head, names) in [
        ("used", &verdict.used),
        ("inputs", &verdict.inputs),
        ("ignored", &verdict.ignored),
        ("for clients", &verdict.client_grants),
        ("for servers", &verdict.server_grants),
    ] {
        if !names.is_empty() {
            print_wrapped(&format!("   {head:<12} "), 16, &names.join(", "));
        }
    }
    for Fault { grants, field, description } in &verdict.faults {
        let head = if verdict.outcome == Outcome::Works { "not" } else { "change" };
        let head = if verdict.outcome == Outcome::NoTokens { "why" } else { head };
        let grants = if grants.is_empty() { String::new() } else { format!("{}: ", grants.join(", ")) };
        let field = field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
        print_wrapped(&format!("   {head:<12} "), 16, &format!("{grants}{field}{description}"));
    }
    print_line!("");
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
    format!(
        "{} of {} work; {} must change, {} of connectors without tokens, {} cannot be read",
        count(Outcome::Works),
        verdicts.len(),
        count(Outcome::MustChange),
        count(Outcome::NoTokens),
        count(Outcome::Unreadable)
    )
}
