//! The fields of the request messages as a table, to check JSON against. The build script makes it from the
//! descriptors.

use buffa::Enumeration as _;

use crate::ucs;

/// A request message in JSON.
pub struct Message {
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a request in JSON.
pub struct Field {
    /// Its name in `proto/`.
    pub name: &'static str,
    /// The other spelling of the name, which protobuf's JSON mapping demands.
    pub camel_case: &'static str,
    /// Whether it is a list of such values.
    pub list: bool,
    /// The form of its value.
    pub form: Form,
}

/// The form of a field's value.
pub enum Form {
    /// A text.
    Text,
    /// A text, or `{"value": "…"}`, the form in which existing clients write secrets.
    Secret,
    /// The same of a JSON text, which may also be the object itself.
    JsonText,
    /// A name of an enum in any case, or its number. The function says whether there is such a name.
    Enum(fn(&str) -> bool),
    /// A boolean.
    Flag,
    /// A whole number.
    Integer,
    /// An object of texts.
    Texts,
    /// A message.
    Message(&'static Message),
    /// A value that nobody reads, whatever it is.
    Unread,
}

// A `static` for each message, and `message_of` from a method's name.
include!(concat!(env!("OUT_DIR"), "/json_fields.rs"));
