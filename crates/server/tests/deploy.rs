//! The files of an installation: the default configuration, the man pages, and what the service manager hears.

use std::{collections::BTreeSet, os::unix::net::UnixDatagram, process::Command};

use daypass_server::config::Config;

use crate::common::{HANGS, TestServer};

/// The configuration file of the Debian package.
const CONFIGURATION: &str = include_str!("../../../deploy/daypass.toml");

/// The setting of a line that shows a default. Such a line has no space after its sign.
fn default_of(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// The setting, or the table, of a line that shows an example.
fn example_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    let (name, _) = rest.split_once(" = ").unwrap_or((rest, ""));
    let is_setting = rest != name && !name.contains(' ') || name.starts_with('"');
    (is_setting || rest.starts_with('[')).then_some(rest)
}

fn uncommented(line_of: impl Fn(&str) -> Option<&str>) -> String {
    CONFIGURATION.lines().map(|line| format!("{}\n", line_of(line).unwrap_or(line))).collect()
}

#[test]
fn the_default_configuration_shows_the_defaults() {
    let defaults = format!("{:?}", Config::default());
    assert_eq!(format!("{:?}", Config::parse(CONFIGURATION).unwrap()), defaults, "the file as it is");
    let shown = Config::parse(&uncommented(default_of)).unwrap();
    assert_eq!(format!("{shown:?}"), defaults, "the lines that show defaults");
    assert!(CONFIGURATION.lines().filter_map(default_of).count() > 15);
}

#[test]
fn the_examples_of_the_default_configuration_can_be_used() {
    let config = Config::parse(&uncommented(|line| default_of(line).or_else(|| example_of(line)))).unwrap();
    // The keys are left out: ones that everybody may read would be used.
    let faults = config.faults();
    assert!(
        matches!(faults.as_slice(), [store, audit] if store.contains("key") && audit.contains("key")),
        "{faults:?}"
    );
    assert!(config.tls.is_some() && config.store.url.is_some() && config.egress.no_proxy.is_some());
    assert_eq!((config.callers.len(), config.connectors.len()), (1, 2));
}

/// The manager counts the service as started at READY, and as stopping from STOPPING on.
#[test]
fn the_service_manager_is_told_of_start_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(HANGS)).unwrap();
    let told = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let mut served = TestServer::start(&["--sandbox"], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(told().trim(), "READY=1");
    served.signal("TERM");
    assert_eq!(told().trim(), "STOPPING=1");
    assert!(served.child.wait().unwrap().success());
}

#[test]
fn each_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let daypass = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_daypass")).args(arguments).output().unwrap();
    let written = daypass(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    let pages = std::fs::read_dir(folder.path()).unwrap();
    let pages: BTreeSet<String> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();

    let help = String::from_utf8(daypass(&["--help"]).stdout).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Further lines of a description are indented more.
    let commands = commands.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"serve") && !commands.contains(&"man"), "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(pages.contains(&format!("daypass-{command}.1")), "{command}: {pages:?}");
    }
    assert!(!pages.contains("daypass-man.1"), "{pages:?}");
    let serve = std::fs::read_to_string(folder.path().join("daypass-serve.1")).unwrap();
    assert!(serve.contains("DAYPASS_CONFIG"), "{serve}");
    let settings = std::fs::read_to_string(folder.path().join("daypass.toml.5")).unwrap();
    assert!(settings.contains("shutdown_delay_ms") && settings.contains("telemetry.otlp_endpoint"), "{settings}");
}
