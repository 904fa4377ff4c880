use connectors::{
    Audience, BoundConnector, DefaultWhen, Error, FieldViolation, Grant, InputKind, Inputs, Kind, Meta, Mode,
    Registration, Result,
};
use serde_json::{Map, Value};

use crate::{BaseUrls, RawCredentials, Settings};

/// Longest JSON text that is read from a field of the request, in bytes.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// One call as it came in, before anything of it is believed.
pub struct IncomingRequest<'a> {
    /// The caller's reference.
    pub reference: &'a str,
    /// The connector that the body names.
    pub connector: Option<&'a str>,
    /// The connector that the header names.
    pub header_connector: Option<&'a str>,
    /// The credentials, if there were any; or why they could not be read.
    pub credentials: Result<Option<RawCredentials>>,
    /// `metadata`, JSON.
    pub metadata: Option<&'a str>,
    /// `connector_feature_data`, JSON.
    pub feature_data: Option<&'a str>,
    /// `test_mode`.
    pub test_mode: Option<bool>,
    /// Whether the path itself asks for a SERVER token.
    pub server_token: bool,
    /// Whether a new SERVER token is wanted even where one could be shared.
    pub fresh: bool,
}

/// Whether a connector of the enum gives tokens.
pub enum Availability {
    /// It does.
    Available(&'static Registration),
    /// It does not, for this reason.
    Unavailable(&'static str),
    /// There is no such connector.
    Unknown,
}

/// Looks a connector up by its canonical id.
pub fn availability(id: &str) -> Availability {
    match (connectors::find(id), connectors::why_not(id)) {
        (Some(entry), _) => Availability::Available(entry),
        (None, Some(why)) => Availability::Unavailable(why),
        (None, None) => Availability::Unknown,
    }
}

/// A connector's name as the enum has it, in lower case. Credentials may name it in camel case (`PinelabsOnline`).
pub fn canonical_id(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    if matches!(availability(&name), Availability::Unknown) {
        let bare = |id: &str| id.replace('_', "");
        let known = connectors::CONNECTORS.iter().map(|entry| entry.meta.id);
        let all = known.chain(connectors::UNAVAILABLE.iter().map(|(id, _)| *id));
        if let Some(id) = all.into_iter().find(|id| bare(id) == bare(&name)) {
            return id.to_owned();
        }
    }
    name
}

/// A request that has been held against everything it can be held against without asking the vendor.
pub struct TokenRequest {
    /// The caller's reference.
    pub reference: String,
    /// What is known about the connector.
    pub meta: &'static Meta,
    /// The connector with the credentials in hand.
    pub bound: Box<dyn BoundConnector>,
    /// The credentials as they came, for scrubbing and for telling one from another.
    pub credentials: RawCredentials,
    /// The grant.
    pub grant: &'static Grant,
    /// Who will hold the token: the grant's audience, or SERVER where the caller asked for what must stay in the backend.
    pub audience: Audience,
    /// Test or live.
    pub mode: Mode,
    /// The inputs, checked.
    pub inputs: Inputs,
    /// Where calls go.
    pub bases: BaseUrls,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenRequest({} {} {:?})", self.meta.id, self.grant.name, self.mode)
    }
}

impl TokenRequest {
    /// Checks a request to its connector, to the last input. What is wrong here never reaches a vendor.
    ///
    /// # Errors
    /// The caller's mistake, with the fields at fault, or the operator's policy.
    pub fn check(request: IncomingRequest<'_>, entry: &'static Registration, settings: &Settings) -> Result<Self> {
        check_reference(request.reference)?;
        let id = entry.meta.id;
        if let Some(why) = settings.policy.denies(id, Audience::Client) {
            return Err(Error::new(Kind::PolicyDenied, why));
        }
        let credentials = request.credentials?.ok_or_else(|| {
            Error::new(
                Kind::InvalidCredentials,
                "no credentials: send them as request metadata, x-connector-auth: {\"<Connector>\": {…}}",
            )
        })?;
        let bound = entry.bind(credentials.fields())?;
        let mode = mode(bound.mode(), request.test_mode, entry.meta)?;

        let settings_of_connector = settings.connector(id);
        let wishes = Wishes::read(request.feature_data, request.server_token)?;
        let mut values = wishes.inputs;
        let defaults = settings_of_connector.map(|settings| &settings.defaults);
        let given =
            |name: &str| values.contains_key(name) || defaults.is_some_and(|defaults| defaults.contains_key(name));
        let grant = grant(entry.meta, wishes.grant.as_deref(), wishes.audience, given)?;
        let audience = wishes.audience.unwrap_or(grant.audience);
        if let Some(why) = settings.policy.denies(id, audience) {
            return Err(Error::new(Kind::PolicyDenied, why));
        }
        for (name, value) in defaults.into_iter().flatten() {
            if grant.inputs.iter().any(|input| input.name == name) && !values.contains_key(name) {
                values.insert(name.clone(), value.clone());
            }
        }
        let metadata = read_object(request.metadata, "metadata")?;
        let inputs = Inputs::check(grant, values, wishes.scopes, wishes.ttl_seconds, &metadata)?;
        let bases = BaseUrls::of(entry.meta, settings_of_connector)
            .map_err(|_| Error::new(Kind::Internal, "the connector's configured hosts are not valid"))?;
        Ok(Self {
            reference: request.reference.into(),
            meta: entry.meta,
            bound,
            credentials,
            grant,
            audience,
            mode,
            inputs,
            bases,
        })
    }
}

impl TokenRequest {
    /// The credentials and secret inputs, each as it is.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.credentials.values().chain(self.secret_inputs())
    }

