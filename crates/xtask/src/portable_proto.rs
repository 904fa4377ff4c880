//! The protocol for old compilers: `examples/proto`, a copy of `proto/` without the option
//! `debug_redact`, which protoc before 22.0 refuses. Debian 12 has 3.21. Used by the chore `pages`.

use std::{fs, path::Path};

use crate::Result;

/// The files of the protocol.
const FILES: [&str; 6] = [
    "ucs/v2/codes.proto",
    "ucs/v2/connector.proto",
    "ucs/v2/merchant_authentication.proto",
    "ucs/v2/payment_context.proto",
    "ucs/v2/session_data.proto",
    "types/merchant_authentication.proto",
];

/// The first lines of each copy.
const NOTE: &str = "\
// Generated from proto/ by `cargo run -p xtask -- pages`, for protoc before 22.0: without `debug_redact`, so that debug
// prints of these messages have secrets in them.

";

/// Writes the copy.
pub(crate) fn write(root: &Path) -> Result<()> {
    for file in FILES {
        let copy = root.join("examples/proto").join(file);
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(copy, portable(&fs::read_to_string(root.join("proto").join(file))?))?;
    }
    Ok(())
}

/// The text of a file without the option.
fn portable(proto: &str) -> String {
    format!("{NOTE}{}", proto.replace(",\n    debug_redact = true", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_the_protocol_without_the_option() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |folder: &str, file: &str| fs::read_to_string(root.join(folder).join(file)).unwrap();
        let mut options = 0;
        for file in FILES {
            let (proto, copy) = (read("proto", file), read("examples/proto", file));
            options += proto.matches("debug_redact = true").count();
            assert_eq!(copy, portable(&proto), "{file}: cargo run -p xtask -- pages");
            assert!(!copy.contains("debug_redact = true"), "{file}");
        }
        assert!(options > 3);
    }
}
