//! HyperPG (Juspay): client auth tokens, each for one customer or one order, that the SDK uses in
//! place of the API key.
//! <https://juspay.io/in/docs/api-reference/docs/express-checkout/getcustomer>

use std::{borrow::Cow, collections::BTreeMap};

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(900);
/// The version of the API, as npm expresscheckout-nodejs 1.0.0 sends it. Without one, answers to old
/// accounts lack the token.
const VERSION: &str = "2019-05-07";
/// An order's id has fewer than 21 letters and digits, in a session fewer than 18 (npm
/// expresscheckout-nodejs 1.0.0, types of Order and Session).
const MAX_ORDER_ID: usize = 20;
const MAX_SESSION_ORDER_ID: usize = 17;
/// The least length of a new customer's id (the same package, type of Customer).
const MIN_CUSTOMER_ID: usize = 8;
const SDK: Source = Source::sdk("npm expresscheckout-nodejs 1.0.0");
const TOKEN_PAGE: Source = Source::page(
    "https://juspay.io/api-reference/docs/visa-agentic-transactions/authentication-using-client-auth-token",
);
const MERCHANT: ClientParameter =
    ClientParameter::new("merchant_id", "the merchant", "merchantId in the payload of initiate");
const ENVIRONMENT: ClientParameter =
    ClientParameter::new("environment", "sandbox or prod", "environment in the payload of initiate");
/// The parameter that requests a client auth token.
const GET_TOKEN: &str = "options.get_client_auth_token";
const CUSTOMER_ID: Input = Input::text("customer_id").required();
const CUSTOMER: &[Input] = &[
    CUSTOMER_ID,
    Input::text("mobile_number"),
    Input::text("email_address"),
    Input::text("first_name"),
    Input::text("last_name"),
    Input::text("mobile_country_code"),
];
/// With any of these inputs the call creates the customer, unless the connector knows the id.
const CONTACT: &[&str] = &["mobile_number", "email_address", "first_name", "last_name", "mobile_country_code"];
const AMOUNT: Input = Input::decimal("amount").required();
const CUSTOMER_EMAIL: Input = Input::text("customer_email");
const CUSTOMER_PHONE: Input = Input::text("customer_phone");
const RETURN_URL: Input = Input::url("return_url");
const ORDER: &[Input] = &[
    Input::currency("currency").required(),
    CUSTOMER_ID,
    AMOUNT,
    Input::text_of("order_id", MAX_ORDER_ID),
    CUSTOMER_EMAIL,
    CUSTOMER_PHONE,
    RETURN_URL,
];
const SESSION: &[Input] = &[
    CUSTOMER_ID,
    AMOUNT,
    Input::text_of("order_id", MAX_SESSION_ORDER_ID),
    CUSTOMER_EMAIL,
    CUSTOMER_PHONE,
    RETURN_URL,
    Input::text("payment_page_client_id").required(),
    Input::text("action"),
];

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    merchant_id: String,
}

pub(super) struct Hyperpg;

impl Connector for Hyperpg {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "hyperpg",
        name: "HyperPG",
        docs: "https://juspay.io/in/docs/api-reference/docs/express-checkout/getcustomer",
        unconfirmed: &[
            "That the HyperPG hosts serve /customers, /orders and /session, as Juspay's own do.",
            "The header x-routing-id.",
        ],
        evidence: &[
            Evidence::new("paths, headers, forms, the option of the token and the bounds of ids", SDK, "2026-11"),
            Evidence::new(
                "the two scopes of a token, and the calls that make it",
                TOKEN_PAGE,
                "2026-11",
            ),
            Evidence::new(
                "the values with which a client initiates the SDK",
                Source::third_party("npm hyper-sdk-types 0.0.10"),
                "2026-11",
            ),
            Evidence::new(
                "the lifetime of 15 minutes and the form of the expiry",
                Source::page("https://juspay.io/in/docs/upi-tpap-sdk/cordova/miscellaneous/session-expiry"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("API keys have no form that Juspay's pages or its SDK document."),
        hosts: &[Host::main("https://api.hyperpg.in", "https://sandbox.hyperpg.in")],
        credentials: &[required("username"), optional("password"), required("merchant_id").public()],
        grants: &[
            client_grant(
                "customer_client_auth_token",
                "list, store, delete and pay with that customer's payment methods in the SDK",
                LIFETIME,
                customer_client_auth_token,
            )
            .by_default()
            .inputs(CUSTOMER)
            .worst_case(
                "make each call of that customer: list, store and delete cards and wallets, and pay the customer's orders",
                &[Bound::Customer],
            )
            .client_source(TOKEN_PAGE)
            .client_parameters(&[MERCHANT, ENVIRONMENT]),
            client_grant("order_client_auth_token", "pay that one order in the SDK", LIFETIME, order_client_auth_token)
                .by_default_with("amount")
                .inputs(ORDER)
                .worst_case("pay the order", &[Bound::Amount, Bound::Object])
                .client_source(TOKEN_PAGE)
                .client_parameters(&[
                    MERCHANT,
                    ENVIRONMENT,
                    ClientParameter::new("order_id", "the order", "orderId in the payload of process"),
                ]),
            client_grant(
                "session_sdk_payload",
                "open the hosted checkout SDK for that one order",
                LIFETIME,
                session_sdk_payload,
            )
            .inputs(SESSION)
            .worst_case(
                "pay the order, and see the customer's phone and e-mail in the payload",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("npm hyper-sdk-react 5.0.35, whose process takes the payload"))
            .client_parameters(&[
                MERCHANT,
                ENVIRONMENT,
                ClientParameter::new(
                    "sdk_payload",
                    "the payload of the session as JSON, with the token in it",
                    "HyperSdkReact.process(payload)",
                ),
            ]),
        ],
    };
}

fn customer_client_auth_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => customer(credentials, exchange),
        [reply, ..] => {
            let token = token(&reply.accept::<Answer>(refusal)?.juspay)?;
            Ok(Step::Done(initiated(token, credentials, exchange)))
        }
    }
}

