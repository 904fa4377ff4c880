//! Stripe: narrow secrets for Stripe.js, the mobile SDKs, card readers and Connect's components. A
//! file of `stripe/` has the grants of one kind.
//! <https://docs.stripe.com/api>

mod accounts;
mod api;
mod checkout;
mod customers;
mod intents;
mod shared_payment;
mod terminal;

use api::{Credentials, NODE_TYPES, STRIPE_JS};

use crate::prelude::*;

pub(super) struct Stripe;

impl Connector for Stripe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "stripe",
        name: "Stripe",
        docs: "https://docs.stripe.com/api",
        unconfirmed: &[
            "The lifetime of a Customer Session (about 30 minutes); each answer carries its own.",
            "Organization keys (sk_org_…) need a Stripe-Context header, so they are refused.",
            "The preview version of shared_payment_issued_token: the vendor's pages and its beta package name it, no \
             stable package does.",
        ],
        evidence: &[
            Evidence::new("paths, members of requests and replies, versions of each parameter", NODE_TYPES, "2026-11"),
            Evidence::new(
                "whole requests of eight grants, recorded",
                Source::sdk("npm package stripe 23.1.0"),
                "2026-11",
            ),
            Evidence::new(
                "bounds of the members",
                Source::schema("Stripe's OpenAPI document of 2023-08-16"),
                "2026-11",
            ),
            Evidence::new("which client secret the page takes, and where", STRIPE_JS, "2026-11"),
            Evidence::new(
                "shared_payment_issued_token",
                Source::page("https://docs.stripe.com/api/shared-payment/issued-token/create"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Keys begin with sk_test_ or rk_test_, sk_live_ or rk_live_ (https://docs.stripe.com/keys).",
        ),
        hosts: &[Host::main("https://api.stripe.com", "https://api.stripe.com")],
        credentials: &[required("api_key").key_prefixes(&["sk_", "rk_"]).found_in(
            "Dashboard > Developers > API keys: secret key, or restricted key",
            Source::page("https://docs.stripe.com/keys"),
        )],
        grants: &[
            checkout::SETUP,
            customers::EPHEMERAL_KEY,
            customers::CUSTOMER_SESSION,
            accounts::ACCOUNT_SESSION,
            intents::SETUP_INTENT,
            terminal::CONNECTION_TOKEN,
            intents::PAYMENT_INTENT,
            shared_payment::ISSUED_TOKEN,
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let key = credentials.api_key.expose();
        Mode::of_key(key, &["sk_test_", "rk_test_", "pk_test_"], &["sk_live_", "rk_live_", "pk_live_"])
    }
}
