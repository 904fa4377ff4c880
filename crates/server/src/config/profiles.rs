//! Credential profiles: their fields from files and environment variables. Used by `config`.

use std::{
    env,
    path::{Path, PathBuf},
};

use daypass::{RawCredentials, canonical_id};
use figment::value::{Dict, Value};
use zeroize::Zeroizing;

use super::{error::ConfigError, files};

/// All credentials of a profile in one file, as JSON.
const CREDENTIALS_FILE: &str = "credentials_file";

/// Replaces `<field>_file`, `<field>_env` and `credentials_file` of each profile by what they name.
/// Returns the files, each with its setting.
///
/// # Errors
/// A field is given twice, or cannot be read; its setting is taken out. No error has a value.
pub(super) fn read(settings: &mut Dict) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    let mut files = Vec::new();
    let Some(Value::Dict(_, profiles)) = settings.get_mut("profiles") else { return Ok(files) };
    for (name, profile) in profiles {
        if let Value::Dict(_, profile) = profile {
            Profile { name, files: &mut files }.read(profile)?;
        }
    }
    Ok(files)
}

struct Profile<'a> {
    name: &'a str,
    files: &'a mut Vec<(String, PathBuf)>,
}

impl Profile<'_> {
    fn read(&mut self, profile: &mut Dict) -> Result<(), ConfigError> {
        let settings: Vec<String> = profile.keys().cloned().collect();
        for setting in settings {
            let fields = if setting == CREDENTIALS_FILE {
                self.credentials(profile)
            } else if let Some(field) = setting.strip_suffix("_file") {
                self.file(&setting, profile).map(|text| [(field.to_owned(), value(profile, field, &text))].into())
            } else if let Some(field) = setting.strip_suffix("_env") {
                self.variable(&setting, profile).map(|text| [(field.to_owned(), value(profile, field, &text))].into())
            } else {
                continue;
            };
            profile.remove(&setting);
            for (field, value) in fields? {
                if profile.insert(field.clone(), value).is_some() {
                    return Err(self.fault(&field, "is given twice"));
                }
            }
        }
        Ok(())
    }

    /// The fields of a file with `{"api_key": "…"}`, or with the connector's name around that.
    fn credentials(&mut self, profile: &Dict) -> Result<Dict, ConfigError> {
        let text = self.file(CREDENTIALS_FILE, profile)?;
        let refused = || self.fault(CREDENTIALS_FILE, "expected a JSON object of the connector's credentials");
        let connector = text_of(profile.get("connector")).unwrap_or_default();
        let fields = match RawCredentials::parse(text.as_bytes()) {
            Ok(named) if canonical_id(&named.connector) == canonical_id(connector) => {
                Value::serialize(named.fields()).map_err(|_| refused())?
            }
            _ => serde_json::from_str(&text).map_err(|_| refused())?,
        };
        match fields {
            Value::Dict(_, fields) => Ok(fields),
            _ => Err(refused()),
        }
    }

    fn file(&mut self, setting: &str, profile: &Dict) -> Result<Zeroizing<String>, ConfigError> {
        let path = text_of(profile.get(setting)).ok_or_else(|| self.fault(setting, "expected the path of a file"))?;
        self.files.push((format!("profiles.{}.{setting}", self.name), path.into()));
        files::read_text(Path::new(path)).map(Zeroizing::new).map_err(|fault| self.fault(setting, fault))
    }

    fn variable(&self, setting: &str, profile: &Dict) -> Result<Zeroizing<String>, ConfigError> {
        let name = text_of(profile.get(setting)).unwrap_or_default();
        match env::var(name) {
            Ok(text) if !text.is_empty() => Ok(Zeroizing::new(text)),
            _ => Err(self.fault(setting, "there is no environment variable of this name, or it is empty")),
        }
    }

    fn fault(&self, setting: &str, fault: &str) -> ConfigError {
        ConfigError::Setting(format!("profiles.{}.{setting}: {fault}", self.name))
    }
}

