//! The verdict on the credentials of one connector: what works, what is ignored, what must change.
//! Used by `check`. Nothing is sent: each grant's first call is put together and dropped.

use connectors::{
    Audience, CONNECTORS, CredentialField, Error, FurtherField, Grant, Kind, Meta, Mode, Registration, find,
    further_field,
};
use daypass::{Engine, IncomingRequest, RawCredentials, Transport};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::entries::Entry;

/// The verdict on one entry. It has names of fields and no value of one.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    /// The place in the file, from 1.
    pub entry: usize,
    /// The connector's id, where it is one that is known.
    pub connector: Option<&'static str>,
    /// What to do.
    pub outcome: Outcome,
    /// The only mode in which the credentials work, where there is one.
    pub only_in: Option<&'static str>,
    /// Fields that the connector's grants have a use for.
    pub used: Vec<&'static str>,
    /// Fields that become the input of that name, where the request does not give it.
    pub inputs: Vec<&'static str>,
    /// Fields that are accepted and have no effect.
    pub ignored: Vec<&'static str>,
    /// Grants for clients that work with these credentials.
    pub client_grants: Vec<&'static str>,
    /// Grants with full API access that work, where the call asks for them.
    pub server_grants: Vec<&'static str>,
    /// What must change, or why there are no tokens.
    pub faults: Vec<Fault>,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Nothing: at least one grant works.
    Works,
    /// Change what the faults name.
    MustChange,
    /// The connector is known and gives no tokens.
    NoTokens,
    /// The entry names no connector that is known, or cannot be read.
    #[default]
    Unreadable,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// The grants that it is about; none where it is about all of them.
    pub grants: Vec<&'static str>,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// The fault, and what is accepted.
    pub description: String,
}

/// Judges an entry.
pub(super) fn judge(nth: usize, entry: Entry, engine: &Engine<Transport>) -> Verdict {
    let mut verdict = Verdict { entry: nth, ..Verdict::default() };
    let id = entry.connector.as_deref().unwrap_or_default();
    verdict.connector = known_id(id);
    if let Some(why) = connectors::why_not(id) {
        let fault = Fault { grants: Vec::new(), field: None, description: why.to_owned() };
        return Verdict { outcome: Outcome::NoTokens, faults: vec![fault], ..verdict };
    }
    let credentials = match entry.credentials {
        Ok(credentials) => credentials,
        Err(error) => {
            let outcome = if verdict.connector.is_some() { Outcome::MustChange } else { Outcome::Unreadable };
            return Verdict { outcome, faults: faults_of(&error, &[]), ..verdict };
        }
    };
    let Some(registration) = find(id) else {
        let description = "names no connector that is known; `daypass connectors` lists them".to_owned();
        return Verdict { faults: vec![Fault { grants: Vec::new(), field: None, description }], ..verdict };
    };
    let meta = registration.meta;
    let null: Vec<&str> = entry.null.iter().map(connectors::Secret::expose).collect();
    sort_fields(meta, &credentials, &null, &entry.unused_positions, &mut verdict);
    let faults = field_faults(registration, &credentials);
    if !faults.is_empty() {
        return Verdict { outcome: Outcome::MustChange, faults, ..verdict };
    }
    let modes = match entry.test_mode {
        Some(test) => vec![if test { Mode::Test } else { Mode::Live }],
        None => possible_modes(registration, &credentials),
    };
    let tried: Vec<(Mode, Tried)> =
        modes.into_iter().map(|mode| (mode, try_grants(meta, &credentials, mode, engine))).collect();
    verdict.take(&tried);
    verdict.only_in = verdict.only_in.filter(|_| entry.test_mode.is_none());
    verdict
}

impl Verdict {
    /// Takes what was tried in the mode in which most works.
    fn take(&mut self, tried: &[(Mode, Tried)]) {
        self.outcome = Outcome::MustChange;
        let best = tried.iter().max_by_key(|(mode, tried)| (tried.working().count(), *mode == Mode::Live));
        let Some((mode, best)) = best else { return };
        for grant in best.working() {
            self.outcome = Outcome::Works;
            match grant.audience {
                Audience::Client => self.client_grants.push(grant.name),
                Audience::Server => self.server_grants.push(grant.name),
            }
        }
        let elsewhere = tried.iter().any(|(other, tried)| other != mode && tried.working().next().is_some());
        self.only_in = (self.outcome == Outcome::Works && !elsewhere).then(|| mode.label());
        self.faults = best.faults();
        let at_fault = |name: &str| self.faults.iter().any(|fault| fault.field.as_deref() == Some(name));
        self.ignored.retain(|name| !at_fault(name));
    }
}

/// The mode that the credentials show by their form, else both.
fn possible_modes(registration: &Registration, credentials: &RawCredentials) -> Vec<Mode> {
    let own = |name: &str| registration.meta.credentials.iter().any(|field| field.name == name);
    let fields = credentials.fields().iter().filter(|(name, _)| own(name));
    let fields: Map<String, Value> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    let shown = registration.bind(&fields).ok().and_then(|bound| bound.mode());
    shown.map_or_else(|| vec![Mode::Live, Mode::Test], |mode| vec![mode])
}

/// The id as the list has it: an entry's own text may be a secret in the wrong place.
fn known_id(id: &str) -> Option<&'static str> {
    let available = CONNECTORS.iter().map(|entry| entry.meta.id);
    available.chain(connectors::UNAVAILABLE.iter().map(|(id, _)| *id)).find(|known| *known == id)
}

