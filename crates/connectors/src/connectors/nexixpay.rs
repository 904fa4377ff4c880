//! Nexi `XPay`: the hosted page of an order, to verify a card or to pay, or its iframe fields for
//! the merchant's page.
//! <https://developer.nexigroup.com/xpayglobal/en-EU/api/payment-api-v1/>
//!
//! A security token comes with the order. It proves to the shop that a notification is Nexi's, so
//! the payer must not have it.
//! <https://developer.nexigroup.com/xpayintesa/en-EU/docs/security-best-practices/>

use std::borrow::Cow;

use crate::prelude::*;

/// The longest id of an order, in characters: 18 in Nexi's portal for Italy and in its own shop
/// plugin, 27 in the document of Build.
const MAX_ORDER_ID: usize = 18;
/// The language where the caller names none (ISO 639-2). Nexi's portal requires one; this is its
/// own default.
const DEFAULT_LANGUAGE: &str = "ita";
const PATH: &str = "/api/phoenix-0.0/psp/api/v1/orders";

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const AMOUNT: Input = Input::minor_units("amount").required();
const ACTION_TYPE: Input = Input::one_of("action_type", &["PAY", "PREAUTH"]);
const CURRENCY: Input = Input::currency("currency").required();
const RETURN_URL: Input = Input::url("return_url").required();
const CANCEL_URL: Input = Input::url("cancel_url");
const NOTIFICATION_URL: Input = Input::url("notification_url");
const LANGUAGE: Input = Input::text_of("language", 3);
const SERVER: &[&str] = &["security_token"];
const ORDER_ID: ClientParameter = ClientParameter::new(
    "order_id",
    "the id of the order at Nexi",
    "no SDK: the shop finds the order and its notification by it",
);
const FIELDS: ClientParameter = ClientParameter::new(
    "fields",
    "the iframes of the card's fields, a JSON list with id and src of each",
    "the src of one iframe for each field on the page",
);
/// The page says that the shop's server keeps the security token and sends the payer to the page.
const PAGE_IS_FOR_THE_PAYER: Source =
    Source::page("https://developer.nexigroup.com/xpaycee/en-EU/docs/hosted-payment-page");
const NEW_ORDER: MintingEndsEarlier = MintingEndsEarlier::No("each call makes an order of its own (Build API 0.7)");

pub(super) struct Nexixpay;

