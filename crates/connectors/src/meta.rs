//! The description of a connector as plain data: its names, hosts, credentials and grants.
//!
//! Listings, documentation pages, checks and metric labels are made from it.

use crate::{
    evidence::{Evidence, ModeShown, Source},
    grant::Grant,
};

/// The description of a connector.
///
/// `S` is the type of the grants' step functions in the connector's own file and `()` everywhere
/// else (see [`Grant`]).
#[derive(Debug)]
pub struct Meta<S: 'static = ()> {
    /// Its name in the `Connector` enum of the contract, in lower case.
    pub id: &'static str,
    /// Its name as people write it.
    pub name: &'static str,
    /// The vendor's page on this API.
    pub docs: &'static str,
    /// Facts that the vendor's own documents do not confirm, one sentence each.
    pub unconfirmed: &'static [&'static str],
    /// Where the facts of the calls come from.
    pub evidence: &'static [Evidence],
    /// Whether credentials show the mode by their form.
    pub mode_shown: ModeShown,
    /// The hosts that it calls; the first is the main one.
    pub hosts: &'static [Host],
    /// The fields of its credentials.
    pub credentials: &'static [CredentialField],
    /// Its grants, the most useful first.
    pub grants: &'static [Grant<S>],
}

impl<S> Meta<S> {
    /// The same description with another list of grants.
    pub(crate) const fn with_grants<T>(&self, grants: &'static [Grant<T>]) -> Meta<T> {
        Meta {
            id: self.id,
            name: self.name,
            docs: self.docs,
            unconfirmed: self.unconfirmed,
            evidence: self.evidence,
            mode_shown: self.mode_shown,
            hosts: self.hosts,
            credentials: self.credentials,
            grants,
        }
    }

    /// Whether the field of the credentials is no secret.
    pub fn is_public(&self, credential: &str) -> bool {
        self.credentials.iter().any(|field| field.name == credential && field.public)
    }
}

/// A field of a connector's credentials.
#[derive(Clone, Copy, Debug)]
pub struct CredentialField {
    /// Its name.
    pub name: &'static str,
    /// Whether credentials are incomplete without it.
    pub required: bool,
    /// Whether it is no secret: an id of an account or client, which appears in URLs and pages.
    pub public: bool,
    /// Whether it is a JSON object and not a text.
    pub nested: bool,
    /// How keys of this kind begin that have full power at the vendor. No value for a client begins
    /// so.
    pub key_prefixes: &'static [&'static str],
    /// Where a merchant finds it at the vendor; `None` where no document that was found says it.
    pub found_in: Option<Place>,
}

/// The place of a value at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The vendor's menus, with ` > ` between them, then a colon and the vendor's name of the value:
    /// `Dashboard > Settings > API keys: secret key`. Where the vendor has no menu for it, the words
    /// that say who hands it out. It has no full stop.
    pub path: &'static str,
    /// The document that says so.
    pub source: Source,
}

impl CredentialField {
    /// The same field, which is no secret.
    #[must_use]
    pub const fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// The same field, which is a JSON object.
    #[must_use]
    pub const fn nested(self) -> Self {
        Self { nested: true, ..self }
    }

    /// Says where a merchant finds it at the vendor.
    #[must_use]
    pub const fn found_in(self, path: &'static str, source: Source) -> Self {
        Self { found_in: Some(Place { path, source }), ..self }
    }

    /// Says how keys of this kind begin.
    #[must_use]
    pub const fn key_prefixes(self, key_prefixes: &'static [&'static str]) -> Self {
        Self { key_prefixes, ..self }
    }
}

/// A field without which credentials are incomplete.
pub const fn required(name: &'static str) -> CredentialField {
    CredentialField { name, required: true, public: false, nested: false, key_prefixes: &[], found_in: None }
}

/// A field that may be absent.
pub const fn optional(name: &'static str) -> CredentialField {
    CredentialField { name, required: false, public: false, nested: false, key_prefixes: &[], found_in: None }
}

/// One of a connector's hosts: scheme and host only, as the path belongs to the call.
///
/// A `{name}` in it stands for a DNS label that each account has of its own. The label is the input
/// of that name, or comes from the credentials ([`crate::Exchange::url_with_label`]).
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Empty for the main host; otherwise the prefix of its configuration keys (`auth` →
    /// `auth_base_url`).
    pub name: &'static str,
    /// The address of live calls.
    pub live: &'static str,
    /// The address of test calls.
    pub test: &'static str,
}

impl Host {
    /// The main host.
    pub const fn main(live: &'static str, test: &'static str) -> Self {
        Self { name: "", live, test }
    }

    /// A further host.
    pub const fn named(name: &'static str, live: &'static str, test: &'static str) -> Self {
        Self { name, live, test }
    }

    /// The address in a mode.
    pub const fn of(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Test => self.test,
            Mode::Live => self.live,
        }
    }

    /// The key under which an operator can replace it: `base_url`, `test_base_url`,
    /// `auth_base_url`, …
    pub fn key(&self, mode: Mode) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!("{}_", self.name) };
        match mode {
            Mode::Test => format!("test_{name}base_url"),
            Mode::Live => format!("{name}base_url"),
        }
    }

    /// A base URL around its `{label}`: the text before it, the label's name, the text after it.
    /// `None` where it has no label.
    pub fn split_label(base: &str) -> Option<(&str, &str, &str)> {
        let (head, rest) = base.split_once('{')?;
        let (label, tail) = rest.split_once('}')?;
        Some((head, label, tail))
    }
}

/// Test data or real money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The connector's test environment.
    Test,
    /// The connector's production environment.
    Live,
}

impl Mode {
    /// `test` or `live`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// The mode that the prefix of a key shows, where the key has one of these prefixes.
    pub(crate) fn of_key(key: &str, test: &[&str], live: &[&str]) -> Option<Self> {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
        match (starts(test), starts(live)) {
            (true, _) => Some(Self::Test),
            (_, true) => Some(Self::Live),
            _ => None,
        }
    }
}
