//! Fake payment vendors behind one loopback listener, each under a path prefix: `/<connector>`.
//!
//! A fake is a pure function from a request and a [`VendorState`] to an answer. It is written from
//! the vendor's own documents: it checks what the vendor checks, and refuses in the vendor's words.
//! A fake is one file in `vendors/` and one line in [`VENDORS`]. The executable serves the sandbox,
//! and the tests of the server run against it.
//!
//! Every well-formed credential is accepted. A word inside a credential makes the call fail:
//!
//! | the credential contains | effect |
//! |---|---|
//! | `decline_401`, `decline_403`, `decline_429`, `decline_500`, … | the vendor's failure |
//! | `wrong`, `invalid`, `revoked` | the same as `decline_401` |
//! | `slow` | the answer comes after 60 seconds |
//! | `garbage` | status 200 and a broken body |
//!
//! [`Sandbox::set_fault`] makes all calls to one vendor fail. So does `POST /_sandbox/fault` with
//! `{"connector": "stripe", "fault": "status_503"}`; `null` ends it. `GET /_sandbox/fault` lists
//! the faults:
//!
//! | fault | effect |
//! |---|---|
//! | `status_400` to `status_599` | the vendor's failure of that status |
//! | `slow_500ms` | the right answer, 500 ms later |
//! | `garbage`, `empty` | status 200 and a broken body, or none |
//! | `reset` | the connection is reset |
//! | `hang` | no answer until the caller closes the connection |
//! | `redirect` | a redirect to another host |
//!
//! A failure with status 429 has `Retry-After: 7`.
//!
//! The sandbox's clock is the system's clock plus an offset. [`Sandbox::advance`] and
//! `POST /_sandbox/clock` with `{"advance_seconds": N}` add to the offset. A client that sends the
//! vendor an absolute time must use the same clock. `GET /_sandbox/seen?connector=stripe` lists
//! the last requests: method, path and status, without query, headers and bodies.
//!
//! A request of a page (one with an `Origin`) that has a card number is refused, unless the number is
//! one of [`TEST_CARDS`].

mod dates;
mod fault;
mod graphql;
mod http;
mod oauth;

mod server;
mod signing;
mod state;
mod test_cards;
#[cfg(test)]
mod testing;
mod token_use;
mod vendor;
mod vendor_state;
mod vendors;

pub use fault::{FAULTS, Fault, FaultError};
pub use http::{Answer, Handled, Pairs, Request};
pub use server::{Sandbox, SandboxClock, base_url};
pub use test_cards::TEST_CARDS;
pub use token_use::{ClientCall, ClientToken, REFUSALS, TokenUse, refused};
pub use vendor::FakeVendor;
pub use vendor_state::{Idempotent, Issued, TokenError, VendorState};
pub use vendors::{VENDORS, fake_vendor};
