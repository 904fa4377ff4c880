//! A form as a body, a query or a text to sign.

/// Bytes for which a form has space from the start.
const USUAL_BYTES: usize = 256;

/// A body of `application/x-www-form-urlencoded` pairs, in the order in which they are added.
#[derive(Clone, Default)]
pub struct FormBody(String);

impl FormBody {
    /// A form without pairs.
    pub fn new() -> Self {
        Self(String::with_capacity(USUAL_BYTES))
    }

    /// Adds a pair.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.0 = form_urlencoded::Serializer::new(std::mem::take(&mut self.0)).append_pair(name, value).finish();
        self
    }

    /// Adds a pair where there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The encoded bytes, for a body.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// Whether it has no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoded text, for a query or a signature.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
