//! Wells Fargo: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{FakeVendor, TokenUse};

pub static WELLSFARGO: FakeVendor = FakeVendor {
    name: "wellsfargo",
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("wellsfargo", pass),
            forbidden: |pass| cybersource::refund("wellsfargo", pass),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("wellsfargo", pass),
            forbidden: |pass| cybersource::refund("wellsfargo", pass),
        },
    ],
    ..PLATFORM
};

pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
