//! The chore `new-connector`.

use std::path::Path;

use crate::Result;

/// Writes the files of a new connector.
pub(crate) fn write(_root: &Path, _name: &str) -> Result<()> {
    Err("not yet".into())
}
