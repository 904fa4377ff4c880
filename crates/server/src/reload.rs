//! Reading the configuration again, at SIGHUP and when a file of it changes. A configuration with a
//! fault changes nothing. Uses `config`, `live`, `signals` and `supervisor`. Used by `server`.

use std::{
    fs::{self, Metadata},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    config::{Config, ConfigError, SettingDigests},
    live::Live,
    signals::Hangups,
    supervisor, tls,
};

/// Time between two looks at the files. A file that changed is read once it has stayed the same for
/// one more look: certificate and key are written one after the other.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Time between two reports of the certificate's end.
const EXPIRY_REPORT_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Settings that a reload takes: names, or the beginnings of names that end with a dot.
pub(crate) const RELOADED: &[&str] = &[
    "callers",
    "connectors.",
    "limits.attempt_timeout_ms",
    "limits.connect_timeout_ms",
    "limits.default_deadline_ms",
    "log",
    "policy.",
    "profiles.",
    "tls.",
];

/// Whether a reload takes a setting. A change of any other one waits for a restart.
pub(crate) fn is_reloaded(setting: &str) -> bool {
    RELOADED.iter().any(|name| if name.ends_with('.') { setting.starts_with(name) } else { setting == *name })
}

/// The origin of the configuration.
pub(crate) struct Source {
    /// The file.
    pub file: Option<PathBuf>,
    /// Changes that do not come from file and environment: flags, the embedded sandbox.
    pub amend: Box<dyn Fn(&mut Config) + Send + Sync>,
    /// Settings that flags give: other values of them have no effect.
    pub by_flag: Vec<&'static str>,
}

impl Source {
    /// Reads file and environment. `keep` puts back what the running server cannot change.
    ///
    /// # Errors
    /// As [`Config::load`], and the faults of the whole.
    pub(crate) fn read(&self, keep: impl Fn(&mut Config)) -> Result<(Config, SettingDigests), ConfigError> {
        let (mut config, digests) = Config::load_with_digests(self.file.as_deref())?;
        let digests = digests.without(&self.by_flag);
        (self.amend)(&mut config);
        keep(&mut config);
        let faults = config.faults();
        if faults.is_empty() { Ok((config, digests)) } else { Err(ConfigError::Faults(faults)) }
    }
}

/// Reloads until the process ends.
pub(crate) async fn run(source: Source, running: Config, digests: SettingDigests, live: Live, mut hangups: Hangups) {
    let mut reload = Reload { source, running, digests, live };
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expiry_reports = interval(EXPIRY_REPORT_INTERVAL);
    expiry_reports.tick().await;
    let mut known = reload.files();
    let mut last_look = known.clone();
    loop {
        tokio::select! {
            () = hangups.next() => {}
            _ = expiry_reports.tick() => {
                tls::report_expiry_of(&reload.running);
                continue;
            }
            _ = looks.tick() => {
                let look = reload.files();
                let settled = look == last_look;
                last_look = look;
                if last_look == known || !settled {
                    continue;
                }
            }
        }
        supervisor::reloading();
        known = reload.files();
        last_look.clone_from(&known);
        reload.read_again();
        supervisor::ready();
    }
}

/// The state of a file that shows a change: its time, length and number. A file that is replaced by
/// renaming, or through a symbolic link as Kubernetes does, has another number.
type FileState = Option<(Option<SystemTime>, u64, u64)>;

struct Reload {
    source: Source,
    running: Config,
    digests: SettingDigests,
    live: Live,
}

impl Reload {
    /// The states of the configuration's files.
    fn files(&self) -> Vec<(PathBuf, FileState)> {
        let own = self.source.file.iter().cloned();
        own.chain(self.running.files().into_iter().map(|(_, file)| file))
            .map(|file| {
                let state = fs::metadata(&file).ok().map(|file| (file.modified().ok(), file.len(), number(&file)));
                (file, state)
            })
            .collect()
    }

    fn read_again(&mut self) {
        let outcome = match self.take() {
            Ok(()) => "taken",
            Err(fault) => {
                let faults = fault.to_string().replace('\n', "; ");
                tracing::error!(faults, "configuration read again and refused: the former one stays");
                "refused"
            }
        };
        metrics::counter!("daypass_reloads_total", "outcome" => outcome).increment(1);
    }

    fn take(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let (mut config, digests) = self.source.read(|config| config.keep_fixed(&self.running))?;
        // A certificate of the server's own cannot become the operator's, and the other way.
        let same_kind = config.tls.is_some() == self.running.tls.is_some();
        if !same_kind {
            config.tls.clone_from(&self.running.tls);
        }
        let (taken, waiting): (Vec<_>, Vec<_>) = self
            .digests
            .changed(&digests)
            .into_iter()
            .partition(|setting| is_reloaded(setting) && (same_kind || !setting.starts_with("tls.")));
        self.live.replace(&config)?;
        // A setting that waits stays changed, so that each reload names it.
        self.digests.take(&digests, &taken);
        self.running = config;
        if taken.is_empty() && waiting.is_empty() {
            tracing::info!("configuration read again: nothing changed");
        } else {
            let (changed, needs_restart) = (taken.join(", "), waiting.join(", "));
            tracing::info!(changed, needs_restart, "configuration read again");
        }
        Ok(())
    }
}

#[cfg(unix)]
fn number(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
const fn number(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::Presented,
        engine::{self, Process},
    };

    #[test]
    fn only_settings_on_the_list_are_taken_by_a_reload() {
        for (setting, taken) in [
            ("callers", true),
            ("policy.server_tokens", true),
            ("connectors.stripe.defaults.customer", true),
            ("tls.certificate_file", true),
            ("log", true),
            ("listen", false),
            ("log_other", false),
            ("limits.max_callers", false),
            ("store.url", false),
        ] {
            assert_eq!(is_reloaded(setting), taken, "{setting}");
        }
    }

    #[tokio::test]
    async fn a_port_beyond_loopback_keeps_its_guards_until_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daypass.toml");
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
        let callers = format!("[[callers]]\nname = 'shop'\nkey_sha256 = '{hash}'\n");
        fs::write(&file, format!("listen = '0.0.0.0:0'\nallow_plaintext_beyond_loopback = true\n{callers}")).unwrap();
        let source = Source { file: Some(file.clone()), amend: Box::new(|_| ()), by_flag: Vec::new() };
        let (running, digests) = source.read(|_| ()).unwrap();
        let engine = engine::build(&running, Process::Command).unwrap();
        let (live, _files) = Live::new(&running, engine.into()).unwrap();
        let mut reload = Reload { source, running, digests, live };
        let is_open = |reload: &Reload| {
            let nobody = Presented { key: None, certificate: None };
            reload.live.authenticator.load().authenticate(&nobody).is_ok()
        };
        assert!(!is_open(&reload));
        // The port stays where it is, so nobody else may call it.
        for open in ["listen = '127.0.0.1:8080'\n", "allow_anonymous_beyond_loopback = true\n"] {
            fs::write(&file, open).unwrap();
            assert!(reload.take().is_err(), "{open}");
            assert!(!is_open(&reload));
        }
        fs::write(&file, format!("listen = '127.0.0.1:8080'\n{callers}")).unwrap();
        reload.take().unwrap();
        assert_eq!(reload.live.engine.settings().policy.server_tokens, Some(false));
    }
}
