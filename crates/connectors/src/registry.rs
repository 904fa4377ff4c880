//! A connector of the list with the type of its credentials hidden, and the check of credentials.

use std::marker::PhantomData;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::{
    connector::Connector,
    error::{Error, Kind, Result},
    exchange::{Exchange, Step},
    grant::{Audience, Grant, Lifetime},
    meta::{Meta, Mode},
    secret::is_clean,
};

/// The most grants that a connector can have. Raise it where one has more: the list of that
/// connector does not compile until then.
const MAX_GRANTS: usize = 8;

type Bind = fn(&Map<String, Value>) -> Result<Box<dyn BoundConnector>>;

/// A connector of the list.
pub struct Registration {
    /// Its description.
    pub meta: &'static Meta,
    bind: Bind,
}

/// A connector together with credentials that have been read.
pub trait BoundConnector: Send + Sync {
    /// See [`Connector::mode`].
    fn mode(&self) -> Option<Mode>;

    /// The next step, by the step function of the grant that the exchange is for.
    ///
    /// # Errors
    /// See [`crate::StepFn`].
    fn step(&self, exchange: &Exchange<'_>) -> Result<Step>;
}

struct WithCredentials<C: Connector>(C::Credentials);

impl<C: Connector> BoundConnector for WithCredentials<C> {
    fn mode(&self) -> Option<Mode> {
        C::mode(&self.0)
    }

    fn step(&self, exchange: &Exchange<'_>) -> Result<Step> {
        let grant = C::META.grants.iter().find(|grant| grant.name == exchange.grant.name);
        let grant = grant.ok_or_else(|| Error::new(Kind::Internal, "the connector has no such grant"))?;
        (grant.step)(&self.0, exchange)
    }
}

/// The description of a connector without its step functions, made at compile time.
struct Described<C>(PhantomData<C>);

impl<C: Connector> Described<C> {
    /// The connector's grants, then unused entries: a constant cannot have a length of its own for
    /// each connector.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
    const GRANTS: &'static [Grant; MAX_GRANTS] = &{
        let mut grants = [Grant::new("", Audience::Client, "", Lifetime::Unpublished, ()); MAX_GRANTS];
        let (mut rest, mut count) = (C::META.grants, 0);
        while let [grant, others @ ..] = rest {
            grants[count] = grant.description();
            (rest, count) = (others, count + 1);
        }
        grants
    };

    const META: &'static Meta = &C::META.with_grants(Self::GRANTS.split_at(C::META.grants.len()).0);
}

/// A line of the list.
pub const fn entry<C: Connector>() -> Registration {
    Registration {
        meta: Described::<C>::META,
        bind: |credentials| {
            let credentials = C::Credentials::deserialize(credentials)
                .map_err(|_| Error::new(Kind::InvalidCredentials, "the credentials have a wrong form"))?;
            Ok(Box::new(WithCredentials::<C>(credentials)))
        },
    }
}

impl Registration {
    /// Reads credentials and returns the connector together with them.
    ///
    /// # Errors
    /// [`Kind::InvalidCredentials`], or [`Kind::InvalidRequest`] for blanks around a value. The
    /// error names the field and never its value.
    pub fn bind(&self, credentials: &Map<String, Value>) -> Result<Box<dyn BoundConnector>> {
        for (name, value) in credentials {
            self.check_field(name, value)?;
        }
        for field in self.meta.credentials.iter().filter(|field| field.required) {
            if credentials.get(field.name).is_none_or(Value::is_null) {
                return Err(Error::invalid_credential(field.name, format!("{} needs it", self.meta.name)));
            }
        }
        (self.bind)(credentials)
    }

    fn check_field(&self, name: &str, value: &Value) -> Result<()> {
        let Some(field) = self.meta.credentials.iter().find(|field| field.name == name) else {
            let known: Vec<&str> = self.meta.credentials.iter().map(|field| field.name).collect();
            return Err(Error::invalid_credential(
                if is_plain_name(name) { name } else { "*" },
                format!("unknown field; known are {}", known.join(", ")),
            ));
        };
        if field.nested && !value.is_null() && value.as_object().is_none_or(Map::is_empty) {
            return Err(Error::invalid_credential(name, "must be a JSON object that is not empty"));
        }
        if !field.nested && !value.is_null() && value.as_str().is_none_or(str::is_empty) {
            return Err(Error::invalid_credential(name, "must be a text that is not empty"));
        }
        match unclean(name, value) {
            Some(path) => Err(Error::invalid(
                format!("credentials.{path}"),
                "has blanks around it, or control characters in it: send it exactly as it was issued",
            )),
            None => Ok(()),
        }
    }
}

/// Whether a text can only be the name of a field. An error does not repeat any other name: it may
/// be a secret in the wrong place, and secrets have long words or digits inside words.
fn is_plain_name(name: &str) -> bool {
    name.len() <= 48
        && name.split('_').all(|word| {
            let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let digits = word.len() - letters.len();
            (1..=20).contains(&letters.len()) && digits <= 2 && letters.bytes().all(|byte| byte.is_ascii_lowercase())
        })
}

/// The path of the first text, at any depth, that is not clean (see [`is_clean`]).
fn unclean(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!is_clean(text)).then(|| path.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| unclean(path, item)),
        Value::Object(members) => members.iter().find_map(|(name, member)| match is_clean(name) {
            true => unclean(&format!("{path}.{name}"), member),
            false => Some(path.to_owned()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn an_error_repeats_names_and_no_secrets() {
        for name in ["api_kye", "key1", "base_url", "merchant_account", "sha256_pwd", "x"] {
            assert_eq!(is_plain_name(name), name != "sha256_pwd", "{name}");
        }
        for secret in
            ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "AQEtest", "1234", "", "a_", "abcdefghijklmnopqrstuvwxyz", "k\n"]
        {
            assert!(!is_plain_name(secret), "{secret}");
        }
    }
}
