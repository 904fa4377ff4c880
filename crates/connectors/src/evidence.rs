//! Where the facts of a connector come from. `docs/evidence.md`, the pages and the listing are made
//! from it; grants and `Meta` hold it.

/// A document or a program of the vendor, or of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its kind.
    pub kind: SourceKind,
    /// Its name: a page with its address, a package with its version, a schema with its version.
    pub name: &'static str,
}

/// The kinds of sources, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// An API description that the vendor publishes (OpenAPI, GraphQL, types).
    Schema,
    /// A package or repository of the vendor: server SDK, client SDK, plugin.
    Sdk,
    /// A page of the vendor's documentation.
    Page,
    /// A program of somebody else that calls the vendor.
    ThirdParty,
}

impl SourceKind {
    /// The word in listings.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Sdk => "sdk",
            Self::Page => "page",
            Self::ThirdParty => "third party",
        }
    }
}

impl Source {
    /// An API description that the vendor publishes.
    pub const fn schema(name: &'static str) -> Self {
        Self { kind: SourceKind::Schema, name }
    }

    /// A package or repository of the vendor.
    pub const fn sdk(name: &'static str) -> Self {
        Self { kind: SourceKind::Sdk, name }
    }

    /// A page of the vendor's documentation.
    pub const fn page(name: &'static str) -> Self {
        Self { kind: SourceKind::Page, name }
    }

    /// A program of somebody else that calls the vendor.
    pub const fn third_party(name: &'static str) -> Self {
        Self { kind: SourceKind::ThirdParty, name }
    }
}

/// One line of the evidence for a connector.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The facts that it supports, for example "path, headers and members of the request".
    pub facts: &'static str,
    /// The source.
    pub source: Source,
    /// The month of the last check, as `2026-11`.
    pub checked: &'static str,
}

impl Evidence {
    /// A line of evidence.
    pub const fn new(facts: &'static str, source: Source, checked: &'static str) -> Self {
        Self { facts, source, checked }
    }
}

/// Whether credentials show by their form if they are for test or live calls. The text says how,
/// and by which source; it begins with a capital letter and ends with a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeShown {
    /// They do, and [`crate::Connector::mode`] reads it.
    ByCredentials(&'static str),
    /// They do not.
    No(&'static str),
}

impl ModeShown {
    /// The sentence for the pages.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ByCredentials(text) | Self::No(text) => text,
        }
    }
}
