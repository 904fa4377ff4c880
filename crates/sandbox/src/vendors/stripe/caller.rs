//! The caller of a request: Stripe tells the kinds of keys apart by their prefixes
//! (<https://docs.stripe.com/keys>).

use super::{
    errors::{refused_key, unauthorized},
    mode::Mode,
};
use crate::{
    http::{Answer, Request},
    vendor_state::{Issued, VendorState},
};

/// The caller, by its key.
pub(super) enum Caller {
    Secret(Mode),
    Public,
    Customer(String),
    Reader,
}

/// The key and its caller.
pub(super) fn caller(request: &Request, state: &mut VendorState) -> Result<(String, Caller), Answer> {
    let basic = || request.basic().filter(|(_, password)| password.is_empty()).map(|(user, _)| user);
    let key = request.bearer().map(str::to_owned).or_else(basic).filter(|key| !key.is_empty());
    let missing = "You did not provide an API key, which belongs into the Authorization header as a Bearer token.";
    let key = key.ok_or_else(|| unauthorized(None, missing))?;
    let starts =
        |prefixes: [&str; 2]| prefixes.iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix));
    let caller = if starts(["sk_test_", "rk_test_"]) {
        Caller::Secret(Mode::Test)
    } else if starts(["sk_live_", "rk_live_"]) {
        Caller::Secret(Mode::Live)
    } else if starts(["pk_test_", "pk_live_"]) {
        Caller::Public
    } else {
        match state.active(&key, &["ephemeral_key", "connection_token"]) {
            Ok(Issued { kind: "ephemeral_key", attributes, .. }) => {
                Caller::Customer(attributes.get("customer").cloned().unwrap_or_default())
            }
            Ok(_) => Caller::Reader,
            Err(reason) => return Err(refused_key(reason, &key)),
        }
    };
    Ok((key, caller))
}
