//! Barclaycard Smartpay Fuse: CyberSource's capture contexts on the bank's own hosts.
//! <https://developer.smartpayfuse.barclaycard>

use super::cybersource::{self, Credentials};
use crate::prelude::*;

pub(super) struct Barclaycard;

impl Connector for Barclaycard {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "barclaycard",
        name: "Barclaycard Smartpay Fuse",
        docs: "https://developer.smartpayfuse.barclaycard",
        unconfirmed: &[
            "That the bank's hosts serve /microform/v2/sessions and /flex/v2/sessions.",
            "That the bank takes the JWT of CyberSource's own hosts, and ends the HTTP signature with them.",
            "Whether calls without message-level encryption are accepted after March 2027.",
        ],
        evidence: cybersource::EVIDENCE,
        mode_shown: cybersource::MODE_SHOWN,
        hosts: &[Host::main("https://api.smartpayfuse.barclaycard", "https://api.smartpayfuse-test.barclaycard")],
        credentials: cybersource::CREDENTIALS,
        grants: cybersource::GRANTS,
    };
}
