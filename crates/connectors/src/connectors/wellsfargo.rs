//! Wells Fargo: CyberSource's capture contexts on CyberSource's own hosts.
//! <https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html>

use super::cybersource::{self, Credentials};
use crate::prelude::*;

pub(super) struct WellsFargo;

impl Connector for WellsFargo {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "wellsfargo",
        name: "Wells Fargo",
        docs: "https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html",
        unconfirmed: &[
            "That the bank's merchants are served by CyberSource's own hosts.",
            "That Unified Checkout is enabled for the bank's merchants.",
            "Whether calls without message-level encryption are accepted after March 2027.",
        ],
        evidence: cybersource::EVIDENCE,
        mode_shown: cybersource::MODE_SHOWN,
        hosts: &[Host::main("https://api.cybersource.com", "https://apitest.cybersource.com")],
        credentials: cybersource::CREDENTIALS,
        grants: cybersource::GRANTS,
    };
}