    /// The credentials that are not public, and the secret inputs: what no answer may contain.
    pub(crate) fn private_values(&self) -> impl Iterator<Item = &str> {
        self.credentials.values_of(|name| !self.meta.is_public(name)).chain(self.secret_inputs())
    }

    /// The credentials that are ids and no secrets.
    pub(crate) fn public_values(&self) -> impl Iterator<Item = &str> {
        self.credentials.values_of(|name| self.meta.is_public(name))
    }

    fn secret_inputs(&self) -> impl Iterator<Item = &str> {
        let inputs = self.grant.inputs.iter().filter(|input| input.kind == InputKind::Secret);
        inputs.filter_map(|input| self.inputs.text(input.name))
    }

    /// A text of ours for the operator's eyes, with every secret taken out, also where it is encoded for a form or JSON.
    pub fn redacted(&self, text: &str) -> String {
        redacted(text, self.secrets())
    }
}

fn redacted<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut written: Vec<String> = secrets
        .filter(|secret| !secret.is_empty())
        .flat_map(|secret| {
            let form = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let json = Value::from(secret).to_string();
            let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
            [secret.to_owned(), form, json.to_owned()]
        })
        .collect();
    // The longest first: one may be the beginning of another, whose rest would stay.
    written.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    written.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[REDACTED]"))
}

fn check_reference(reference: &str) -> Result<()> {
    let length = reference.chars().count();
    if (1..=255).contains(&length) && !reference.chars().any(char::is_control) && !reference.trim().is_empty() {
        return Ok(());
    }
    Err(Error::invalid("merchant_access_token_id", "must be 1 to 255 visible characters, unique to the token"))
}

/// The one connector that header, body and credentials agree on.
///
/// # Errors
/// Where none is named, several are, or the one that is gives no tokens.
pub(crate) fn connector(request: &IncomingRequest<'_>) -> Result<&'static Registration> {
    let named = [
        ("connector", request.connector),
        ("x-connector", request.header_connector),
        ("x-connector-auth", request.credentials.as_ref().ok().and_then(Option::as_ref).map(|c| c.connector.as_str())),
    ];
    let mut names = named.iter().filter_map(|(field, name)| name.map(|name| (*field, canonical_id(name))));
    let Some((first_field, id)) = names.next() else {
        return Err(Error::invalid("connector", "name one in the body or in the x-connector header"));
    };
    let entry = match availability(&id) {
        Availability::Available(entry) => entry,
        Availability::Unavailable(why) => {
            return Err(Error::new(
                Kind::UnsupportedGrant,
                format!("{id} gives no tokens: {why}; `daypass connectors` lists those that do"),
            ));
        }
        Availability::Unknown => {
            return Err(Error {
                fields: vec![FieldViolation {
                    field: first_field.into(),
                    description: "no such connector; `daypass connectors` lists them".into(),
                }],
                ..Error::new(Kind::UnknownConnector, format!("{first_field} names no connector that is known"))
            });
        }
    };
    for (field, other) in names {
        if other != id {
            let description = format!("{first_field} and {field} name different connectors; they must agree");
            return Err(Error::invalid(field, description));
        }
    }
    Ok(entry)
}

fn mode(shape: Option<Mode>, test_mode: Option<bool>, meta: &Meta) -> Result<Mode> {
    let asked = test_mode.map(|test| if test { Mode::Test } else { Mode::Live });
    match (shape, asked) {
        (Some(shape), Some(asked)) if shape != asked => Err(Error::invalid(
            "test_mode",
            format!(
                "{} mode is asked for, but these are {} credentials of {}; nothing was sent",
                asked.label(),
                shape.label(),
                meta.name
            ),
        )),
        (Some(mode), _) | (None, Some(mode)) => Ok(mode),
        (None, None) => Ok(Mode::Live),
    }
}

/// The keys of `connector_feature_data` that are common to all grants, and the rest.
struct Wishes {
    grant: Option<String>,
    audience: Option<Audience>,
    ttl_seconds: Option<i64>,
    scopes: Vec<String>,
    inputs: Map<String, Value>,
}

impl Wishes {
    fn read(feature_data: Option<&str>, server_token: bool) -> Result<Self> {
        let mut inputs = read_object(feature_data, "connector_feature_data")?;
        let grant = match inputs.remove("grant") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Error::invalid_input("grant", "must be a text")),
        };
        let audience = match inputs.remove("audience") {
            None => None,
            Some(Value::String(name)) if name == "client" => Some(Audience::Client),
            Some(Value::String(name)) if name == "server" => Some(Audience::Server),
            Some(_) => return Err(Error::invalid_input("audience", "must be \"client\" or \"server\"")),
        };
        let audience = match (audience, server_token) {
            (Some(Audience::Client), true) => {
                return Err(Error::invalid_input(
                    "audience",
                    "this method makes SERVER tokens; call CreateAccessToken",
                ));
            }
            (_, true) => Some(Audience::Server),
            (audience, false) => audience,
        };
        let ttl_seconds = match inputs.remove("ttl_seconds") {
            None => None,
            Some(value) => {
                let seconds = value.as_i64();
                Some(seconds.ok_or_else(|| Error::invalid_input("ttl_seconds", "must be a whole number of seconds"))?)
            }
        };
        let scopes = match inputs.remove("scopes") {
            None => Vec::new(),
            Some(Value::Array(items)) if items.len() <= 100 => items
                .into_iter()
                .map(|item| item.as_str().map(ToOwned::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| Error::invalid_input("scopes", "must be a list of texts"))?,
            Some(_) => return Err(Error::invalid_input("scopes", "must be a list of texts")),
        };
        Ok(Self { grant, audience, ttl_seconds, scopes, inputs })
    }
}

