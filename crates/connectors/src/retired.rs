//! Grants that earlier versions had, with the reason and what to ask for instead. The request check
//! tells a caller that still asks for one.

/// Connector, grant, and what its caller does now.
const RETIRED: &[(&str, &str, &str)] = &[
    (
        "fiservcommercehub",
        "multi_use_public_key",
        "a public key that every visitor may know is no token; ask for security_credentials",
    ),
    ("shift4", "signed_checkout_request", "it never ended, and was equal for all references; ask for checkout_session"),
    (
        "square",
        "mobile_authorization_code",
        "Square retired the Reader SDK on 2025-12-31; ask for mobile_payments_token",
    ),
];

/// The advice to a caller of a grant that is gone; `None` where there never was one of this name.
pub fn retired(connector: &str, grant: &str) -> Option<&'static str> {
    RETIRED.iter().find(|(of, name, _)| *of == connector && *name == grant).map(|(_, _, instead)| *instead)
}
