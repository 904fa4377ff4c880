//! Barclaycard Smartpay Fuse: CyberSource's capture contexts on the bank's own hosts.
//! <https://developer.smartpayfuse.barclaycard>

use super::cybersource::{self, Credentials};
use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page(
    "https://developer.cybersource.com/docs/barclays/en-us/platform/get-started/all/rest/get-started-rest/authentication.html",
);

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
        credentials: &[
            required("api_key").public().found_in("Smartpay Fuse Portal: the key of a REST shared secret key", KEYS),
            required("merchant_account").public(),
            required("api_secret")
                .found_in("Smartpay Fuse Portal: the shared secret of a REST shared secret key", KEYS),
        ],
        grants: cybersource::GRANTS,
    };
}
