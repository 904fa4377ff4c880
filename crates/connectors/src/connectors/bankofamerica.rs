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
        unconfirmed: &[
            "That the bank's hosts serve /microform/v2/sessions, /flex/v2/sessions and /uc/v1/sessions.",
            "That the bank takes the JWT of CyberSource's own hosts, and ends the HTTP signature with them.",
            "Whether calls without message-level encryption are accepted after March 2027.",
        ],
        evidence: cybersource::EVIDENCE,
        mode_shown: cybersource::MODE_SHOWN,
        hosts: &[Host::main(
            "https://api.merchant-services.bankofamerica.com",
            "https://apitest.merchant-services.bankofamerica.com",
        )],
        credentials: cybersource::CREDENTIALS,
        grants: cybersource::GRANTS,
    };
}
