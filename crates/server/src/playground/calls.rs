//! What the page asks of its server: the list of connectors with the sandbox's credentials, the
//! shop's backend, the call to the vendor, the uses of a token, the sandbox's clock. Used by
//! `playground`.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use connectors::{DefaultWhen, Error, InputKind, find};
use daypass::{Engine, IncomingRequest, RawCredentials, Transport};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use sandbox::{ClientCall, ClientToken, FakeVendor, SandboxClock};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{json, refusal};
use crate::{connector_list, vendor_call::VendorCall};

/// A status, and the reason for a person.
pub(super) type Refusal = (StatusCode, &'static str);

/// The method behind the page's "your backend".
const RPC: &str = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/// The vendor's answers that the page can ask for: a word in the query, which goes to the end of the
/// secret credentials, and its meaning. The fakes know the words.
const OUTCOMES: [(&str, &str); 4] = [
    ("", "accepts the key"),
    ("decline_401", "refuses the key"),
    ("decline_429", "limits the rate"),
    ("decline_503", "is down"),
];

/// The text of `connectors.json`: what `daypass connectors --json` says of the connectors that give
/// tokens, with the sandbox's credentials and an example of each grant's inputs.
pub(super) fn connectors(sandbox: SocketAddr) -> Bytes {
    let connectors: Vec<Value> = connector_list::all().filter_map(with_examples).collect();
    let outcomes: Vec<Value> =
        OUTCOMES.iter().map(|(word, meaning)| json!({ "word": word, "meaning": meaning })).collect();
    let list = json!({
        "sandbox": format!("http://{sandbox}"),
        "outcomes": outcomes,
        "test_cards": sandbox::TEST_CARDS,
        "refusals": sandbox::REFUSALS,
        "connectors": connectors,
    });
    list.to_string().into()
}

fn with_examples(connector: protocol::ucs::v2::Connector) -> Option<Value> {
    let fake = sandbox::fake_vendor(&connector_list::id(connector))?;
    let mut row = connector_list::describe(connector);
    let members = row.as_object_mut()?;
    members.insert("sandbox_credentials".into(), serde_json::from_str(fake.credentials).unwrap_or_default());
    for grant in members.get_mut("grants").and_then(Value::as_array_mut)? {
        let name = grant.get("name").and_then(Value::as_str).unwrap_or_default();
        let example = fake.examples.iter().find(|(grant, _)| *grant == name);
        let example = example.and_then(|(_, example)| serde_json::from_str::<Value>(example).ok());
        grant.as_object_mut()?.insert("example".into(), example.unwrap_or_default());
    }
    Some(row)
}

/// The page's request as a call to the RPC, with the sandbox's credentials and secret inputs, as a
/// shop's backend adds its own.
///
/// # Errors
/// The refusal: no such connector, or no such outcome.
pub(super) fn with_credentials(connector: &str, mut request: Request<Bytes>) -> Result<Request<Bytes>, Refusal> {
    let unknown = (StatusCode::NOT_FOUND, "the sandbox has no such connector");
    let fake = sandbox::fake_vendor(connector).ok_or(unknown)?;
    let word = request.uri().query().and_then(|query| query.strip_prefix("outcome=")).unwrap_or_default();
    let word = OUTCOMES.iter().find(|(known, _)| *known == word);
    let (word, _) = word.ok_or((StatusCode::BAD_REQUEST, "the sandbox knows no such outcome"))?;
    let credentials = HeaderValue::try_from(credentials(fake, word))
        .map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, "the sandbox's credentials are no header"))?;
    *request.uri_mut() = Uri::from_static(RPC);
    request.headers_mut().insert("x-connector", HeaderValue::from_static(fake.name));
    request.headers_mut().insert("x-connector-auth", credentials);
    request.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(request.map(|body| with_secret_inputs(fake, &body).unwrap_or(body)))
}

/// The message with the secret inputs of the grant's example, where it lacks them. `None` where the
/// message needs none, or cannot be read: the RPC says why.
fn with_secret_inputs(fake: &FakeVendor, message: &[u8]) -> Option<Bytes> {
    let mut message: Map<String, Value> = serde_json::from_slice(message).ok()?;
    let mut data: Map<String, Value> = match message.get("connector_feature_data") {
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(Value::Object(data)) => data.clone(),
        _ => Map::new(),
    };
    let named = data.get("grant").and_then(Value::as_str);
    let grant = find(fake.name)?.meta.grants.iter().find(|grant| match named {
        Some(name) => name == grant.name,
        None => grant.default == DefaultWhen::Always,
    })?;
    let (_, example) = fake.examples.iter().find(|(name, _)| *name == grant.name)?;
    let example: Map<String, Value> = serde_json::from_str(example).ok()?;
    let secret = |name: &str| grant.inputs.iter().any(|input| input.name == name && input.kind == InputKind::Secret);
    let lacking: Vec<_> = example.into_iter().filter(|(name, _)| secret(name) && !data.contains_key(name)).collect();
    if lacking.is_empty() {
        return None;
    }
    data.extend(lacking);
    message.insert("connector_feature_data".into(), Value::Object(data).to_string().into());
    Some(Value::Object(message).to_string().into())
}

