//! Bank of America: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{FakeVendor, TokenUse};

pub static BANKOFAMERICA: FakeVendor = FakeVendor {
    name: "bankofamerica",
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("bankofamerica", pass),
            forbidden: |pass| cybersource::refund("bankofamerica", pass),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("bankofamerica", pass),
            forbidden: |pass| cybersource::refund("bankofamerica", pass),
        },
    ],
    ..PLATFORM
};

pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
