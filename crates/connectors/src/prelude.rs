//! The names that nearly every connector file needs: each file imports them all from here.

pub(crate) use serde::Deserialize;
pub(crate) use serde_json::{Map, Value, json};

pub(crate) use crate::{
    connector::{Connector, StepFn, client_grant, server_grant},
    crypto, encoding,
    error::{Error, Kind, Refusal, Result},
    evidence::{Evidence, ModeShown, Source},
    exchange::{Exchange, Step},
    expiry::{Expiry, Seconds},
    grant::{Bound, ClientParameter, Grant, Lifetime, MintingEndsEarlier, Scopes},
    http::{call::Call, form::FormBody, reply::Reply},
    input::kind::Input,
    meta::{Host, Meta, Mode, optional, required},
    oauth, pem,
    secret::Secret,
    token::Token,
};
pub(crate) use jiff::Timestamp;
