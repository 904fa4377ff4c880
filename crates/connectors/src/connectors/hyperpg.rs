//! HyperPG (Juspay): client auth tokens, bound to one customer or one order, that the SDK uses in place of the API key.
//! <https://juspay.io/in/docs/api-reference/docs/express-checkout/getcustomer>

use std::{borrow::Cow, collections::BTreeMap};

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(900);
/// Without this, old accounts leave the token out of the answer.
const VERSION: &str = "2018-07-01";
const MAX_ORDER_ID: usize = 21;
const ASK: &str = "options.get_client_auth_token";
const CUSTOMER_ID: Input = Input::text("customer_id").required();
const CUSTOMER: &[Input] = &[
    CUSTOMER_ID,
    Input::text("mobile_number"),
    Input::text("email_address"),
    Input::text("first_name"),
    Input::text("last_name"),
    Input::text("mobile_country_code"),
];
/// With any of these the customer is created in the same step, unless it is known.
const CONTACT: &[Input] = CUSTOMER.split_at(1).1;
const PAYMENT: &[Input] = &[
    Input::currency("currency").required(),
    CUSTOMER_ID,
    Input::decimal("amount").required(),
    Input::text_of("order_id", MAX_ORDER_ID),
    Input::text("customer_email"),
    Input::text("customer_phone"),
    Input::url("return_url"),
    Input::text("payment_page_client_id").required(),
    Input::text("action"),
];
const ORDER: &[Input] = PAYMENT.split_at(7).0;
const SESSION: &[Input] = PAYMENT.split_at(1).1;

#[derive(Deserialize)]
pub struct Credentials {
    username: Secret,
    merchant_id: String,
}

pub struct Hyperpg;

impl Connector for Hyperpg {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "hyperpg",
        name: "HyperPG",
        docs: "https://juspay.io/in/docs/api-reference/docs/express-checkout/getcustomer",
        unconfirmed: &["That the HyperPG hosts serve /customers and /session, as Juspay's own do."],
        hosts: &[Host::main("https://api.hyperpg.in", "https://sandbox.hyperpg.in")],
        credentials: &[required("username"), optional("password"), required("merchant_id").public()],
        grants: &[
            Grant::client_unconverted(
                "customer_client_auth_token",
                "list, store and pay with that customer's payment methods in the SDK",
                LIFETIME,
            )
            .by_default()
            .inputs(CUSTOMER),
            Grant::client_unconverted("order_client_auth_token", "pay that one order in the SDK", LIFETIME)
                .inputs(ORDER),
            Grant::client_unconverted(
                "session_sdk_payload",
                "open the hosted checkout SDK for that one order",
                LIFETIME,
            )
            .inputs(SESSION),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match (exchange.grant.name, exchange.replies) {
            ("customer_client_auth_token", []) => customer(credentials, exchange),
            ("order_client_auth_token", []) => {
                let form = order(exchange)?.iter().fold(FormBody::new(), |form, (name, value)| form.field(name, value));
                let form = form.field(ASK, "true");
                identified(credentials, exchange, Call::post(exchange.url("/orders")?)).form(form).send()
            }
            (_, []) => {
                let mut body = order(exchange)?;
                body.entry("action").or_insert("paymentPage".into());
                identified(credentials, exchange, Call::post(exchange.url("/session")?)).json(&body).send()
            }
            ("session_sdk_payload", [reply, ..]) => {
                let sdk = reply.accept::<Session>(refusal)?.sdk_payload;
                let bound = sdk.get("payload").and_then(|payload| BoundConnector::deserialize(payload).ok());
                let bound = bound.ok_or_else(|| Error::bad_reply("the SDK payload has no client auth token in it"))?;
                Ok(Step::Done(token(&bound)?.client("sdk_payload", sdk.to_string())))
            }
            (grant, [reply, ..]) => {
                let token = token(&reply.accept::<Answer>(refusal)?.juspay)?;
                Ok(Step::Done(match grant {
                    "order_client_auth_token" => token.client("order_id", order_id(exchange)?),
                    _ => token,
                }))
            }
        }
    }
}

fn identified(credentials: &Credentials, exchange: &Exchange<'_>, call: Call) -> Call {
    call.basic(credentials.username.expose(), "")
        .header("x-merchantid", &credentials.merchant_id)
        .header("version", VERSION)
        .header("x-routing-id", exchange.input.text("customer_id").unwrap_or_default())
}

fn customer(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let id = input.text("customer_id").unwrap_or_default();
    if CONTACT.iter().all(|contact| input.value(contact.name).is_none()) {
        let path = format!("/customers/{}?{ASK}=true", Exchange::segment(id));
        return identified(credentials, exchange, Call::get(exchange.url(&path)?)).send();
    }
    let form = FormBody::new().field("object_reference_id", id).field(ASK, "true");
    let form = CONTACT.iter().fold(form, |form, contact| form.maybe(contact.name, input.text(contact.name)));
    identified(credentials, exchange, Call::post(exchange.url("/customers")?)).form(form).repeatable().send()
}

/// The members of an order or a session: the inputs by their own names, and the reference where the caller gave no id.
fn order<'a>(exchange: &Exchange<'a>) -> Result<BTreeMap<&'a str, String>> {
    let input = exchange.input;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut members: BTreeMap<&str, String> = input.iter().map(|(name, value)| (name, text(value))).collect();
    members.insert("order_id", order_id(exchange)?.into_owned());
    members.entry("currency").and_modify(|currency| currency.make_ascii_uppercase());
    Ok(members)
}

fn order_id<'a>(exchange: &'a Exchange<'_>) -> Result<Cow<'a, str>> {
    match exchange.input.text("order_id") {
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id.into()),
        Some(_) => Err(Error::invalid_input("order_id", "must be letters and digits")),
        None => Ok(exchange.reference_within(MAX_ORDER_ID, "")),
    }
}

fn token(bound: &BoundConnector) -> Result<Token> {
    Token::new(&bound.client_auth_token, "client_auth_token", Expiry::at_date(&bound.client_auth_token_expiry)?)
}

#[derive(Deserialize)]
struct Answer {
    juspay: BoundConnector,
}

#[derive(Deserialize)]
struct Session {
    sdk_payload: Value,
}

#[derive(Deserialize)]
struct BoundConnector {
    #[serde(alias = "clientAuthToken")]
    client_auth_token: String,
    #[serde(alias = "clientAuthTokenExpiry")]
    client_auth_token_expiry: String,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(
        reply,
        &["/error_code", "/error_info/code"],
        &["/error_message", "/error_info/user_message"],
        &["/error_info/developer_message"],
    );
    let wrong = matches!(refusal.code.as_deref(), Some("access_denied" | "unauthorized"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
