//! The pages in `docs/reference/`: settings, errors and exit codes, made from the code. Uses
//! `config`, `reload` and `rpc::errors`. Used by `connector_docs`, which writes all pages, by the
//! command `man` and by the tests.

mod errors;
mod settings;

/// The man page of the configuration file.
pub(crate) fn settings_man_page() -> String {
    settings::man_page()
}

/// The pages, each with its path below `docs/` and its text.
pub(crate) fn pages() -> Vec<(String, String)> {
    vec![("reference/errors.md".into(), errors::page()), ("reference/settings.md".into(), settings::page())]
}
