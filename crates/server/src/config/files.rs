//! Settings that name files: relative paths of the configuration file count from its folder, and
//! each secret setting can be in a file of its own. Used by `config`, `profiles` and `sources`.

use std::{fs, io::ErrorKind, path::Path};

use figment::value::{Dict, Value};

use super::error::ConfigError;
use crate::pem;

/// The secret settings. Each has a variant with `_file` after its name.
pub(crate) const SECRETS: &[(&str, &str)] = &[
    ("audit", "key"),
    ("egress", "proxy"),
    ("store", "key"),
    ("store", "previous_keys"),
    ("store", "sentinel_password"),
    ("store", "url"),
    ("telemetry", "otlp_headers"),
];

/// Whether the setting of this name is the path of a file.
fn is_path(name: &str) -> bool {
    name == "file" || name.ends_with("_file")
}

/// Makes the relative paths of a configuration file count from its folder.
pub(super) fn resolve(settings: &mut Dict, folder: &Path) {
    for (name, value) in settings {
        match value {
            Value::Dict(_, inner) => resolve(inner, folder),
            Value::Array(_, items) => {
                let tables = items.iter_mut().filter_map(|item| match item {
                    Value::Dict(_, inner) => Some(inner),
                    _ => None,
                });
                tables.for_each(|inner| resolve(inner, folder));
            }
            // The content of a file in place of its path stays as it is, for an error without it.
            Value::String(_, path) if is_path(name) && !pem::is_pasted(Path::new(path)) => {
                *path = folder.join(&*path).to_string_lossy().into_owned();
            }
            _ => {}
        }
    }
}

/// Replaces each `<secret>_file` by the content of that file, without one line break at its end.
///
/// # Errors
/// Secret and file are both given, or the file cannot be read. No error has a value.
pub(super) fn read_secrets(settings: &mut Dict) -> Result<(), ConfigError> {
    for (table, secret) in SECRETS {
        if let Some(Value::Dict(_, table_settings)) = settings.get_mut(*table) {
            read_secret(table_settings, table, secret)?;
        }
    }
    Ok(())
}

fn read_secret(settings: &mut Dict, table: &str, secret: &str) -> Result<(), ConfigError> {
    let Some(file) = settings.remove(&format!("{secret}_file")) else { return Ok(()) };
    let fail = |fault: &str| Err(ConfigError::Setting(format!("{table}.{secret}_file: {fault}")));
    if settings.contains_key(secret) {
        return fail(&format!("{table}.{secret} is given, too"));
    }
    let Value::String(_, file) = &file else { return fail("expected the path of a file") };
    match read_text(Path::new(file)) {
        Ok(text) => settings.insert(secret.into(), Value::from(text)),
        Err(fault) => return fail(fault),
    };
    Ok(())
}

/// The text of a file with a secret, without one line break at its end.
///
/// # Errors
/// The fault, in words for the operator.
pub(super) fn read_text(file: &Path) -> Result<String, &'static str> {
    if pem::is_pasted(file) {
        return Err("the setting takes the path of a file, not its content");
    }
    let mut text = fs::read_to_string(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::PermissionDenied => "this process may not read the file",
        ErrorKind::InvalidData => "the file is no text",
        _ => "the file cannot be read",
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    if text.is_empty() { Err("the file is empty") } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, sources};

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn load(folder: &Path, toml: &str) -> Result<Config, ConfigError> {
        let file = folder.join("daypass.toml");
        fs::write(&file, toml).unwrap();
        let mut settings = sources::file(&file)?;
        read_secrets(&mut settings)?;
        Config::from_settings(&settings)
    }

    #[test]
    fn each_secret_setting_can_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (table, secret) in SECRETS {
            let (value, shown) = match *secret {
                "key" | "previous_keys" => (KEY, KEY),
                "url" => ("redis://:canary@127.0.0.1:1", "redis://:canary@127.0.0.1:1"),
                _ => ("http://user:canary@proxy:3128", "http://user:canary@proxy:3128"),
            };
            fs::write(path("secret"), format!("{value}\n")).unwrap();
            let config = load(folder.path(), &format!("[{table}]\n{secret}_file = 'secret'")).unwrap();
            let read = match *secret {
                "key" if *table == "audit" => config.audit.key.unwrap(),
                "key" => config.store.key.unwrap(),
                "previous_keys" => config.store.previous_keys[0].clone(),
                "url" => config.store.url.unwrap(),
                "otlp_headers" => config.telemetry.otlp_headers.unwrap(),
                "sentinel_password" => config.store.sentinel_password.unwrap(),
                _ => config.egress.proxy.unwrap(),
            };
            assert_eq!(read.expose(), shown, "{secret}");

            for (toml, fault) in [
                (format!("{secret}_file = 'secret'\n{secret} = 'canary'"), "is given, too"),
                (format!("{secret}_file = 'absent'"), "there is no such file"),
                (format!("{secret}_file = 5"), "expected the path"),
                (format!("{secret}_file = '-----BEGIN PRIVATE KEY-----canary'"), "takes the path"),
            ] {
                let error = load(folder.path(), &format!("[{table}]\n{toml}")).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{table}.{secret}_file: ")) && error.contains(fault), "{error}");
                assert!(!error.contains("canary"), "{error}");
            }
        }
        fs::write(path("secret"), "\n").unwrap();
        assert!(load(folder.path(), "[store]\nkey_file = 'secret'").is_err());
    }

    #[test]
    fn relative_paths_count_from_the_folder_of_the_configuration_file() {
        let folder = tempfile::tempdir().unwrap();
        let toml = "[tls]\ncertificate_file = 'certs/a.pem'\nprivate_key_file = '/etc/b.key'\n\
                    [egress]\nauthorities_file = 'c.pem'";
        let config = load(folder.path(), toml).unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(tls.certificate_file, folder.path().join("certs/a.pem"));
        assert_eq!(tls.private_key_file, Path::new("/etc/b.key"));
        assert_eq!(config.egress.authorities_file.unwrap(), folder.path().join("c.pem"));
    }
}
