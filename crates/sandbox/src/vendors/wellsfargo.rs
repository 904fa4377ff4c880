//! Wells Fargo: the platform of CyberSource under another name.
//!
//! It uses the fake of CyberSource.

use super::cybersource::{self, PLATFORM};
use crate::{token_use::TokenUse, vendor::FakeVendor};

pub(super) static WELLSFARGO: FakeVendor = FakeVendor {
    name: "wellsfargo",
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |client| cybersource::tokenize("wellsfargo", client),
            forbidden: |client| cybersource::refund("wellsfargo", client),
        },
        TokenUse {
            grant: "unified_checkout",
            allowed: |client| cybersource::tokenize("wellsfargo", client),
            forbidden: |client| cybersource::refund("wellsfargo", client),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |client| cybersource::tokenize("wellsfargo", client),
            forbidden: |client| cybersource::refund("wellsfargo", client),
        },
    ],
    ..PLATFORM
};
