//! Names of connectors and grants as arguments: checked where that needs no connector's rules, with
//! a tip for a name that is nearly right, and known to the completions of shells. Used by the commands
//! that take a connector.

use std::{collections::BTreeSet, ffi::OsStr};

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser},
    error::{ContextKind, ContextValue},
};
use connectors::CONNECTORS;
use daypass::{Availability, availability, canonical_id};

/// A connector: the id of one that the enum has, in any spelling.
#[derive(Clone)]
pub(super) struct ConnectorParser;

impl TypedValueParser for ConnectorParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let id = canonical_id(&value.to_string_lossy());
        if !matches!(availability(&id), Availability::Unknown) {
            return Ok(id);
        }
        // The parser of clap makes the error and its tip.
        let ids = CONNECTORS.iter().map(|entry| entry.meta.id);
        PossibleValuesParser::new(ids).parse_ref(command, argument, OsStr::new(&id)).map_err(|mut error| {
            // The whole list would hide the tip.
            error.insert(ContextKind::ValidValue, ContextValue::Strings(Vec::new()));
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(CONNECTORS.iter().map(|entry| PossibleValue::new(entry.meta.id))))
    }
}

/// A grant: any text, as only the connector's own grants count. The completions know the names.
#[derive(Clone)]
pub(super) struct GrantParser;

impl TypedValueParser for GrantParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let grants = CONNECTORS.iter().flat_map(|entry| entry.meta.grants.iter().map(|grant| grant.name));
        Some(Box::new(grants.collect::<BTreeSet<_>>().into_iter().map(PossibleValue::new)))
    }
}
