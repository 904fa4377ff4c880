//! CyberSource: a capture context, with which a page or a backend turns card data into a transient
//! token.
//! <https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html>
//!
//! Bank of America, Wells Fargo and Barclaycard run on the same platform: they have the same
//! credentials and grants.

mod signature;

use serde::Serialize;

use self::signature::Key;
use crate::{meta::CredentialField, prelude::*};

const LIFETIME: u32 = 900;
const CARD_NETWORKS: [&str; 4] = ["VISA", "MASTERCARD", "AMEX", "DISCOVER"];

/// How a request is signed. CyberSource ends the HTTP signature in March 2027.
const AUTH: Input = Input::one_of("auth", &["jwt", "http_signature"]);

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page(
    "https://developer.cybersource.com/docs/cybs/en-us/security-keys/user/all/ada/security-keys/keys-rest-create.html",
);

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    merchant_account: Secret,
    api_secret: Secret,
}

pub(super) const CREDENTIALS: &[CredentialField] =
    &[required("api_key").public(), required("merchant_account").public(), required("api_secret")];

pub(super) const MODE_SHOWN: ModeShown = ModeShown::No(
    "Keys of the test and of the live system have the same form: a UUID and 32 bytes in base64 (npm cybersource-rest-client 0.0.83).",
);

const SDK: Source = Source::sdk("npm cybersource-rest-client 0.0.83");

pub(super) const EVIDENCE: &[Evidence] = &[
    Evidence::new("paths, content types and members of the three requests", SDK, "2026-11"),
    Evidence::new("header and claims of the request's JWT, recomputed with the package's own code", SDK, "2026-11"),
    Evidence::new("members and order of the HTTP signature", SDK, "2026-11"),
    Evidence::new(
        "HS256 with the shared secret, method in lower case, at most 120 seconds",
        Source::third_party("Drupal commerce_cybersource, issue 3587372"),
        "2026-11",
    ),
    Evidence::new(
        "end of the HTTP signature in March 2027",
        Source::page("developer.cybersource.com, REST Getting Started, introduction"),
        "2026-11",
    ),
];

/// The members of a capture context that the page needs.
const LIBRARY: &[ClientParameter] = &[
    ClientParameter::new(
        "client_library",
        "the address of the script for this capture context",
        "the src of the page's <script>",
    ),
    ClientParameter::new(
        "client_library_integrity",
        "the hash of that script",
        "the integrity of the page's <script>, with crossorigin anonymous",
    ),
];

/// One context has one encryption key of its own; no call ends another context.
const NOT_ENDED: MintingEndsEarlier =
    MintingEndsEarlier::No("each capture context has a key of its own (npm cybersource-rest-client 0.0.83)");

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
        AUTH,
    ])
    .worst_case("turn a stolen card into a transient token, which only the merchant's backend can charge", BOUNDS)
    .client_source(Source::page("developer.cybersource.com, Microform Integration v2, client-side setup"))
    .client_parameters(LIBRARY)
    .url_domains_unknown()
    .minting_ends_earlier(NOT_ENDED),
    // The least that version 1 takes. Without `complete_mandate` the page tokenizes only.
    client_grant(
        "unified_checkout",
        "run the payment widget for that amount on the given origins; with complete_mandate also pay or hold the amount",
        Lifetime::Fixed(LIFETIME),
        unified_checkout,
    )
    .inputs(&[
        // Seven for nested frames (npm cybersource-rest-client 0.0.83).
        Input::origins("target_origins", 7).required(),
        Input::country("country").required(),
        Input::text_of("locale", 16).required(),
        Input::decimal("amount").required(),
        Input::currency("currency").required(),
        Input::texts("allowed_card_networks"),
        Input::texts("allowed_payment_types"),
        Input::text_of("client_version", 8),
        Input::text_of("button_type", 64),
        Input::object("capture_mandate"),
        Input::object("complete_mandate"),
        AUTH,
    ])
    .worst_case(
        "try stolen cards against that amount; with complete_mandate each try is a payment that no backend confirms",
        &[Bound::Amount, Bound::Origin],
    )
    .client_source(Source::page("developer.cybersource.com, Unified Checkout, Sessions API"))
    .client_parameters(LIBRARY)
    .url_domains_unknown()
    .minting_ends_earlier(NOT_ENDED),
    // CyberSource's Flex API guide: for server-side applications only, never in a client's code.
    // The token is not bound to an origin, and its key is good for one card.
    server_grant(
        "flex_session",
        "tokenize one card's fields through the Flex API, from server-side applications only",
        Lifetime::Fixed(LIFETIME),
        flex_session,
    )
    .inputs(&[Input::object("fields"), AUTH])
    .never_shared()
    .client_parameters(LIBRARY)
    .url_domains_unknown()
    .minting_ends_earlier(NOT_ENDED),
];

const BOUNDS: &[Bound] = &[Bound::Origin, Bound::SingleUse];

pub(super) struct Cybersource;

