//! CyberSource: a capture context, with which a page or a backend turns card data into a transient
//! token.
//! <https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html>
//!
//! Bank of America, Wells Fargo and Barclaycard run on the same platform: they have the same
//! credentials and grants.

use http::Uri;
use serde::Serialize;

use crate::{meta::CredentialField, prelude::*};

const LIFETIME: u32 = 900;
const CARD_NETWORKS: [&str; 4] = ["VISA", "MASTERCARD", "AMEX", "DISCOVER"];

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    merchant_account: Secret,
    api_secret: Secret,
}

pub(super) const CREDENTIALS: &[CredentialField] =
    &[required("api_key").public(), required("merchant_account").public(), required("api_secret")];

pub(super) const GRANTS: &[Grant<StepFn<Credentials>>] = &[
    client_grant(
        "microform_session",
        "tokenize one card or bank account in iframes on the given origins",
        Lifetime::Fixed(LIFETIME),
        microform_session,
    )
    .by_default()
    .inputs(&[
        Input::origins("target_origins", 9).required(),
        Input::texts("allowed_card_networks"),
        Input::texts_of("allowed_payment_types", 2),
    ]),
    // CyberSource's Flex API guide: for server-side applications only, never in a client's code.
    // The token is not bound to an origin, and its key is good for one card.
    server_grant(
        "flex_session",
        "tokenize one card's fields through the Flex API, from server-side applications only",
        Lifetime::Fixed(LIFETIME),
        flex_session,
    )
    .never_shared(),
];

pub(super) struct Cybersource;

impl Connector for Cybersource {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "cybersource",
        name: "CyberSource",
        docs: "https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html",
        unconfirmed: &["Answers that wrap the JWT into JSON, which are read as well."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.cybersource.com", "https://apitest.cybersource.com")],
        credentials: CREDENTIALS,
        grants: GRANTS,
    };
}

fn microform_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/microform/v2/sessions", &microform(exchange)),
        [reply, ..] => capture_context(reply).map(Step::Done),
    }
}

fn flex_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/flex/v2/sessions", &flex()),
        [reply, ..] => capture_context(reply).map(Step::Done),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: &impl Serialize) -> Result<Step> {
    let body = serde_json::to_vec(body)
        .map_err(|_| Error::new(Kind::Internal, "a request body could not be written as JSON"))?;
    let uri = exchange.url(path)?;
    let date = exchange.http_date()?;
    let digest = format!("SHA-256={}", encoding::base64(crypto::sha256(&[&body])));
    let signature = signature(credentials, &uri, &date, &digest)?;
    Call::post(uri)
        .header("accept", "application/jwt")
        .header("date", &date)
        .header("digest", &digest)
        .secret_header("v-c-merchant-id", credentials.merchant_account.expose())
        .secret_header("signature", &signature)
        .body(body, "application/json;charset=utf-8")
        .repeatable()
        .send()
}

/// <https://developer.cybersource.com/docs/cybs/en-us/platform/developer/all/rest/rest-getting-started/restgs-http-message-intro.html>
fn signature(credentials: &Credentials, uri: &Uri, date: &str, digest: &str) -> Result<String> {
    let key = encoding::base64_decode(credentials.api_secret.expose())
        .ok_or_else(|| Error::invalid_credential("api_secret", "must be the shared secret in base64, as issued"))?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let merchant = credentials.merchant_account.expose();
    let signed = format!(
        "host: {host}\ndate: {date}\nrequest-target: post {path}\ndigest: {digest}\nv-c-merchant-id: {merchant}"
    );
    Ok(format!(
        "keyid=\"{}\", algorithm=\"HmacSHA256\", headers=\"host date request-target digest v-c-merchant-id\", signature=\"{}\"",
        credentials.api_key.expose(),
        encoding::base64(crypto::hmac_sha256(key, &[signed.as_bytes()]))
    ))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Microform<'a> {
    target_origins: Vec<&'a str>,
    client_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_card_networks: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_payment_types: Vec<&'a str>,
}

fn microform<'a>(exchange: &'a Exchange<'_>) -> Microform<'a> {
    let input = exchange.input;
    let mut allowed_card_networks = input.texts("allowed_card_networks");
    let allowed_payment_types = input.texts("allowed_payment_types");
    // Without a payment type CyberSource takes cards, and cards need a network.
    let cards = allowed_payment_types.is_empty() || allowed_payment_types.contains(&"CARD");
    if allowed_card_networks.is_empty() && cards {
        allowed_card_networks.extend(CARD_NETWORKS);
    }
    let target_origins = input.texts("target_origins");
    Microform { target_origins, client_version: "v2", allowed_card_networks, allowed_payment_types }
}

/// A field in this list is required unless its `required` is false.
fn flex() -> Value {
    let optional = json!({ "required": false });
    json!({ "fields": { "paymentInformation": { "card": {
        "number": {}, "securityCode": optional, "expirationMonth": {}, "expirationYear": {}, "type": optional,
    } } } })
}

fn capture_context(reply: &Reply) -> Result<Token> {
    reply.succeed(refusal)?;
    let text = reply.text()?.trim();
    let jwt = match serde_json::from_str(text) {
        Ok(Answer::Text(jwt)) => jwt,
        Ok(Answer::Object { capture_context, key_id }) => capture_context.or(key_id).unwrap_or_default(),
        Err(_) => text.to_owned(),
    };
    let claims: Claims = encoding::jwt_claims(&jwt)?;
    let expiry = match claims.exp {
        Some(exp) => Expiry::at_epoch(exp)?,
        None => Expiry::after_reply(reply, LIFETIME)?,
    };
    let mut token = Token::new(&jwt, "capture_context", expiry)?;
    let library = claims.ctx.into_iter().next().map(|context| context.data).unwrap_or_default();
    if let Some(address) = library.client_library {
        token = token.client("client_library", address);
    }
    if let Some(integrity) = library.client_library_integrity {
        token = token.client("client_library_integrity", integrity);
    }
    Ok(token)
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Answer {
    Text(String),
    // Either may be null.
    Object { capture_context: Option<String>, key_id: Option<String> },
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<Seconds>,
    #[serde(default, deserialize_with = "encoding::null_as_default")]
    ctx: Vec<Context>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default, deserialize_with = "encoding::null_as_default")]
    data: Library,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Library {
    client_library: Option<String>,
    client_library_integrity: Option<String>,
}

/// The gateway, the sessions and the platform behind them each have a form of their own, one inside
/// the other.
/// <https://developer.cybersource.com/api-reference-assets/index.html#responses>
fn refusal(reply: &Reply) -> Refusal {
    let body: Value = reply.lenient();
    let inner = ["/responseStatus", "/errorInformation", "/response", "/errors/0"];
    let failure = inner.iter().find_map(|at| body.pointer(at).filter(|inner| inner.is_object())).unwrap_or(&body);
    let words = |names: &[&str]| names.iter().find_map(|name| encoding::text_at(failure, name));
    let details = encoding::faults_at(failure, "/details", &["field", "location", "reason", "message"]);
    Refusal::new(words(&["/reason", "/type", "/code"]), words(&["/message", "/rmsg"])).reason(details)
}
