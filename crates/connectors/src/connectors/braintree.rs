//! Braintree: a client token for its browser and mobile SDKs, from the GraphQL API or, with options,
//! from the gateway.
//! <https://developer.paypal.com/braintree/graphql/guides/client_tokens/>

use crate::prelude::*;

/// The version of Braintree's schema, which is a date.
const VERSION: &str = "2019-01-01";
const MUTATION: &str = "mutation ($input: CreateClientTokenInput) { createClientToken(input: $input) { clientToken } }";
/// The longest `clientMutationId`, in characters (Braintree's GraphQL schema). Any may be in it.
const MAX_MUTATION_ID: usize = 255;
const LIFETIME: u32 = 86_400;
const GATEWAY: Host =
    Host::named("gateway", "https://api.braintreegateway.com", "https://api.sandbox.braintreegateway.com");
/// Options of the gateway's token. Each is about the customer's vault.
const OPTIONS: [&str; 4] = [
    "verify_card",
    "make_default",
    "fail_on_duplicate_payment_method",
    "fail_on_duplicate_payment_method_for_customer",
];

/// Where the vendor says which credentials there are.
const KEYS: Source =
    Source::page("https://developer.paypal.com/braintree/articles/control-panel/important-gateway-credentials");

#[derive(Deserialize)]
pub(super) struct Credentials {
    public_key: Option<Secret>,
    private_key: Option<Secret>,
    access_token: Option<Secret>,
}

const WORST_CASE: &str =
    "tokenize stolen cards (card testing), and with customer_id see, add and delete that customer's payment methods";
/// `domains` bind some of Braintree's services only, so no origin is a bound.
const BOUNDS: &[Bound] = &[Bound::Customer];
const SDK: Source = Source::sdk("npm braintree-web 3.144.0, client.create({ authorization })");
const NOTE: &str =
    "Braintree takes no shorter lifetime; it may end a token earlier, and one of a customer with very many new methods";
const NOT_ENDED: MintingEndsEarlier =
    MintingEndsEarlier::No("Braintree's guide on client authorization: tokens are good until they expire");

pub(super) struct Braintree;

