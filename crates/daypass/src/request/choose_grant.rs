//! The choice of the grant. A CLIENT request never gets a grant with full API access. The request
//! check uses it.

use connectors::{Audience, DefaultWhen, Error, FieldViolation, Grant, Kind, Meta, Result, retired};

/// The grant of a request: the named one, else the default of the audience.
///
/// `given` says whether the caller or the operator gave an input of this name.
pub(crate) fn choose_grant(
    meta: &'static Meta,
    name: Option<&str>,
    audience: Option<Audience>,
    given: impl Fn(&str) -> bool,
) -> Result<&'static Grant> {
    let audience = audience.unwrap_or(Audience::Client);
    match name {
        Some(name) => named(meta, name, audience),
        None => default(meta, audience, given),
    }
}

fn named(meta: &'static Meta, name: &str, audience: Audience) -> Result<&'static Grant> {
    let Some(grant) = meta.grants.iter().find(|grant| grant.name == name) else {
        let known: Vec<&str> = meta.grants.iter().map(|grant| grant.name).collect();
        let known = format!("{} has {}", meta.name, known.join(", "));
        let words = match retired(meta.id, name) {
            Some(instead) => format!("this grant is gone: {instead}; {known}"),
            None => known,
        };
        return Err(Error::invalid_input("grant", words));
    };
    match (grant.audience, audience) {
        (Audience::Server, Audience::Client) => Err(server_token_not_asked_for(meta, grant.name)),
        (Audience::Client, Audience::Server) if grant.server_parameters.is_empty() => Err(Error::invalid_input(
            "audience",
            format!(
                "{name} gives CLIENT tokens; leave out the audience, or choose among: {}",
                names(meta, Audience::Server)
            ),
        )),
        _ => Ok(grant),
    }
}

fn default(meta: &'static Meta, audience: Audience, given: impl Fn(&str) -> bool) -> Result<&'static Grant> {
    let own = || meta.grants.iter().filter(|grant| grant.audience == audience);
    let chosen = own()
        .find(|grant| matches!(grant.default, DefaultWhen::Given(input) if given(input)))
        .or_else(|| own().find(|grant| grant.default == DefaultWhen::Always));
    match (chosen, audience) {
        (Some(grant), _) => Ok(grant),
        // A full-access grant goes before a CLIENT grant that only adds values for the server.
        (None, Audience::Server) => own()
            .chain(meta.grants.iter().filter(|grant| !grant.server_parameters.is_empty()))
            .next()
            .ok_or_else(|| {
                Error::new(
                    Kind::UnsupportedGrant,
                    format!("{} gives no SERVER tokens; it gives: {}", meta.name, names(meta, Audience::Client)),
                )
            }),
        (None, Audience::Client) if own().next().is_none() => {
            Err(server_token_not_asked_for(meta, &names(meta, Audience::Server)))
        }
        (None, Audience::Client) => Err(no_default(meta)),
    }
}

fn names(meta: &Meta, audience: Audience) -> String {
    let names: Vec<&str> =
        meta.grants.iter().filter(|grant| grant.audience == audience).map(|grant| grant.name).collect();
    names.join(", ")
}

fn no_default(meta: &Meta) -> Error {
    let names = names(meta, Audience::Client);
    let message = format!("{} has no default for what was given; name one of: {names}", meta.name);
    Error {
        fields: vec![FieldViolation {
            field: "connector_feature_data.grant".into(),
            description: format!("one of {names}"),
        }],
        ..Error::new(Kind::MissingInput, message)
    }
}

fn server_token_not_asked_for(meta: &Meta, grants: &str) -> Error {
    Error::new(
        Kind::ServerTokenNotAskedFor,
        format!(
            "{}'s {grants} gives full API access, which must never reach a client; a backend that wants it asks with \
             connector_feature_data {{\"audience\": \"server\"}}",
            meta.name
        ),
    )
}
