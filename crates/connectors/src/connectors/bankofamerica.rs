//! Bank of America: CyberSource's capture contexts on the bank's own hosts.
//! <https://developer.merchant-services.bankofamerica.com>

use super::cybersource::{self, Credentials};
use crate::prelude::*;

pub(super) struct BankOfAmerica;

impl Connector for BankOfAmerica {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "bankofamerica",
        name: "Bank of America",
        docs: "https://developer.merchant-services.bankofamerica.com",
        unconfirmed: &["That the bank's hosts serve /microform/v2/sessions and /flex/v2/sessions."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main(
            "https://api.merchant-services.bankofamerica.com",
            "https://apitest.merchant-services.bankofamerica.com",
        )],
        credentials: cybersource::CREDENTIALS,
        grants: cybersource::GRANTS,
    };
}
