//! The calls whose answer has the form of a connector's client SDK, and those for the sessions of
//! backends: how their requests become a request to the engine, and tokens become their answers.
//! `rpc` uses this module.
//!
//! `members` reads the four request messages into one form, `grants` says which grant answers a
//! call, `inputs` turns members into the inputs of that grant, `arms` fills the answer.

mod arms;
mod grants;
mod inputs;
mod members;
mod responses;

pub(super) use arms::paypal_client_id;
pub(super) use inputs::map;
pub(super) use members::Members;
pub(super) use responses::{SessionResponse, client, earlier_client, earlier_server, refused, server};
