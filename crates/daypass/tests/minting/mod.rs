//! The costs of a new token: keys of a caller's retry, tokens that end others, secrets that work
//! once, tokens that are used up, and the operator's limit for their life.

mod client_limit;
mod idempotency;
mod newest_token;
mod one_use;
mod several_ends;
