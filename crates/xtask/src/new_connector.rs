//! The chore `new-connector`: a connector's file, its fake and its fixtures from the templates, and
//! its lines in the lists. Every fact that only the vendor's documents contain is marked
//! `MISSING:`; a test of the connectors names each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    lists::{between, insert, remove_unavailable},
};

/// The new files: their path and their template.
const FILES: &[(&str, &str)] = &[
    ("crates/connectors/src/connectors/@name@.rs", include_str!("templates/connector.rs.txt")),
    ("crates/sandbox/src/vendors/@name@.rs", include_str!("templates/vendor.rs.txt")),
    ("crates/connectors/fixtures/@name@/credentials.json", include_str!("templates/credentials.json")),
    ("crates/connectors/fixtures/@name@/client_session.json", include_str!("templates/client_session.json")),
    ("crates/connectors/fixtures/@name@/refused_key.json", include_str!("templates/refused_key.json")),
];

const ENUM: &str = "proto/ucs/v2/connector.proto";
const CONNECTORS: &str = "crates/connectors/src/connectors.rs";
const VENDORS: &str = "crates/sandbox/src/vendors/mod.rs";
const UNAVAILABLE: &str = "crates/connectors/src/unavailable.rs";

/// Writes the files of a new connector and puts it into the lists. It writes nothing where it
/// cannot write all.
///
/// # Errors
/// The enum does not have the name, the connector exists, or a file cannot be read or written.
pub(crate) fn write(root: &Path, name: &str) -> Result<()> {
    let listed = fs::read_to_string(root.join(ENUM))?;
    let value = format!("{} = ", name.to_ascii_uppercase());
    if name != name.to_ascii_lowercase() || !listed.lines().any(|line| line.trim_start().starts_with(&value)) {
        return Err(format!("{name}: no such value in lower case of the enum in {ENUM}").into());
    }
    let files: Vec<(PathBuf, String)> =
        FILES.iter().map(|(path, template)| (root.join(fill(path, name)), fill(template, name))).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(format!("{name}: {} exists", path.display()).into());
    }
    let lists = lists(root, name)?;
    for (path, text) in files.iter().chain(&lists) {
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, text)?;
        println!("{}", path.strip_prefix(root).unwrap_or(path).display());
    }
    println!("{}", fill(NEXT, name));
    Ok(())
}

const NEXT: &str = "\
\nNow fill in the facts that are marked MISSING:, from the vendor's documents. These name what is left:
cargo test --workspace --test all no_fact_is_missing
cargo run -p xtask -- pages && cargo test";

/// The lists with the connector's lines in them.
fn lists(root: &Path, name: &str) -> Result<Vec<(PathBuf, String)>> {
    fn module(line: &str) -> Option<&str> {
        between(line, "mod ", ";")
    }
    let read = |path: &str| fs::read_to_string(root.join(path));
    let connectors = insert(&read(CONNECTORS)?, &fill("mod @name@;", name), module)?;
    let line = fill("    entry::<@name@::@Type@>(),", name);
    let connectors = insert(&connectors, &line, |line| between(line, "    entry::<", "::"))?;
    let vendors = insert(&read(VENDORS)?, &fill("mod @name@;", name), module)?;
    let vendors = insert(&vendors, &fill("    &@name@::@NAME@,", name), |line| between(line, "    &", "::"))?;
    let unavailable = remove_unavailable(&read(UNAVAILABLE)?, name);
    let lists = [(CONNECTORS, connectors), (VENDORS, vendors), (UNAVAILABLE, unavailable)];
    Ok(lists.into_iter().map(|(path, text)| (root.join(path), text)).collect())
}

/// The template with the name in its four forms.
fn fill(template: &str, name: &str) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    template
        .replace("@name@", name)
        .replace("@NAME@", &name.to_ascii_uppercase())
        .replace("@Type@", &name.split('_').map(capitalised).collect::<String>())
        .replace("@host@", &name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_four_forms() {
        assert_eq!(fill("@name@ @NAME@ @Type@ @host@", "pine_labs"), "pine_labs PINE_LABS PineLabs pine-labs");
    }

    #[test]
    fn names_that_the_enum_does_not_have_and_connectors_that_exist_are_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for name in ["made_up", "ZEN", "", "stripe"] {
            assert!(write(&root, name).is_err(), "{name}");
        }
    }
}
