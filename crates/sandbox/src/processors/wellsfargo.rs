//! Wells Fargo: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{ClientStory, Processor};

pub static WELLSFARGO: Processor = Processor {
    name: "wellsfargo",
    examples: EXAMPLES,
    clients: &[
        ClientStory {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("wellsfargo", pass),
            forbidden: |pass| cybersource::refund("wellsfargo", pass),
        },
        ClientStory {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("wellsfargo", pass),
            forbidden: |pass| cybersource::refund("wellsfargo", pass),
        },
    ],
    ..PLATFORM
};

pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