impl Connector for Nexixpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "nexixpay",
        name: "Nexi XPay",
        docs: "https://developer.nexigroup.com/xpayglobal/en-EU/api/payment-api-v1/",
        unconfirmed: &[
            "An amount of zero on the hosted page verifies a card: a sample of the Build document has it, for fields.",
            "The bound of 18 characters on an order's id: the Build document has 27.",
            "That a language must be sent.",
            "Portals for Greece and Eastern Europe list a header Authorization; each known client sends X-API-KEY.",
        ],
        evidence: &[
            Evidence::new(
                "the call for Build: path, headers, members, answer, error body",
                Source::schema("Nexi XPay Build API 0.7, as PagoPA publishes it"),
                "2026-11",
            ),
            Evidence::new(
                "the flow of the hosted page: hostedPage is for the payer, securityToken for the shop's server",
                Source::page("https://developer.nexigroup.com/xpaycee/en-EU/docs/hosted-payment-page"),
                "2026-11",
            ),
            Evidence::new(
                "both hosts, path and members of the hosted page, the language, ids of 18 characters",
                Source::sdk("Nexi XPay for WooCommerce 7.3.4"),
                "2026-11",
            ),
            Evidence::new(
                "at most 18 characters in an order's id, a language as a required member",
                Source::third_party("a client generated from developer.nexi.it in 2024; hyperswitch pull request 8345"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Keys are UUIDs, which tell no environment (samples of the Build document)."),
        hosts: &[Host::main("https://xpay.nexigroup.com", "https://xpaysandbox.nexigroup.com")],
        credentials: &[required("api_key").found_in(
            "XPay Back Office > Admin > APIKey > Add new APIKey: the API key of the terminal",
            Source::third_party("docs.unified.to, Nexi XPay integration"),
        )],
        grants: &[
            client_grant(
                "hpp_verify",
                "verify a card on the hosted page, and with contract_id store it",
                Lifetime::Unpublished,
                hpp_verify,
            )
            .by_default()
            .inputs(&[
                CURRENCY,
                RETURN_URL,
                CANCEL_URL,
                NOTIFICATION_URL,
                LANGUAGE,
                Input::text("contract_id"),
                Input::one_of("contract_type", &["CIT", "MIT_SCHEDULED", "MIT_UNSCHEDULED"]),
                Input::text_of("contract_expiry_date", 10),
                Input::digits("contract_frequency", 4),
            ])
            .worst_case(
                "verify cards, own or stolen, on this one page, and with contract_id store one under that contract",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(PAGE_IS_FOR_THE_PAYER)
            .client_parameters(&[ORDER_ID])
            .server_parameters(SERVER)
            .minting_ends_earlier(NEW_ORDER),
            client_grant("hpp", "pay that one order on the hosted page", Lifetime::Unpublished, hpp)
                .inputs(&[AMOUNT, ACTION_TYPE, CURRENCY, RETURN_URL, CANCEL_URL, NOTIFICATION_URL, LANGUAGE])
                .worst_case("pay that one order, also with a stolen card", &[Bound::Amount, Bound::Object])
                .client_source(PAGE_IS_FOR_THE_PAYER)
                .client_parameters(&[ORDER_ID])
                .server_parameters(SERVER)
                .minting_ends_earlier(NEW_ORDER),
            client_grant(
                "build",
                "pay that one order in iframe fields on the merchant's page",
                Lifetime::Unpublished,
                build,
            )
            .inputs(&[
                Input::origin("merchant_url").required(),
                AMOUNT,
                ACTION_TYPE,
                CURRENCY,
                RETURN_URL,
                CANCEL_URL,
                NOTIFICATION_URL,
                LANGUAGE,
            ])
            .worst_case(
                "pay that one order in its fields, also with a stolen card",
                &[Bound::Amount, Bound::Origin, Bound::Object],
            )
            .client_parameters(&[ORDER_ID, FIELDS])
            .server_parameters(SERVER)
            .minting_ends_earlier(NEW_ORDER),
        ],
    };
}

fn hpp_verify(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    hosted_page(credentials, exchange, &Action::VERIFY)
}

fn hpp(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    hosted_page(credentials, exchange, &Action::pay(exchange)?)
}

fn hosted_page(credentials: &Credentials, exchange: &Exchange<'_>, action: &Action<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let (order, session) = order(exchange, action)?;
            post(credentials, exchange, "hpp", &json!({ "order": order, "paymentSession": session }))
        }
        [reply, ..] => reply.accept::<Started>(refusal)?.token(exchange).map(Step::Done),
    }
}

fn build(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let (order, mut session) = order(exchange, &Action::pay(exchange)?)?;
            session.insert("paymentService".into(), json!("CARDS"));
            let origin = exchange.input.required_text("merchant_url")?;
            let body = json!({ "version": "3", "merchantUrl": origin, "order": order, "paymentSession": session });
            post(credentials, exchange, "build", &body)
        }
        [reply, ..] => reply.accept::<Started>(refusal)?.token(exchange).map(Step::Done),
    }
}

/// The call may not be repeated: Nexi refuses the second use of an order's id, and that refusal
/// would hide the answer to the first.
fn post(credentials: &Credentials, exchange: &Exchange<'_>, page: &str, body: &Value) -> Result<Step> {
    Call::post(exchange.url(&format!("{PATH}/{page}"))?)
        .secret_header("x-api-key", credentials.api_key.expose())
        .header("correlation-id", &exchange.nonce.uuid())
        .json(body)
        .send()
}

/// Nexi refuses an id that it has seen.
fn order_id<'a>(exchange: &'a Exchange<'_>) -> Cow<'a, str> {
    exchange.object_reference(MAX_ORDER_ID, "")
}

