//! The description of a grant: audience, lifetime, inputs, scopes, metadata.

use crate::{
    evidence::Source,
    input::{kind::Input, metadata::Metadata},
};

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

/// A limit of what the holder of a CLIENT token can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The amount and the currency are fixed.
    Amount,
    /// One customer, shopper or cardholder.
    Customer,
    /// Pages of named origins.
    Origin,
    /// One object at the connector: an order, an intent, a session, a device.
    Object,
    /// It is used up by its first use.
    SingleUse,
}

impl Bound {
    /// The word in listings.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Customer => "customer",
            Self::Origin => "origin",
            Self::Object => "object",
            Self::SingleUse => "single use",
        }
    }
}

/// A value that comes with a CLIENT token and goes to the client with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientParameter {
    /// Its key in `client_parameters`.
    pub name: &'static str,
    /// Its meaning, in one sentence without a full stop.
    pub meaning: &'static str,
    /// Where the vendor's client SDK or page takes it, for example
    /// `AdyenCheckout({ environment })`.
    pub taken_by: &'static str,
    /// Whether it is a document of several lines, such as a page. All other values have no control
    /// characters.
    pub document: bool,
}

impl ClientParameter {
    /// A value with its meaning and the place that takes it.
    pub const fn new(name: &'static str, meaning: &'static str, taken_by: &'static str) -> Self {
        Self { name, meaning, taken_by, document: false }
    }

    /// A document of several lines.
    #[must_use]
    pub const fn document(self) -> Self {
        Self { document: true, ..self }
    }
}

/// Whether a new token ends the one before it. Each case names its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintingEndsEarlier {
    /// Earlier tokens live on.
    No(&'static str),
    /// The earlier token of the same credentials (and secret inputs) ends.
    Yes(&'static str),
    /// No document that was found says it.
    Unknown,
}

impl MintingEndsEarlier {
    /// `yes`, `no` or `unknown`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::No(_) => "no",
            Self::Yes(_) => "yes",
            Self::Unknown => "unknown",
        }
    }

    /// The source, where there is one.
    pub const fn source(self) -> Option<&'static str> {
        match self {
            Self::No(source) | Self::Yes(source) => Some(source),
            Self::Unknown => None,
        }
    }
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
    /// The worst that a hostile holder can do, in one line without a full stop. CLIENT grants only.
    pub worst_case: &'static str,
    /// The limits of the token; empty where it has none. CLIENT grants only.
    pub bound_to: &'static [Bound],
    /// Where the vendor says that this value goes to a client; `None` where no such word was found.
    pub client_source: Option<Source>,
    /// The keys that `client_parameters` can have, each with its meaning.
    pub client_parameters: &'static [ClientParameter],
    /// Domains, besides those of the connector's hosts, that URLs for clients may lead to. `None`: no
    /// document that was found names them, so they may lead to any host.
    pub url_domains: Option<&'static [&'static str]>,
    /// The token begins as full-power keys do, although it has less power: its scopes tell, and its
    /// beginning does not.
    pub begins_as_keys: bool,
    /// Whether a new token ends the one before it.
    pub minting_ends_earlier: MintingEndsEarlier,
    /// The token is used up by its first use, and the vendor wants a new one for each: a repeated
    /// reference makes a new token.
    pub single_use: bool,
    /// The secret input that the exchange uses up: an authorization code, or a refresh token that
    /// works once (RFC 6749 section 4.1.2). The exchange is never repeated by the service itself.
    pub spends: Option<&'static str>,
    /// A limit of the lifetime that its value does not show, in one sentence without a full stop.
    pub lifetime_note: Option<&'static str>,
    /// The step function, or `()`.
    pub step: S,
}

impl<S: Copy> Grant<S> {
    /// A grant with these facts and nothing else.
    pub const fn new(
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
            worst_case: "",
            bound_to: &[],
            client_source: None,
            client_parameters: &[],
            url_domains: Some(&[]),
            begins_as_keys: false,
            minting_ends_earlier: MintingEndsEarlier::Unknown,
            single_use: false,
            spends: None,
            lifetime_note: None,
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
            worst_case: self.worst_case,
            bound_to: self.bound_to,
            client_source: self.client_source,
            client_parameters: self.client_parameters,
            url_domains: self.url_domains,
            begins_as_keys: self.begins_as_keys,
            minting_ends_earlier: self.minting_ends_earlier,
            single_use: self.single_use,
            spends: self.spends,
            lifetime_note: self.lifetime_note,
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

    /// Says the worst that a hostile holder can do, and the limits that hold for it.
    #[must_use]
    pub const fn worst_case(self, worst_case: &'static str, bound_to: &'static [Bound]) -> Self {
        Self { worst_case, bound_to, ..self }
    }

    /// Names the place where the vendor says that this value goes to a client.
    #[must_use]
    pub const fn client_source(self, source: Source) -> Self {
        Self { client_source: Some(source), ..self }
    }

    /// Sets the keys that `client_parameters` can have.
    #[must_use]
    pub const fn client_parameters(self, client_parameters: &'static [ClientParameter]) -> Self {
        Self { client_parameters, ..self }
    }

    /// Names the domains of the vendor's pages and libraries, where they are not those of its API.
    #[must_use]
    pub const fn url_domains(self, url_domains: &'static [&'static str]) -> Self {
        Self { url_domains: Some(url_domains), ..self }
    }

    /// Says that its tokens begin as full-power keys do.
    #[must_use]
    pub const fn begins_as_keys(self) -> Self {
        Self { begins_as_keys: true, ..self }
    }

    /// Says that no document names the domains of the vendor's pages and libraries.
    #[must_use]
    pub const fn url_domains_unknown(self) -> Self {
        Self { url_domains: None, ..self }
    }

    /// Says whether a new token ends the one before it.
    #[must_use]
    pub const fn minting_ends_earlier(self, minting_ends_earlier: MintingEndsEarlier) -> Self {
        Self { minting_ends_earlier, ..self }
    }

    /// Makes a repeated reference get a new token, as the first use ends it.
    #[must_use]
    pub const fn single_use(self) -> Self {
        Self { single_use: true, ..self }
    }

    /// Names the secret input that the exchange uses up.
    #[must_use]
    pub const fn spends(self, input: &'static str) -> Self {
        Self { spends: Some(input), ..self }
    }

    /// Says what the lifetime does not say.
    #[must_use]
    pub const fn lifetime_note(self, note: &'static str) -> Self {
        Self { lifetime_note: Some(note), ..self }
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