/// The credentials of a fake under its name, with a word at the end of each secret text. A text of
/// several lines is a key in PEM, which takes no word.
fn credentials(fake: &FakeVendor, word: &str) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(fake.credentials).unwrap_or_default();
    let secret = |name: &str| find(fake.name).is_some_and(|entry| !entry.meta.is_public(name));
    for (name, value) in &mut fields {
        if let Value::String(text) = value
            && secret(name)
            && !text.contains('\n')
        {
            text.push_str(word);
        }
    }
    json!({ fake.name: fields }).to_string()
}

/// A member of a request's JSON that is a text or, as the RPC takes it too, an object.
fn text(request: &Value, name: &str) -> Option<String> {
    match request.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// What `daypass explain` says of the call: the body is that of the RPC.
pub(super) fn explain(engine: &Engine<Transport>, connector: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let Some(fake) = sandbox::fake_vendor(connector) else {
        return refusal(StatusCode::NOT_FOUND, "the sandbox has no such connector");
    };
    let complete = with_secret_inputs(fake, body);
    let Ok(request) = serde_json::from_slice::<Value>(complete.as_deref().unwrap_or(body)) else {
        return refusal(StatusCode::BAD_REQUEST, "the body is no JSON");
    };
    let [reference, metadata, feature_data] =
        ["merchant_access_token_id", "metadata", "connector_feature_data"].map(|name| text(&request, name));
    let explained = engine.explain(IncomingRequest {
        of_session: false,
        reference: reference.as_deref().unwrap_or_default(),
        connector: request.get("connector").and_then(Value::as_str),
        header_connector: Some(fake.name),
        credentials: RawCredentials::parse(credentials(fake, "").as_bytes()).map(Some),
        profile: None,
        metadata: metadata.as_deref(),
        feature_data: feature_data.as_deref(),
        test_mode: request.get("test_mode").and_then(Value::as_bool),
        server_token: false,
        fresh: false,
        wanted_left: None,
        caller: None,
    });
    match explained {
        Ok((request, first)) => match serde_json::to_value(VendorCall::new(&request, first.as_ref())) {
            Ok(shown) => json(StatusCode::OK, &shown),
            Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the call cannot be shown"),
        },
        Err(error) => json(StatusCode::BAD_REQUEST, &describe(&error)),
    }
}

fn describe(error: &Error) -> Value {
    let fields: Vec<Value> =
        error.fields.iter().map(|it| json!({ "field": it.field, "description": it.description })).collect();
    json!({ "code": error.kind.label(), "message": error.to_string(), "fields": fields })
}

/// A token as a client has it.
#[derive(Deserialize)]
struct Held {
    grant: String,
    token: String,
    reference: String,
    #[serde(default)]
    client_parameters: BTreeMap<String, String>,
}

/// The calls that a client makes with a token: one that the grant allows and one that it forbids.
pub(super) fn uses(sandbox: SocketAddr, connector: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let Some(fake) = sandbox::fake_vendor(connector) else {
        return refusal(StatusCode::NOT_FOUND, "the sandbox has no such connector");
    };
    let Ok(Held { grant, token, reference, client_parameters }) = serde_json::from_slice(body) else {
        return refusal(StatusCode::BAD_REQUEST, "expected grant, token, reference and client_parameters");
    };
    let Some(client) = fake.clients.iter().find(|client| client.grant == grant) else {
        return refusal(StatusCode::NOT_FOUND, "no client uses tokens of this grant");
    };
    let token = ClientToken { token, client_parameters, reference };
    let [allowed, forbidden] = [client.allowed, client.forbidden].map(|call| describe_call(sandbox, &call(&token)));
    json(StatusCode::OK, &json!({ "allowed": allowed, "forbidden": forbidden }))
}

fn describe_call(sandbox: SocketAddr, call: &ClientCall) -> Value {
    json!({
        "title": call.title,
        "method": call.method,
        "url": format!("http://{sandbox}{}", call.path),
        "headers": call.headers,
        "body": call.body,
    })
}

/// Sets the sandbox's clock: `{"seconds_ahead": 3600}`; zero is the present.
pub(super) fn set_clock(clock: &SandboxClock, body: &[u8]) -> Response<Full<Bytes>> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let seconds = body.get("seconds_ahead").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    match seconds {
        Some(seconds) => {
            clock.set_ahead(seconds);
            json(StatusCode::OK, &json!({ "seconds_ahead": seconds }))
        }
        None => refusal(StatusCode::BAD_REQUEST, "seconds_ahead must be a whole number from 0 to 4294967295"),
    }
}
