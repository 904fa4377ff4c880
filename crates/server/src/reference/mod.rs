//! The pages in `docs/reference/`: settings, errors and exit codes, made from the code. Uses
//! `config`, `reload` and `rpc::errors`. Used by `connector_docs`, which writes all pages, by the
//! commands `man` and `config check`, and by the tests.

mod errors;
mod settings;

/// The man page of the configuration file.
pub(crate) fn settings_man_page() -> String {
    settings::man_page()
}

/// The names of settings, with their defaults as TOML.
pub(crate) fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    settings::names_and_defaults()
}

/// The pages, each with its path below `docs/` and its text.
pub(crate) fn pages() -> Vec<(String, String)> {
    vec![("reference/errors.md".into(), errors::page()), ("reference/settings.md".into(), settings::page())]
}
