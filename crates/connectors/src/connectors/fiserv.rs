//! Fiserv: the credentials of Commerce Hub for one card form. Its own credentials have the field
//! names of Fiserv's older APIs.
//! <https://github.com/Fiserv/Commerce-Hub>

use super::fiservcommercehub::{EVIDENCE, HOSTS, MODE_SHOWN, Merchant, security_credentials};
use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::sdk("repository Fiserv/Commerce-Hub, docs/Resources/Guides/Dev-Studio/Key-Management.md");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    merchant_account: String,
    api_secret: Secret,
}

pub(super) struct Fiserv;

impl Connector for Fiserv {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "fiserv",
        name: "Fiserv",
        docs: "https://github.com/Fiserv/Commerce-Hub",
        unconfirmed: &[
            "The names of the credentials' fields.",
            "The member expiresAt of the answer: it is in the vendor's guide and not in its API document.",
        ],
        evidence: EVIDENCE,
        mode_shown: MODE_SHOWN,
        hosts: HOSTS,
        credentials: &[
            required("api_key")
                .public()
                .found_in("Developer Studio > Dashboard > Credentials > Add API Key: API Key", KEYS),
            required("merchant_account").public().found_in(
                "Developer Studio > Dashboard > Credentials > Add API Key: the Merchant ID that is chosen there",
                KEYS,
            ),
            required("api_secret")
                .found_in("Developer Studio > Dashboard > Credentials > Add API Key: API Secret", KEYS),
        ],
        grants: &[security_credentials(security_credentials_step).inputs(&[Input::text("terminal_id").required()])],
    };
}

fn security_credentials_step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let merchant = Merchant {
        api_key: &credentials.api_key,
        secret: &credentials.api_secret,
        merchant_id: &credentials.merchant_account,
        terminal_id: exchange.input.required_text("terminal_id")?,
    };
    merchant.security_credentials(exchange)
}