/// Puts each field that is known where it belongs. Unknown ones are faults of the check.
fn sort_fields(
    meta: &'static Meta,
    credentials: &RawCredentials,
    null: &[&str],
    unused_positions: &[&'static str],
    verdict: &mut Verdict,
) {
    verdict.ignored.extend(unused_positions);
    let given = |name: &str| credentials.fields().contains_key(name);
    for CredentialField { name, .. } in meta.credentials {
        if given(name) {
            verdict.used.push(name);
        } else if null.contains(name) {
            verdict.ignored.push(name);
        }
    }
    for name in connectors::further_fields(meta.id).filter(|name| given(name) || null.contains(name)) {
        match further_field(meta.id, name) {
            Some(FurtherField::Input) if given(name) => verdict.inputs.push(name),
            _ => verdict.ignored.push(name),
        }
    }
}

/// Each field that is unknown, and each that is missing. A request names the first one only.
fn field_faults(registration: &Registration, credentials: &RawCredentials) -> Vec<Fault> {
    let meta = registration.meta;
    let own = |name: &str| meta.credentials.iter().any(|field| field.name == name);
    let given = credentials.fields().iter();
    let unknown = given.filter(|(name, _)| !own(name) && further_field(meta.id, name).is_none());
    // An error names a field only where the name cannot be a secret in the wrong place.
    let alone =
        |(name, value): (&String, &Value)| registration.bind(&Map::from_iter([(name.clone(), value.clone())])).err();
    let mut faults: Vec<Fault> = unknown.filter_map(alone).flat_map(|error| faults_of(&error, &[])).collect();
    faults.dedup();
    let missing =
        meta.credentials.iter().filter(|field| field.required && !credentials.fields().contains_key(field.name));
    let description = format!("is missing; {} needs it", meta.name);
    faults.extend(missing.map(|field| Fault {
        grants: Vec::new(),
        field: Some(field.name.to_owned()),
        description: description.clone(),
    }));
    faults
}

/// Each grant with the error of its first step, if it has one.
struct Tried(Vec<(&'static Grant, Option<Error>)>);

impl Tried {
    fn working(&self) -> impl Iterator<Item = &'static Grant> {
        self.0.iter().filter(|(_, error)| error.is_none()).map(|(grant, _)| *grant)
    }

    /// The faults, each once, with the grants that have it.
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for (grant, error) in &self.0 {
            for fault in error.iter().flat_map(|error| faults_of(error, &[grant.name])) {
                let same = |known: &&mut Fault| known.field == fault.field && known.description == fault.description;
                match faults.iter_mut().find(same) {
                    Some(known) => known.grants.extend(fault.grants),
                    None => faults.push(fault),
                }
            }
        }
        for fault in faults.iter_mut().filter(|fault| fault.grants.len() == self.0.len()) {
            fault.grants.clear();
        }
        faults
    }
}

fn try_grants(meta: &'static Meta, credentials: &RawCredentials, mode: Mode, engine: &Engine<Transport>) -> Tried {
    let outcome = |grant: &'static Grant| {
        let data = feature_data(meta, grant).to_string();
        let own = RawCredentials::new(meta.id.to_owned(), credentials.fields().clone());
        let request = IncomingRequest {
            of_session: false,
            reference: "migrate_check",
            connector: Some(meta.id),
            header_connector: None,
            credentials: Ok(Some(own)),
            metadata: None,
            feature_data: Some(&data),
            test_mode: Some(mode == Mode::Test),
            server_token: false,
            fresh: false,
            wanted_left: None,
            caller: None,
            profile: None,
        };
        engine.explain(request).err().filter(is_of_credentials)
    };
    Tried(meta.grants.iter().map(|grant| (grant, outcome(grant))).collect())
}

/// The sandbox's example of the grant's inputs: it reaches the checks of the credentials' form.
fn feature_data(meta: &Meta, grant: &Grant) -> Value {
    let examples = sandbox::fake_vendor(meta.id).map(|fake| fake.examples).unwrap_or_default();
    let example = examples.iter().find(|(name, _)| *name == grant.name);
    let mut data: Map<String, Value> =
        example.and_then(|(_, inputs)| serde_json::from_str(inputs).ok()).unwrap_or_default();
    data.insert("grant".into(), grant.name.into());
    if grant.audience == Audience::Server {
        data.insert("audience".into(), json!("server"));
    }
    Value::Object(data)
}

/// Whether an error is about the credentials, and not about the inputs of the example or a limit of
/// the operator's.
fn is_of_credentials(error: &Error) -> bool {
    let of_inputs = |field: &str| field.starts_with("connector_feature_data");
    match error.kind {
        Kind::LivesTooLong | Kind::MissingInput => false,
        _ => !(error.fields.iter().any(|fault| of_inputs(&fault.field))),
    }
}

fn faults_of(error: &Error, grants: &[&'static str]) -> Vec<Fault> {
    let fault = |field: Option<String>, description: &str| Fault {
        grants: grants.to_vec(),
        field,
        description: description.to_owned(),
    };
    if error.fields.is_empty() {
        return vec![fault(None, &error.message)];
    }
    let field = |name: &str| {
        let name = name.strip_prefix("credentials.").unwrap_or(name);
        (name != "the entry").then(|| name.to_owned())
    };
    error.fields.iter().map(|violation| fault(field(&violation.field), &violation.description)).collect()
}