/// The grant that is meant: the named one, else the default for the audience. Never one with more power than asked for.
fn grant(
    meta: &'static Meta,
    name: Option<&str>,
    audience: Option<Audience>,
    given: impl Fn(&str) -> bool,
) -> Result<&'static Grant> {
    let wanted = audience.unwrap_or(Audience::Client);
    let names = |audience: Audience| {
        let names: Vec<&str> =
            meta.grants.iter().filter(|grant| grant.audience == audience).map(|grant| grant.name).collect();
        names.join(", ")
    };
    if let Some(name) = name {
        let Some(grant) = meta.grants.iter().find(|grant| grant.name == name) else {
            let known: Vec<&str> = meta.grants.iter().map(|grant| grant.name).collect();
            return Err(Error::invalid_input("grant", format!("{} has {}", meta.name, known.join(", "))));
        };
        return match (grant.audience, wanted) {
            (Audience::Server, Audience::Client) => Err(server_token_not_asked_for(meta, grant.name)),
            (Audience::Client, Audience::Server) if grant.server_parameters.is_empty() => Err(Error::invalid_input(
                "audience",
                format!(
                    "{name} gives CLIENT tokens; leave out the audience, or choose among: {}",
                    names(Audience::Server)
                ),
            )),
            _ => Ok(grant),
        };
    }
    let serves =
        |grant: &Grant| grant.audience == wanted || wanted == Audience::Server && !grant.server_parameters.is_empty();
    let of_audience = || meta.grants.iter().filter(|grant| serves(grant));
    // A full-access grant goes before one that only brings values for the server.
    let own = || of_audience().filter(|grant| grant.audience == wanted);
    let fitting = own()
        .find(|grant| matches!(grant.default, DefaultWhen::Given(input) if given(input)))
        .or_else(|| own().find(|grant| grant.default == DefaultWhen::Always));
    match (fitting, wanted) {
        (Some(grant), _) => Ok(grant),
        (None, Audience::Server) => {
            of_audience().find(|grant| grant.audience == wanted).or_else(|| of_audience().next()).ok_or_else(|| {
                Error::new(
                    Kind::UnsupportedGrant,
                    format!("{} gives no SERVER tokens; it gives: {}", meta.name, names(Audience::Client)),
                )
            })
        }
        (None, Audience::Client) => match of_audience().next() {
            None => Err(server_token_not_asked_for(meta, &names(Audience::Server))),
            Some(_) => {
                let names = names(Audience::Client);
                let message = format!("{} has no default for what was given; name one of: {names}", meta.name);
                Err(Error {
                    fields: vec![FieldViolation {
                        field: "connector_feature_data.grant".into(),
                        description: format!("one of {names}"),
                    }],
                    ..Error::new(Kind::MissingInput, message)
                })
            }
        },
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

fn read_object(json: Option<&str>, field: &'static str) -> Result<Map<String, Value>> {
    let Some(json) = json.filter(|json| !json.is_empty()) else { return Ok(Map::new()) };
    if json.len() > MAX_JSON_BYTES {
        return Err(Error::invalid(field, "may be at most 64 KiB long"));
    }
    serde_json::from_str(json).map_err(|_| Error::invalid(field, "must be a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_begins_another_leaves_nothing_of_it() {
        for (text, secrets, want) in [
            ("a=key1&b=key1-and-more", &["key1", "key1-and-more"][..], "a=[REDACTED]&b=[REDACTED]"),
            ("unharmed", &["", "x"], "unharmed"),
            ("x=a+b%26", &["a b&"], "x=[REDACTED]"),
            (r#"{"x":"\"q\""}"#, &["\"q\""], r#"{"x":"[REDACTED]"}"#),
        ] {
            assert_eq!(redacted(text, secrets.iter().copied()), want);
        }
    }
}
