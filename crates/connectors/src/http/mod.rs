//! HTTP as data: a call to a connector and its reply.

pub(crate) mod call;
pub(crate) mod form;
pub(crate) mod reply;
