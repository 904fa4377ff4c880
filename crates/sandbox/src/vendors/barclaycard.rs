//! Barclaycard Smartpay Fuse: the platform of CyberSource under another name.
//!
//! It uses the fake of CyberSource.

use super::cybersource::{self, PLATFORM};
use crate::{token_use::TokenUse, vendor::FakeVendor};

pub(super) static BARCLAYCARD: FakeVendor = FakeVendor {
    name: "barclaycard",
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |client| cybersource::tokenize("barclaycard", client),
            forbidden: |client| cybersource::refund("barclaycard", client),
        },
        TokenUse {
            grant: "unified_checkout",
            allowed: |client| cybersource::tokenize("barclaycard", client),
            forbidden: |client| cybersource::refund("barclaycard", client),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |client| cybersource::tokenize("barclaycard", client),
            forbidden: |client| cybersource::refund("barclaycard", client),
        },
    ],
    ..PLATFORM
};
