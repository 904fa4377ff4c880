//! Stripe's two modes; the secret key decides between them.

/// The mode of a call and of the objects that it creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Test,
    Live,
}

impl Mode {
    /// The mode as ids and keys contain it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// The value of `livemode`.
    pub(super) fn is_live(self) -> bool {
        self == Self::Live
    }
}
