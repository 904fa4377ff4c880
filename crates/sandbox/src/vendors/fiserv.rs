//! Fiserv: Commerce Hub with the names of Fiserv's older credentials.
//!
//! It uses the fake of Commerce Hub.

use super::fiservcommercehub::{self, API};
use crate::{token_use::TokenUse, vendor::FakeVendor};

pub(super) static FISERV: FakeVendor = FakeVendor {
    name: "fiserv",
    credentials: r#"{"api_key": "sandbox_api_key", "merchant_account": "100000000000001", "api_secret": "sandbox_fiserv_secret"}"#,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "security_credentials",
        allowed: |client| fiservcommercehub::capture("fiserv", client),
        forbidden: |client| fiservcommercehub::refund("fiserv", client),
    }],
    ..API
};

const EXAMPLES: &[(&str, &str)] = &[("security_credentials", r#"{"terminal_id": "10000001"}"#)];
