use crate::input::Input;

/// Who may hold a token.
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
            Audience::Client => "client",
            Audience::Server => "server",
        }
    }
}

/// How long a token lives, as documented by the vendor. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The vendor fixes it (or says it in each reply; then this is the typical value).
    Fixed(u32),
    /// The caller may choose with `ttl_seconds` between `min` and `max`; without it, `default` is asked for.
    Settable {
        /// Least that the vendor accepts.
        min: u32,
        /// What is asked for when the caller does not say.
        default: u32,
        /// Most that the vendor accepts.
        max: u32,
    },
    /// Each reply says it, and the vendor documents no typical value.
    InReply,
    /// No expiry at all: valid until it is used.
    UntilUsed,
    /// The vendor publishes none.
    Unpublished,
}

/// When a grant is the one to use although the caller did not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultWhen {
    /// Only when named.
    Never,
    /// Whenever no other default applies.
    Always,
    /// When the caller gave this input.
    Given(&'static str),
}

/// Which scopes a caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// The vendor's call takes none.
    None,
    /// Any that the vendor knows; it decides.
    Any,
    /// Only these.
    OneOf(&'static [&'static str]),
}

/// Whether the vendor's call takes metadata, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// The vendor's call has no such field: nothing is sent.
    None,
    /// Pairs, within the vendor's bounds (counted in characters).
    Pairs {
        /// Most pairs.
        max: usize,
        /// Longest key.
        max_key: usize,
        /// Longest value.
        max_value: usize,
        /// Whether a value may be any JSON, whose text is then counted; else it is sent as text.
        any_json: bool,
    },
}

/// One way in which a connector gives tokens.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The vendor's own term, in snake_case.
    pub name: &'static str,
    /// Who may hold the token.
    pub audience: Audience,
    /// What the holder may do, in one sentence without a full stop.
    pub allows: &'static str,
    /// How long the token lives.
    pub lifetime: Lifetime,
    /// When it is chosen without being named.
    pub default: DefaultWhen,
    /// Keys of `connector_feature_data` that belong to it.
    pub inputs: &'static [Input],
    /// Where the vendor wants one of several sets of inputs: at least one set must be complete.
    pub one_of: &'static [&'static [&'static str]],
    /// Scopes that may be asked for.
    pub scopes: Scopes,
    /// Metadata that is sent along.
    pub metadata: Metadata,
    /// Names of values that come with the token and must stay in the backend. They are handed out only to a caller that asks for
    /// audience `server`, and that answer is then a SERVER one.
    pub server_parameters: &'static [&'static str],
    /// The first call's bearer may serve later calls too (multi-call exchanges whose login token is reusable).
    pub shares_login: bool,
    /// A SERVER token that is good for one purchase or one card: each reference gets its own.
    pub never_shared: bool,
}

impl Grant {
    const BLANK: Grant = Grant {
        name: "",
        audience: Audience::Client,
        allows: "",
        lifetime: Lifetime::Unpublished,
        default: DefaultWhen::Never,
        inputs: &[],
        one_of: &[],
        scopes: Scopes::None,
        metadata: Metadata::None,
        server_parameters: &[],
        shares_login: false,
        never_shared: false,
    };

    /// A grant whose token is safe in a client.
    pub const fn client(name: &'static str, allows: &'static str, lifetime: Lifetime) -> Self {
        Self { name, allows, lifetime, ..Self::BLANK }
    }

    /// A grant whose token has full API access.
    pub const fn server(name: &'static str, allows: &'static str, lifetime: Lifetime) -> Self {
        Self { name, allows, lifetime, audience: Audience::Server, ..Self::BLANK }
    }

    /// Makes it the one to use when the caller names none.
    #[must_use]
    pub const fn by_default(self) -> Self {
        Self { default: DefaultWhen::Always, ..self }
    }

    /// Makes it the one to use when the caller names none but gives this input.
    #[must_use]
    pub const fn by_default_with(self, input: &'static str) -> Self {
        Self { default: DefaultWhen::Given(input), ..self }
    }

    /// The keys of `connector_feature_data` that it takes.
    #[must_use]
    pub const fn inputs(self, inputs: &'static [Input]) -> Self {
        Self { inputs, ..self }
    }

    /// Sets of inputs of which at least one must be complete.
    #[must_use]
    pub const fn one_of(self, one_of: &'static [&'static [&'static str]]) -> Self {
        Self { one_of, ..self }
    }

    /// The scopes that may be asked for.
    #[must_use]
    pub const fn scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// Metadata is sent, within the vendor's bounds.
    #[must_use]
    pub const fn metadata(self, max: usize, max_key: usize, max_value: usize) -> Self {
        Self { metadata: Metadata::Pairs { max, max_key, max_value, any_json: false }, ..self }
    }

    /// Metadata of any JSON is sent as it is, within the vendor's bounds.
    #[must_use]
    pub const fn metadata_json(self, max: usize, max_key: usize, max_value: usize) -> Self {
        Self { metadata: Metadata::Pairs { max, max_key, max_value, any_json: true }, ..self }
    }

    /// Values that come with the token and must stay in the backend.
    #[must_use]
    pub const fn server_parameters(self, server_parameters: &'static [&'static str]) -> Self {
        Self { server_parameters, ..self }
    }

    /// The first call of the exchange yields a bearer that may be shared between exchanges.
    #[must_use]
    pub const fn shares_login(self) -> Self {
        Self { shares_login: true, ..self }
    }

    /// Each reference gets a token of its own, although it is a SERVER one.
    #[must_use]
    pub const fn never_shared(self) -> Self {
        Self { never_shared: true, ..self }
    }

    /// Whether references with equal credentials and inputs get the same token.
    pub fn is_shared(&self) -> bool {
        self.audience == Audience::Server && !self.never_shared
    }

    /// Whether credentials and a reference are all that it needs.
    pub fn credentials_alone(&self) -> bool {
        self.one_of.is_empty() && !self.inputs.iter().any(|input| input.required)
    }
}