/// The action of an order and its amount in minor units.
struct Action<'a> {
    action_type: &'a str,
    amount: i64,
}

impl<'a> Action<'a> {
    const VERIFY: Self = Action { action_type: "VERIFY", amount: 0 };

    fn pay(exchange: &Exchange<'a>) -> Result<Self> {
        let action_type = exchange.input.text("action_type").unwrap_or("PAY");
        Ok(Action { action_type, amount: exchange.input.required_integer("amount")? })
    }
}

/// The members of an order and of its session on the hosted page.
fn order(exchange: &Exchange<'_>, action: &Action<'_>) -> Result<(Value, Map<String, Value>)> {
    let input = exchange.input;
    let amount = action.amount.to_string();
    let return_url = input.required_text("return_url")?;
    let mut session = Map::new();
    input.copy_into(&mut session, &[("notification_url", "notificationUrl")]);
    session.insert("language".into(), json!(input.text("language").unwrap_or(DEFAULT_LANGUAGE)));
    session.insert("actionType".into(), json!(action.action_type));
    session.insert("amount".into(), json!(amount));
    session.insert("resultUrl".into(), json!(return_url));
    session.insert("cancelUrl".into(), json!(input.text("cancel_url").unwrap_or(return_url)));
    session.insert("recurrence".into(), recurrence(exchange)?);
    let currency = input.required_text("currency")?.to_ascii_uppercase();
    Ok((json!({ "orderId": order_id(exchange), "amount": amount, "currency": currency }), session))
}

/// A contract of type `MIT_SCHEDULED` has an end and a number of days between payments.
fn recurrence(exchange: &Exchange<'_>) -> Result<Value> {
    const SCHEDULE: [&str; 2] = ["contract_expiry_date", "contract_frequency"];
    let input = exchange.input;
    let kind = input.text("contract_type").unwrap_or("CIT");
    let given = |name: &str| input.value(name).is_some();
    let Some(id) = input.text("contract_id") else {
        if given("contract_type") || SCHEDULE.into_iter().any(given) {
            return Err(Error::missing_inputs(&["contract_id"], "the others are about a contract"));
        }
        return Ok(json!({ "action": "NO_RECURRING" }));
    };
    let absent: Vec<&str> = SCHEDULE.into_iter().filter(|name| kind == "MIT_SCHEDULED" && !given(name)).collect();
    if !absent.is_empty() {
        return Err(Error::missing_inputs(&absent, "a contract of type MIT_SCHEDULED needs it"));
    }
    Ok(encoding::sparse(json!({
        "action": "CONTRACT_CREATION",
        "contractId": id,
        "contractType": kind,
        "contractExpiryDate": input.text("contract_expiry_date"),
        "contractFrequency": input.decimal("contract_frequency"),
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    security_token: String,
    #[serde(flatten)]
    place: Place,
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Place {
    Page { hosted_page: String },
    Fields { session_id: String, fields: Vec<Value> },
}

impl Started {
    fn token(self, exchange: &Exchange<'_>) -> Result<Token> {
        let token = match self.place {
            Place::Page { hosted_page } => Token::new(&hosted_page, "hosted_page", Expiry::Unpublished)?,
            Place::Fields { session_id, fields } => {
                let token = Token::new(&session_id, "session_id", Expiry::Unpublished)?;
                token.client("fields", Value::from(fields).to_string())
            }
        };
        let is_shown = |value: &str| value.contains(&self.security_token);
        if is_shown(token.value.expose()) || token.client_parameters.iter().any(|(_, value)| is_shown(value)) {
            return Err(Error::bad_reply("Nexi's security token is empty, or stands where the payer sees it"));
        }
        Ok(token.client("order_id", order_id(exchange)).server("security_token", self.security_token))
    }
}

/// The refusal of a key has no body.
fn refusal(reply: &Reply) -> Refusal {
    let faults = encoding::faults_at(&reply.lenient(), "/errors", &["description"]);
    reply.refusal(&["/errors/0/code"], &["/errors/0/description"], &[]).reason(faults)
}
