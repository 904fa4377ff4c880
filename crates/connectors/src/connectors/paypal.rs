//! PayPal: client tokens for its browser SDKs, a customer's ID token, setup tokens of its vault,
//! and the app's own access token.
//! <https://developer.paypal.com/api/rest/authentication/>

mod api;
mod scopes;
mod tokens;
mod vault;

use api::{Credentials, PAYPAL_JS};

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.paypal.com/docs/integration/admin/manage-apps/");

pub(super) struct Paypal;

impl Connector for Paypal {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paypal",
        name: "PayPal",
        docs: "https://developer.paypal.com/api/rest/authentication/",
        unconfirmed: &[
            "The encoding of PayPal-Auth-Assertion (standard base64 with padding).",
            "The content of an identity client token besides its lifetime.",
            "The lifetime of a vault setup token (three days); the answer does not carry it.",
        ],
        evidence: &[
            Evidence::new(
                "whole requests of access_token, client_token, id_token and vault_setup_token, recorded",
                Source::sdk("npm package @paypal/paypal-server-sdk 2.5.0"),
                "2026-11",
            ),
            Evidence::new(
                "members and values of the vault's requests and replies",
                Source::schema("types of the npm package @paypal/paypal-server-sdk 2.5.0"),
                "2026-11",
            ),
            Evidence::new("which token the page takes, and its environments", PAYPAL_JS, "2026-11"),
            Evidence::new(
                "scopes of a client token, exchange-currency/read among them",
                Source::third_party("tests of the PayPal plugins for Shopware and of PayPal's sample server"),
                "2026-11",
            ),
            Evidence::new(
                "path and members of identity_client_token",
                Source::page("developer.paypal.com, page Client Auth Tokens"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Client ids and secrets of the sandbox and of live calls have the same form (REST authentication page).",
        ),
        hosts: &[Host::main("https://api-m.paypal.com", "https://api-m.sandbox.paypal.com")],
        credentials: &[
            required("client_id")
                .public()
                .found_in("Developer Dashboard > My Apps & Credentials > the app: client ID", KEYS),
            required("client_secret").found_in("Developer Dashboard > My Apps & Credentials > the app: secret", KEYS),
            optional("payer_id").public().found_in(
                "The seller's dashboard > Account settings > Business Information: PayPal Merchant ID",
                Source::third_party("docs.gr4vy.com, PayPal"),
            ),
        ],
        grants: &[
            tokens::CLIENT_TOKEN,
            tokens::IDENTITY_CLIENT_TOKEN,
            tokens::ID_TOKEN,
            vault::SETUP_TOKEN,
            tokens::ACCESS_TOKEN,
        ],
    };
}