/// The value of a field that was given as a text.
fn value(profile: &Dict, field: &str, text: &str) -> Value {
    let connector = text_of(profile.get("connector")).unwrap_or_default();
    let parsed = || serde_json::from_str(text).ok();
    is_nested(connector, field).then(parsed).flatten().unwrap_or_else(|| Value::from(text))
}

/// Whether a field of this connector's credentials is an object and not a text.
fn is_nested(connector: &str, field: &str) -> bool {
    let fields = connectors::find(&canonical_id(connector)).map(|known| known.meta.credentials).unwrap_or_default();
    fields.iter().any(|known| known.name == field && known.nested)
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::String(_, text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Config, sources};

    fn load(folder: &Path, toml: &str) -> Result<Config, ConfigError> {
        let file = folder.join("daypass.toml");
        fs::write(&file, toml).unwrap();
        let mut settings = sources::file(&file)?;
        let files = read(&mut settings)?;
        let config = Config::from_settings(&settings)?;
        assert!(files.iter().all(|(_, file)| file.starts_with(folder)), "{files:?}");
        Ok(config)
    }

    #[test]
    fn a_profile_takes_its_fields_from_each_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("secret", "canary\n");
        write("fields.json", r#"{"client_id":"an id","client_secret":"canary"}"#);
        write("named.json", r#"{"PayPal":{"client_id":"an id","client_secret":"canary"}}"#);
        for toml in [
            "connector = 'paypal'\nclient_id = 'an id'\nclient_secret = 'canary'",
            "connector = 'PAYPAL'\nclient_id = 'an id'\nclient_secret_file = 'secret'",
            "connector = 'paypal'\ncredentials_file = 'fields.json'",
            "connector = 'paypal'\ncredentials_file = 'named.json'",
        ] {
            let config = load(folder.path(), &format!("[profiles.web]\n{toml}")).unwrap();
            assert_eq!(config.settings().faults(), Vec::<String>::new(), "{toml}");
            assert!(!format!("{config:?}").contains("canary"));
        }
        for (toml, fault) in [
            ("client_secret_file = 'absent'", "profiles.web.client_secret_file: there is no such file"),
            ("client_secret_file = 5", "profiles.web.client_secret_file: expected the path"),
            ("client_secret = 'canary'\nclient_secret_file = 'secret'", "profiles.web.client_secret: is given twice"),
            ("client_secret_env = 'DAYPASS_TEST_ABSENT'", "profiles.web.client_secret_env: there is no environment"),
            ("credentials_file = 'secret'", "profiles.web.credentials_file: expected a JSON object"),
            ("client_secret_file = '-----BEGIN KEY-----canary'", "profiles.web.client_secret_file: the setting takes"),
        ] {
            let toml = format!("[profiles.web]\nconnector = 'paypal'\nclient_id = 'an id'\n{toml}");
            let error = load(folder.path(), &toml).unwrap_err().to_string();
            assert!(error.starts_with(fault) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_profile_that_no_call_could_use_is_a_fault_without_its_values() {
        let folder = tempfile::tempdir().unwrap();
        for (toml, fault) in [
            ("api_key = 'canary'", "profiles.web.connector: no such connector"),
            ("connector = 'strpe'\napi_key = 'canary'", "profiles.web.connector: no such connector"),
            ("connector = 'stripe'", "profiles.web.api_key: "),
            ("connector = 'stripe'\nkey = 'canary'\napi_key = 'sk_test_a'", "profiles.web.key: unknown field"),
            ("connector = 'stripe'\napi_key = ' canary'", "profiles.web.api_key: has blanks"),
        ] {
            let faults = load(folder.path(), &format!("[profiles.web]\n{toml}")).unwrap().settings().faults();
            assert!(faults.len() == 1 && faults[0].starts_with(fault), "{faults:?}");
            assert!(!faults[0].contains("canary"), "{faults:?}");
        }
        let config = load(folder.path(), "[policy]\nprofiles = ['web']\n[policy.callers.a]\nprofiles = ['b']").unwrap();
        assert_eq!(config.settings().faults().len(), 2);
    }
}