fn order_client_auth_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = order(exchange, MAX_ORDER_ID)?
                .iter()
                .fold(FormBody::new(), |form, (name, value)| form.field(name, value));
            let form = form.field(GET_TOKEN, "true");
            identified(credentials, exchange, Call::post(exchange.url("/orders")?))?.form(form).send()
        }
        [reply, ..] => {
            let token = token(&reply.accept::<Answer>(refusal)?.juspay)?;
            let token = initiated(token, credentials, exchange);
            Ok(Step::Done(token.client("order_id", order_id(exchange, MAX_ORDER_ID)?)))
        }
    }
}

fn session_sdk_payload(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = order(exchange, MAX_SESSION_ORDER_ID)?;
            body.entry("action").or_insert("paymentPage".into());
            identified(credentials, exchange, Call::post(exchange.url("/session")?))?.json(&body).send()
        }
        [reply, ..] => {
            let sdk = reply.accept::<Session>(refusal)?.sdk_payload;
            let auth = sdk.get("payload").and_then(|payload| ClientAuth::deserialize(payload).ok());
            let auth = auth.ok_or_else(|| Error::bad_reply("the SDK payload has no client auth token in it"))?;
            let token = initiated(token(&auth)?, credentials, exchange);
            Ok(Step::Done(token.client("sdk_payload", sdk.to_string())))
        }
    }
}

/// The headers of every call; `x-routing-id` holds the customer's id.
fn identified(credentials: &Credentials, exchange: &Exchange<'_>, call: Call) -> Result<Call> {
    Ok(call
        .basic(credentials.username.expose(), "")
        .header("x-merchantid", &credentials.merchant_id)
        .header("version", VERSION)
        .header("x-routing-id", exchange.input.required_text("customer_id")?))
}

fn customer(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let id = input.required_text("customer_id")?;
    if CONTACT.iter().all(|name| input.value(name).is_none()) {
        let path = format!("/customers/{}?{GET_TOKEN}=true", Exchange::segment(id));
        return identified(credentials, exchange, Call::get(exchange.url(&path)?))?.send();
    }
    if id.chars().count() < MIN_CUSTOMER_ID {
        let bound = format!("a new customer's id has at least {MIN_CUSTOMER_ID} characters");
        return Err(Error::invalid_input("customer_id", bound));
    }
    let form = FormBody::new().field("object_reference_id", id).field(GET_TOKEN, "true");
    let form = CONTACT.iter().fold(form, |form, name| form.maybe(name, input.text(name)));
    identified(credentials, exchange, Call::post(exchange.url("/customers")?))?.form(form).repeatable().send()
}

/// The members of an order or a session: the inputs under their own names. Where the caller gave no
/// order id, the reference takes its place.
fn order<'a>(exchange: &Exchange<'a>, max: usize) -> Result<BTreeMap<&'a str, String>> {
    let input = exchange.input;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut members: BTreeMap<&str, String> = input.iter().map(|(name, value)| (name, text(value))).collect();
    members.insert("order_id", order_id(exchange, max)?.into_owned());
    members.entry("currency").and_modify(|currency| currency.make_ascii_uppercase());
    Ok(members)
}

/// Letters and digits, whose case Juspay does not tell apart: a reference with capitals is digested.
fn order_id<'a>(exchange: &'a Exchange<'_>, max: usize) -> Result<Cow<'a, str>> {
    match exchange.input.text("order_id") {
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id.into()),
        Some(_) => Err(Error::invalid_input("order_id", "must be letters and digits")),
        None => match exchange.object_reference_without_key(max, "") {
            id if id.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Ok(hex::encode(crypto::sha256(&[id.as_bytes()])).chars().take(max).collect::<String>().into())
            }
            id => Ok(id),
        },
    }
}

fn token(auth: &ClientAuth) -> Result<Token> {
    Token::new(&auth.client_auth_token, "client_auth_token", Expiry::at_date(&auth.client_auth_token_expiry)?)
}

/// Adds the values with which a client initiates the SDK.
fn initiated(token: Token, credentials: &Credentials, exchange: &Exchange<'_>) -> Token {
    let environment = if exchange.mode == Mode::Live { "prod" } else { "sandbox" };
    token.client("merchant_id", &credentials.merchant_id).client("environment", environment)
}

#[derive(Deserialize)]
struct Answer {
    juspay: ClientAuth,
}

#[derive(Deserialize)]
struct Session {
    sdk_payload: Value,
}

#[derive(Deserialize)]
struct ClientAuth {
    #[serde(alias = "clientAuthToken")]
    client_auth_token: String,
    #[serde(alias = "clientAuthTokenExpiry")]
    client_auth_token_expiry: String,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/error_code", "/error_info/code"],
        &["/error_message", "/error_info/user_message"],
        &["/error_info/developer_message"],
    );
    let wrong = matches!(refusal.code.as_deref(), Some("access_denied" | "unauthorized"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
