use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A value that must not be seen: a credential, a token, a private input.
///
/// `Debug` prints `[REDACTED]`, there is no `Display`, and the memory is overwritten on drop. The only way to the text is
/// [`Secret::expose`], so that every use can be found by its name.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. Only for putting it into a call or an answer.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
