//! Barclaycard Smartpay Fuse: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{FakeVendor, TokenUse};

pub static BARCLAYCARD: FakeVendor = FakeVendor {
    name: "barclaycard",
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("barclaycard", pass),
            forbidden: |pass| cybersource::refund("barclaycard", pass),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("barclaycard", pass),
            forbidden: |pass| cybersource::refund("barclaycard", pass),
        },
    ],
    ..PLATFORM
};

pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
