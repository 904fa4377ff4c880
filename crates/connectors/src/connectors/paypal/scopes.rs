//! The scopes that a client token may have. A server token comes in the same form, so the scopes
//! alone show the difference.

use crate::prelude::*;

/// Where PayPal's scopes begin.
const SERVICES: &str = "https://uri.paypal.com/";

/// The scopes of an app's own access token, by the sample answer of PayPal's REST authentication
/// page: each stands for calls of the merchant's server. A scope below one of these counts too.
const SERVER_SCOPES: &[&str] = &[
    "https://api.paypal.com/",
    "https://uri.paypal.com/payments/payouts",
    "https://uri.paypal.com/services/applications/webhooks",
    "https://uri.paypal.com/services/billing-agreements",
    "https://uri.paypal.com/services/disputes",
    "https://uri.paypal.com/services/invoicing",
    "https://uri.paypal.com/services/payments/payment/authcapture",
    "https://uri.paypal.com/services/payments/realtimepayment",
    "https://uri.paypal.com/services/payments/refund",
    "https://uri.paypal.com/services/reporting",
    "https://uri.paypal.com/services/shipping",
    "https://uri.paypal.com/services/subscriptions",
    "https://uri.paypal.com/services/vault",
    "Braintree:Vault",
];

/// Checks that these are the scopes of a client token: at least one names a client-side service,
/// and none stands for calls of a server. Others are let through, as PayPal adds some that only
/// read (`…/services/pricing/exchange-currency/read`).
///
/// # Errors
/// [`Kind::BadReply`] that says which scope is a server's.
pub(super) fn check(scope: Option<&str>) -> Result<()> {
    let scopes: Vec<&str> = scope.unwrap_or_default().split_whitespace().collect();
    if let Some(server) = SERVER_SCOPES.iter().find(|server| scopes.iter().any(|scope| is_below(scope, server))) {
        return Err(Error::bad_reply(format!("PayPal granted more than a browser may hold: {server}")));
    }
    if scopes.iter().any(|scope| is_client_side(scope)) {
        return Ok(());
    }
    Err(Error::bad_reply("PayPal's answer names no client-side service, as a client token's scopes do"))
}

fn is_below(scope: &str, parent: &str) -> bool {
    scope.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || parent.ends_with('/'))
}

/// `…/orders/client_sdk_orders_api`, `…/client-payments-eligibility`.
fn is_client_side(scope: &str) -> bool {
    scope
        .strip_prefix(SERVICES)
        .and_then(|path| path.rsplit('/').next())
        .is_some_and(|service| service.starts_with("client_") || service.starts_with("client-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_judged_by_what_they_allow() {
        const ORDERS: &str = "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api";
        for (more, allowed) in [
            ("", true),
            ("https://uri.paypal.com/services/payments/client-payments-eligibility", true),
            ("https://uri.paypal.com/services/pricing/exchange-currency/read", true),
            ("openid", true),
            ("https://uri.paypal.com/services/payments/refund", false),
            ("https://uri.paypal.com/services/vault/payment-tokens/read", false),
            ("https://api.paypal.com/v1/payments/.*", false),
            ("https://uri.paypal.com/services/payments/refunds-policy/read", true),
            ("Braintree:Vault", false),
            // Any blank divides scopes.
            ("openid\u{a0}https://uri.paypal.com/services/payments/refund", false),
        ] {
            assert_eq!(check(Some(&format!("{ORDERS} {more}"))).is_ok(), allowed, "{more}");
        }
        for scope in [None, Some(""), Some("openid"), Some("https://uri.paypal.com/services/payments/client_x/refund")]
        {
            assert!(check(scope).is_err(), "{scope:?}");
        }
    }
}