impl Connector for Braintree {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "braintree",
        name: "Braintree",
        docs: "https://developer.paypal.com/braintree/graphql/guides/client_tokens/",
        unconfirmed: &["The suffix that may follow the third part of the authorization fingerprint."],
        evidence: &[
            Evidence::new(
                "mutation, members of its input and of its answer",
                Source::schema("braintree/graphql-api, schema.graphql"),
                "2026-11",
            ),
            Evidence::new(
                "hosts, headers, OAuth access token, the gateway's request, error classes",
                Source::sdk("npm braintree 3.40.0"),
                "2026-11",
            ),
            Evidence::new("members inside the token", Source::sdk("npm braintree-web 3.144.0"), "2026-11"),
            Evidence::new(
                "lifetime of 24 hours",
                Source::page("developer.paypal.com/braintree, client authorization"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "The second part of access_token between $ is sandbox or production; key pairs show nothing (npm braintree 3.40.0).",
        ),
        hosts: &[
            Host::main("https://payments.braintree-api.com", "https://payments.sandbox.braintree-api.com"),
            GATEWAY,
        ],
        credentials: &[optional("public_key").found_in("Control Panel > gear icon > API > API Keys: Public Key", KEYS), optional("private_key").found_in("Control Panel > gear icon > API > API Keys: Private Key", KEYS), optional("access_token")],
        grants: &[
            client_grant(
                "client_token",
                "tokenize payment methods; with customer_id also list, add, change and delete that customer's",
                Lifetime::Fixed(LIFETIME),
                client_token,
            )
            .by_default()
            .inputs(&[Input::text("merchant_account_id"), Input::text("customer_id"), Input::texts("domains")])
            .worst_case(WORST_CASE, BOUNDS)
            .client_source(SDK)
            .lifetime_note(NOTE)
            .minting_ends_earlier(NOT_ENDED),
            client_grant(
                "gateway_client_token",
                "tokenize payment methods; with customer_id also list, add, change and delete that customer's, by the options",
                Lifetime::Fixed(LIFETIME),
                gateway_client_token,
            )
            .inputs(&[
                Input::text("customer_id"),
                Input::text("merchant_id"),
                Input::text("merchant_account_id"),
                Input::flag("verify_card"),
                Input::flag("make_default"),
                Input::flag("fail_on_duplicate_payment_method"),
                Input::flag("fail_on_duplicate_payment_method_for_customer"),
            ])
            .worst_case(WORST_CASE, BOUNDS)
            .client_source(SDK)
            .lifetime_note(NOTE)
            .minting_ends_earlier(NOT_ENDED),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match parts(credentials.access_token.as_ref()?).1 {
            "sandbox" => Some(Mode::Test),
            "production" => Some(Mode::Live),
            _ => None,
        }
    }
}

/// An OAuth access token is `access_token$environment$merchant$secret`: its first three parts.
fn parts(access_token: &Secret) -> (&str, &str, &str) {
    let mut parts = access_token.expose().split('$');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

/// The call with the credentials: an OAuth access token, else a pair of keys.
fn authorized(call: Call, credentials: &Credentials) -> Result<Call> {
    match (&credentials.access_token, &credentials.public_key, &credentials.private_key) {
        (Some(token), ..) if parts(token).0 == "access_token" => Ok(call.bearer(token.expose())),
        (Some(_), ..) => Err(Error::invalid_credential("access_token", "begins with access_token$")),
        (None, Some(public), Some(private)) => Ok(call.basic(public.expose(), private.expose())),
        (None, None, _) => Err(Error::invalid_credential("public_key", "is needed, or access_token")),
        (None, _, None) => Err(Error::invalid_credential("private_key", "is needed with public_key")),
    }
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
            let fits = exchange.reference.chars().count() <= MAX_MUTATION_ID;
            let id = if fits { exchange.reference.into() } else { exchange.reference_within(MAX_MUTATION_ID, "") };
            input.insert("clientMutationId".into(), json!(id));
            if !client_token.is_empty() {
                input.insert("clientToken".into(), client_token.into());
            }
            authorized(Call::post(exchange.url("/graphql")?), credentials)?
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

/// The gateway takes JSON and answers in XML.
fn gateway_client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let of_token = credentials.access_token.as_ref().map(|token| parts(token).2).filter(|id| !id.is_empty());
            let merchant = input.text("merchant_id").or(of_token);
            let merchant = merchant.ok_or_else(|| Error::missing_inputs(&["merchant_id"], "keys do not name it"))?;
            let mut options = Map::new();
            input.copy_into(&mut options, &OPTIONS.map(|name| (name, name)));
            if !options.is_empty() && input.text("customer_id").is_none() {
                return Err(Error::missing_inputs(&["customer_id"], "the options are about a customer's vault"));
            }
            let body = encoding::sparse(json!({
                "version": 2,
                "customer_id": input.text("customer_id"),
                "merchant_account_id": input.text("merchant_account_id"),
                "options": options,
            }));
            let path = format!("/merchants/{}/client_token", Exchange::segment(merchant));
            authorized(Call::post(exchange.url_on(&GATEWAY, &path)?), credentials)?
                .header("accept", "application/xml")
                .header("x-apiversion", "6")
                .json(&json!({ "client_token": body }))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            reply.succeed(gateway_refusal)?;
            let token = element(reply.text()?, "value")
                .ok_or_else(|| Error::bad_reply("Braintree's answer has no client token in it"))?;
            Ok(Step::Done(Token::new(token, "client_token", expiry(token, reply)?)?))
        }
    }
}

/// The text of the first element of this name, which has no elements in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text.trim()).filter(|text| !text.is_empty())
}

/// The gateway's first message is about the whole, its code is in the list of errors.
fn gateway_refusal(reply: &Reply) -> Refusal {
    let xml = reply.text().unwrap_or_default();
    let text = |name| element(xml, name).map(str::to_owned);
    Refusal::new(text("code"), text("message"))
}

/// The token is base64 of a JSON object. Its fingerprint is a JWT; that of an old gateway is
/// `hex|created_at=…&…`. An expiry that is there and cannot be read is an error.
fn expiry(token: &str, reply: &Reply) -> Result<Expiry> {
    let fingerprint = encoding::base64_decode(token)
        .and_then(|json| serde_json::from_slice::<Contents>(&json).ok())
        .map(|contents| contents.authorization_fingerprint)
        .unwrap_or_default();
    let jwt = fingerprint.split('?').next().unwrap_or_default();
    if jwt.split('.').count() == 3 {
        encoding::jwt_claims::<Map<String, Value>>(jwt)?;
        if let Some(expiry) = Expiry::inside_jwt(jwt)? {
            return Ok(expiry);
        }
    }
    match fingerprint.split(['|', '&']).find_map(|pair| pair.strip_prefix("created_at=")).map(Expiry::at_date) {
        Some(Ok(Expiry::At(created_at))) => Expiry::at_epoch(created_at.as_second().saturating_add(LIFETIME.into())),
        Some(Err(error)) => Err(error),
        _ => Expiry::after_reply(reply, LIFETIME),
    }
}

#[derive(Deserialize)]
struct Contents {
    #[serde(rename = "authorizationFingerprint", default, deserialize_with = "encoding::lenient")]
    authorization_fingerprint: String,
}

#[derive(Deserialize, Default)]
struct Answer {
    #[serde(default, deserialize_with = "encoding::lenient")]
    data: Option<Data>,
    errors: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "createClientToken", default, deserialize_with = "encoding::lenient")]
    create_client_token: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "clientToken", default, deserialize_with = "encoding::lenient")]
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
