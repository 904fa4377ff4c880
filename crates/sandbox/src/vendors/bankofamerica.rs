//! Bank of America: the platform of CyberSource under another name.
//!
//! It uses the fake of CyberSource.

use super::cybersource::{self, PLATFORM};
use crate::{token_use::TokenUse, vendor::FakeVendor};

pub(super) static BANKOFAMERICA: FakeVendor = FakeVendor {
    name: "bankofamerica",
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |client| cybersource::tokenize("bankofamerica", client),
            forbidden: |client| cybersource::refund("bankofamerica", client),
        },
        TokenUse {
            grant: "unified_checkout",
            allowed: |client| cybersource::tokenize("bankofamerica", client),
            forbidden: |client| cybersource::refund("bankofamerica", client),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |client| cybersource::tokenize("bankofamerica", client),
            forbidden: |client| cybersource::refund("bankofamerica", client),
        },
    ],
    ..PLATFORM
};
