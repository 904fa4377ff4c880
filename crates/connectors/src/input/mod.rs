//! The inputs of a grant: their declaration, their check, their values.

pub(crate) mod kind;
pub(crate) mod metadata;
pub(crate) mod values;
