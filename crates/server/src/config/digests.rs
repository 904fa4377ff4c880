//! Digests of all settings by name, so that a reload can name what changed without keeping or
//! printing a value. Used by `config` and `reload`.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::RandomState},
    fs,
    hash::BuildHasher,
    path::PathBuf,
    sync::LazyLock,
};

use figment::value::Value;

use super::sources::Settings;

/// Keys the digests of this process: a digest says nothing about a short secret elsewhere.
static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A digest of each setting that is given, and of the content of each file that a setting names.
#[derive(Clone, Debug, Default)]
pub struct SettingDigests(BTreeMap<String, u64>);

impl SettingDigests {
    /// The digests of these settings and files.
    pub(super) fn of(settings: &Settings, files: Vec<(String, PathBuf)>) -> Self {
        let mut digests = BTreeMap::new();
        for (name, value) in settings {
            add(&mut digests, name.clone(), value);
        }
        for (setting, file) in files {
            digests.insert(format!("{setting} (its content)"), KEYED.hash_one(fs::read(file).ok()));
        }
        Self(digests)
    }

    /// The digests of all other settings.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// The names of the settings that differ.
    pub(crate) fn changed(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }

    /// Takes over these settings from another configuration.
    pub(crate) fn take(&mut self, other: &Self, names: &[String]) {
        for name in names {
            match other.0.get(name) {
                Some(digest) => self.0.insert(name.clone(), *digest),
                None => self.0.remove(name),
            };
        }
    }
}

/// Tables are walked, so that each setting has its own name. A list is one setting.
fn add(digests: &mut BTreeMap<String, u64>, name: String, value: &Value) {
    match value {
        Value::Dict(_, inner) => {
            for (key, value) in inner {
                add(digests, format!("{name}.{key}"), value);
            }
        }
        value => {
            // The tag says where a value was read, which does not matter.
            let text = serde_json::to_string(value).unwrap_or_default();
            digests.insert(name, KEYED.hash_one(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources;

    fn digests(toml: &str) -> SettingDigests {
        SettingDigests::of(&sources::toml(toml, "test").unwrap(), Vec::new())
    }

    #[test]
    fn changes_are_named_and_taken_one_by_one() {
        let mut before = digests("log = 'info'\n[policy]\nserver_tokens = true\n[[callers]]\nname = 'a'");
        let after = digests("log = 'info'\nlisten = '127.0.0.1:1'\n[policy]\nserver_tokens = false");
        assert_eq!(before.changed(&after), ["callers", "listen", "policy.server_tokens"]);
        before.take(&after, &["callers".into(), "policy.server_tokens".into()]);
        assert_eq!(before.changed(&after), ["listen"]);
        assert!(before.changed(&before.clone()).is_empty());
    }
}
