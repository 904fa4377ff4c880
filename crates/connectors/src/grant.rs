//! The description of a grant: audience, lifetime, inputs, scopes, metadata.

use crate::input::{kind::Input, metadata::Metadata};

/// The holders that a token is safe with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Safe in a browser or an app: limited in what it can do and in how long.
    Client,
    /// Full API access: must never leave the backend.
    Server,
}

impl Audience {
    /// `client` or `server`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// How long a token lives by the vendor's documents, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The connector fixes it. Where each reply states it, this is the typical value.
    Fixed(u32),
    /// The caller may choose with `ttl_seconds` between `min` and `max`, both included.
    Settable {
        /// The least that the connector accepts.
        min: u32,
        /// The lifetime that is requested without `ttl_seconds`.
        default: u32,
        /// The most that the connector accepts.
        max: u32,
    },
    /// Each reply states it, and the vendor documents no typical value.
    InReply,
    /// No expiry: valid until it is used.
    UntilUsed,
    /// The vendor publishes none.
    Unpublished,
}

/// When a grant applies although the caller did not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultWhen {
    /// Only when named.
    Never,
    /// Whenever no other default applies.
    Always,
    /// When the caller gave this input.
    Given(&'static str),
}

/// The scopes that a caller may request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// The connector's call takes none.
    None,
    /// Any: the connector decides.
    Any,
    /// Only these.
    OneOf(&'static [&'static str]),
}

/// One way in which a connector gives tokens.
///
/// `S` is the type of the step function ([`crate::StepFn`]) in the connector's own file and `()`
/// everywhere else: outside of that file a grant is a plain description.
#[derive(Clone, Copy, Debug)]
pub struct Grant<S = ()> {
    /// The vendor's own term, in snake_case.
    pub name: &'static str,
    /// The holders that the token is safe with.
    pub audience: Audience,
    /// The actions that the holder may take, in one sentence without a full stop.
    pub allows: &'static str,
    /// How long the token lives.
    pub lifetime: Lifetime,
    /// When it applies without being named.
    pub default: DefaultWhen,
    /// Keys of `connector_feature_data` that belong to it.
    pub inputs: &'static [Input],
    /// Sets of inputs of which at least one must be complete; empty where there is no such rule.
    pub one_of: &'static [&'static [&'static str]],
    /// Scopes that may be requested.
    pub scopes: Scopes,
    /// Metadata that is sent along.
    pub metadata: Metadata,
    /// Names of values that come with the token and must stay in the backend. They are handed out
    /// only to a caller that asks for audience `server`, and that answer is then a SERVER one.
    pub server_parameters: &'static [&'static str],
    /// A SERVER token that is good for one purchase or one card: each reference gets its own.
    pub never_shared: bool,
    /// The step function, or `()`.
    pub step: S,
}

impl<S: Copy> Grant<S> {
    pub(crate) const fn new(
        name: &'static str,
        audience: Audience,
        allows: &'static str,
        lifetime: Lifetime,
        step: S,
    ) -> Self {
        Self {
            name,
            audience,
            allows,
            lifetime,
            default: DefaultWhen::Never,
            inputs: &[],
            one_of: &[],
            scopes: Scopes::None,
            metadata: Metadata::None,
            server_parameters: &[],
            never_shared: false,
            step,
        }
    }

    /// The grant without its step function.
    pub(crate) const fn description(&self) -> Grant {
        Grant {
            name: self.name,
            audience: self.audience,
            allows: self.allows,
            lifetime: self.lifetime,
            default: self.default,
            inputs: self.inputs,
            one_of: self.one_of,
            scopes: self.scopes,
            metadata: self.metadata,
            server_parameters: self.server_parameters,
            never_shared: self.never_shared,
            step: (),
        }
    }

    /// Makes it the default when the caller names no grant.
    #[must_use]
    pub const fn by_default(self) -> Self {
        Self { default: DefaultWhen::Always, ..self }
    }

    /// Makes it the default when the caller names no grant but gives this input.
    #[must_use]
    pub const fn by_default_with(self, input: &'static str) -> Self {
        Self { default: DefaultWhen::Given(input), ..self }
    }

    /// Sets the keys of `connector_feature_data` that it takes.
    #[must_use]
    pub const fn inputs(self, inputs: &'static [Input]) -> Self {
        Self { inputs, ..self }
    }

    /// Sets the sets of inputs of which at least one must be complete.
    #[must_use]
    pub const fn one_of(self, one_of: &'static [&'static [&'static str]]) -> Self {
        Self { one_of, ..self }
    }

    /// Sets the scopes that may be requested.
    #[must_use]
    pub const fn scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// Makes it send metadata, within the bounds of the vendor's documents (in characters).
    #[must_use]
    pub const fn metadata(self, max: usize, max_key: usize, max_value: usize) -> Self {
        Self { metadata: Metadata::Pairs { max, max_key, max_value, any_json: false }, ..self }
    }

    /// Makes it send metadata of any JSON, within the bounds of the vendor's documents.
    #[must_use]
    pub const fn metadata_json(self, max: usize, max_key: usize, max_value: usize) -> Self {
        Self { metadata: Metadata::Pairs { max, max_key, max_value, any_json: true }, ..self }
    }

    /// Sets the names of values that come with the token and must stay in the backend.
    #[must_use]
    pub const fn server_parameters(self, server_parameters: &'static [&'static str]) -> Self {
        Self { server_parameters, ..self }
    }

    /// Gives each reference a token of its own, although it is a SERVER one.
    #[must_use]
    pub const fn never_shared(self) -> Self {
        Self { never_shared: true, ..self }
    }

    /// Whether references with equal credentials and inputs get the same token.
    pub fn is_shared(&self) -> bool {
        matches!(self.audience, Audience::Server) && !self.never_shared
    }

    /// Whether it needs nothing but credentials and a reference.
    pub fn credentials_alone(&self) -> bool {
        self.one_of.is_empty() && !self.inputs.iter().any(|input| input.required)
    }
}
