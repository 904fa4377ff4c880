//! Barclaycard Smartpay Fuse: CyberSource's platform under another name.

use super::cybersource::{self, PLATFORM};
use crate::{ClientStory, Processor};

pub static BARCLAYCARD: Processor = Processor {
    name: "barclaycard",
    clients: &[
        ClientStory {
            grant: "microform_session",
            allowed: |pass| cybersource::tokenize("barclaycard", pass),
            forbidden: |pass| cybersource::refund("barclaycard", pass),
        },
        ClientStory {
            grant: "flex_session",
            allowed: |pass| cybersource::tokenize("barclaycard", pass),
            forbidden: |pass| cybersource::refund("barclaycard", pass),
        },
    ],
    ..PLATFORM
};

#[expect(dead_code, reason = "the list of examples is not read yet")]
pub const EXAMPLES: &[(&str, &str)] =
    &[("microform_session", r#"{"target_origins": ["https://shop.example"]}"#), ("flex_session", "{}")];