impl Connector for Cybersource {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "cybersource",
        name: "CyberSource",
        docs: "https://developer.cybersource.com/docs/cybs/en-us/digital-accept-flex/developer/all/rest/digital-accept-flex/microform-integ-v2.html",
        unconfirmed: &[
            "Answers that wrap the JWT into JSON, which are read as well.",
            "The place of the script's address in a capture context of Unified Checkout version 1.",
            "Whether calls without message-level encryption are accepted after March 2027.",
        ],
        evidence: EVIDENCE,
        mode_shown: MODE_SHOWN,
        hosts: &[Host::main("https://api.cybersource.com", "https://apitest.cybersource.com")],
        credentials: &[required("api_key").public().found_in("Business Center > Payment Configuration > Key Management > Generate Key > REST - Shared Secret: the key, the first value", KEYS), required("merchant_account").public().found_in("Business Center, at the top of each page: Merchant ID, also called Organization ID", Source::third_party("chargebee.com, Cybersource for Reveal")), required("api_secret").found_in("Business Center > Payment Configuration > Key Management > Generate Key > REST - Shared Secret: the shared secret, the second value", KEYS)],
        grants: GRANTS,
    };
}

fn microform_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/microform/v2/sessions", &microform(exchange)),
        [reply, ..] => capture_context(reply).map(Step::Done),
    }
}

fn unified_checkout(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            if exchange.mode == Mode::Live && input.texts("target_origins").iter().any(|it| it.starts_with("http:")) {
                return Err(Error::invalid_input("target_origins", "Unified Checkout takes https only"));
            }
            // Client versions 0.x belong to the earlier call, which needs networks and types.
            let earlier = input.text("client_version").is_some_and(|version| version.starts_with("0."));
            if earlier && input.texts("allowed_payment_types").is_empty() {
                return Err(Error::missing_inputs(&["allowed_payment_types"], "client versions 0.x need it"));
            }
            let path = if earlier { "/up/v1/capture-contexts" } else { "/uc/v1/sessions" };
            post(credentials, exchange, path, &checkout(exchange, earlier)?)
        }
        [reply, ..] => capture_context(reply).map(Step::Done),
    }
}

fn flex_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let fields = exchange.input.value("fields").cloned().unwrap_or_else(card_fields);
            post(credentials, exchange, "/flex/v2/sessions", &json!({ "fields": fields }))
        }
        [reply, ..] => capture_context(reply).map(Step::Done),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: &impl Serialize) -> Result<Step> {
    let body = serde_json::to_vec(body)
        .map_err(|_| Error::new(Kind::Internal, "a request body could not be written as JSON"))?;
    let secret = encoding::base64_decode(credentials.api_secret.expose())
        .ok_or_else(|| Error::invalid_credential("api_secret", "must be the shared secret in base64, as issued"))?;
    let key =
        Key { id: credentials.api_key.expose(), merchant: credentials.merchant_account.expose(), secret: &secret };
    let uri = exchange.url(path)?;
    let call = match exchange.input.text(AUTH.name) {
        Some("http_signature") => signature::with_http_signature(&key, exchange, uri, path, &body)?,
        _ => signature::with_jwt(&key, exchange, uri, path, &body),
    };
    call.header("accept", "application/jwt").body(body, "application/json;charset=utf-8").repeatable().send()
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

/// The body of a session of Unified Checkout. What is left out is as the Business Center has it.
fn checkout(exchange: &Exchange<'_>, earlier: bool) -> Result<Value> {
    let input = exchange.input;
    let mut networks = input.texts("allowed_card_networks");
    if earlier && networks.is_empty() {
        networks.extend(CARD_NETWORKS);
    }
    let types = input.texts("allowed_payment_types");
    let amount = json!({
        "totalAmount": input.required_decimal("amount")?,
        "currency": input.required_text("currency")?.to_ascii_uppercase(),
    });
    Ok(encoding::sparse(json!({
        "targetOrigins": input.texts("target_origins"),
        "clientVersion": input.text("client_version"),
        "allowedCardNetworks": (!networks.is_empty()).then_some(networks),
        "allowedPaymentTypes": (!types.is_empty()).then_some(types),
        "country": input.required_text("country")?.to_ascii_uppercase(),
        "locale": input.required_text("locale")?,
        "buttonType": input.text("button_type"),
        "captureMandate": input.value("capture_mandate"),
        "completeMandate": input.value("complete_mandate"),
        "data": { "orderInformation": { "amountDetails": amount } },
    })))
}

/// A field in this list is required unless its `required` is false.
fn card_fields() -> Value {
    let optional = json!({ "required": false });
    json!({ "paymentInformation": { "card": {
        "number": {}, "securityCode": optional, "expirationMonth": {}, "expirationYear": {}, "type": optional,
    } } })
}

fn capture_context(reply: &Reply) -> Result<Token> {
    reply.succeed(refusal)?;
    let text = reply.text()?.trim();
    let jwt = match serde_json::from_str(text) {
        Ok(Value::String(jwt)) => jwt,
        Ok(Value::Object(answer)) if answer.contains_key("encryptedResponse") => {
            return Err(Error::bad_reply("this merchant has response encryption switched on for this call"));
        }
        Ok(answer) => ["/captureContext", "/keyId"]
            .iter()
            .find_map(|at| encoding::text_at(&answer, at).filter(|text| text.split('.').count() == 3))
            .unwrap_or_default()
            .to_owned(),
        Err(_) => text.to_owned(),
    };
    let claims: Claims = encoding::jwt_claims(&jwt)?;
    let expiry = Expiry::inside_jwt(&jwt)?.unwrap_or(Expiry::after_reply(reply, LIFETIME)?);
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
struct Claims {
    #[serde(default, deserialize_with = "encoding::lenient")]
    ctx: Vec<Context>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default, deserialize_with = "encoding::lenient")]
    data: Library,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Library {
    #[serde(default, deserialize_with = "encoding::lenient")]
    client_library: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
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
