//! Braintree: a client token for its browser and mobile SDKs.
//! <https://developer.paypal.com/braintree/graphql/guides/client_tokens/>

use crate::prelude::*;

/// The version of Braintree's schema, which is a date.
const VERSION: &str = "2019-01-01";
const MUTATION: &str = "mutation ($input: CreateClientTokenInput) { createClientToken(input: $input) { clientToken } }";
const MAX_MUTATION_ID: usize = 255;
const LIFETIME: u32 = 86_400;

#[derive(Deserialize)]
pub(super) struct Credentials {
    public_key: Secret,
    private_key: Secret,
}

pub(super) struct Braintree;

impl Connector for Braintree {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "braintree",
        name: "Braintree",
        docs: "https://developer.paypal.com/braintree/graphql/guides/client_tokens/",
        unconfirmed: &["The suffix that may follow the third part of the authorization fingerprint."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://payments.braintree-api.com", "https://payments.sandbox.braintree-api.com")],
        credentials: &[required("public_key"), required("private_key")],
        grants: &[client_grant(
            "client_token",
            "tokenize payment methods, and with customer_id also list and vault that customer's",
            Lifetime::Fixed(LIFETIME),
            client_token,
        )
        .by_default()
        .inputs(&[Input::text("merchant_account_id"), Input::text("customer_id"), Input::texts("domains")])],
    };
}

fn client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut client_token = Map::new();
            exchange.input.copy_into(
                &mut client_token,
                &[("merchant_account_id", "merchantAccountId"), ("customer_id", "customerId"), ("domains", "domains")],
            );
            let mut input = Map::new();
            if exchange.reference.chars().count() <= MAX_MUTATION_ID {
                input.insert("clientMutationId".into(), json!(exchange.reference));
            }
            if !client_token.is_empty() {
                input.insert("clientToken".into(), client_token.into());
            }
            Call::post(exchange.url("/graphql")?)
                .basic(credentials.public_key.expose(), credentials.private_key.expose())
                .header("accept", "application/json")
                .header("braintree-version", VERSION)
                .json(&json!({ "query": MUTATION, "variables": { "input": input } }))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            if !answer.errors.unwrap_or_default().is_empty() {
                return Err(reply.refuse(refusal(reply)));
            }
            let token = answer
                .data
                .and_then(|data| data.create_client_token?.client_token)
                .ok_or_else(|| Error::bad_reply("Braintree's answer has no client token in it"))?;
            Ok(Step::Done(Token::new(&token, "client_token", expiry(&token, reply)?)?))
        }
    }
}

/// The token is base64 of a JSON object. Its fingerprint is a JWT; that of an old gateway is
/// `hex|created_at=…&…`.
fn expiry(token: &str, reply: &Reply) -> Result<Expiry> {
    let fingerprint = encoding::base64_decode(token)
        .and_then(|json| serde_json::from_slice::<Contents>(&json).ok())
        .map(|contents| contents.authorization_fingerprint)
        .unwrap_or_default();
    let jwt = fingerprint.split('?').next().unwrap_or_default();
    if let Ok(expiry) = Expiry::of_jwt(jwt) {
        return Ok(expiry);
    }
    let created_at = fingerprint
        .split(['|', '&'])
        .find_map(|pair| pair.strip_prefix("created_at="))
        .and_then(|date| Expiry::at_date(date).ok());
    match created_at {
        Some(Expiry::At(created_at)) => Expiry::at_epoch(created_at.as_second().saturating_add(LIFETIME.into())),
        _ => Expiry::after_reply(reply, LIFETIME),
    }
}

#[derive(Deserialize)]
struct Contents {
    #[serde(rename = "authorizationFingerprint")]
    authorization_fingerprint: String,
}

#[derive(Deserialize, Default)]
struct Answer {
    data: Option<Data>,
    errors: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "createClientToken")]
    create_client_token: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "clientToken")]
    client_token: Option<String>,
}

/// GraphQL refuses with status 200, so the kind is read from the error class.
/// <https://developer.paypal.com/braintree/graphql/guides/making_api_calls/#error-handling>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/errors/0/extensions/legacyCode", "/errors/0/extensions/errorClass"],
        &["/errors/0/message"],
        &["/errors/0/extensions/errorClass"],
    );
    let kind = match refusal.reason.as_deref() {
        Some("AUTHENTICATION") => Some(Kind::CredentialsRejected),
        Some("AUTHORIZATION") => Some(Kind::PermissionDenied),
        Some("RESOURCE_LIMIT") => Some(Kind::RateLimited),
        Some("INTERNAL" | "SERVICE_AVAILABILITY") => Some(Kind::Unavailable),
        Some("VALIDATION" | "NOT_FOUND" | "UNSUPPORTED_CLIENT") => Some(Kind::RequestRejected),
        // An error without a class, such as that of a query that does not parse, is a refusal too.
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    refusal.kind(kind)
}
