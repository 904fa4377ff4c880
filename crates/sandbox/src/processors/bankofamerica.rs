//! Bank of America: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{ClientStory, Processor};

pub static BANKOFAMERICA: Processor = Processor {
    name: "bankofamerica",
    examples: EXAMPLES,
    clients: &[
        ClientStory {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("bankofamerica", pass),
            forbidden: |pass| cybersource::refund("bankofamerica", pass),
        },
        ClientStory {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("bankofamerica", pass),
            forbidden: |pass| cybersource::refund("bankofamerica", pass),
        },
    ],
    ..PLATFORM
};

pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
