//! Nexi `XPay`: an order's hosted page, to verify a card or to pay, or its iframe fields for the merchant's page.
//! <https://developer.nexigroup.com/xpayglobal/en-EU/api/payment-api-v1/>
//!
//! The security token that comes with it proves to the shop that a notification is Nexi's: the payer must not have it.
//! <https://developer.nexigroup.com/xpayintesa/en-EU/docs/security-best-practices/>

use std::borrow::Cow;

use crate::prelude::*;

/// The bound on an order's id, in characters: Nexi's portal for Italy and its own shop plugin have 18, the Build document 27.
const MAX_ORDER_ID: usize = 18;
/// ISO 639-2. Nexi's portal requires a language; this is the one that it takes where none is sent.
const LANGUAGE: &str = "ita";
const PATH: &str = "/api/phoenix-0.0/psp/api/v1/orders";

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
}

/// What Build takes, then what pays, what all take, and what verifies.
const INPUTS: &[Input] = &[
    Input::origin("merchant_url").required(),
    Input::minor_units("amount").required(),
    Input::one_of("action_type", &["PAY", "PREAUTH"]),
    Input::currency("currency").required(),
    Input::url("return_url").required(),
    Input::url("cancel_url"),
    Input::url("notification_url"),
    Input::text_of("language", 3),
    Input::text("contract_id"),
    Input::one_of("contract_type", &["CIT", "MIT_SCHEDULED", "MIT_UNSCHEDULED"]),
    Input::text_of("contract_expiry_date", 10),
    Input::digits("contract_frequency", 4),
];
const BUILD: &[Input] = INPUTS.split_at(8).0;
const PAY: &[Input] = BUILD.split_at(1).1;
const VERIFY: &[Input] = INPUTS.split_at(3).1;
const SERVER: &[&str] = &["security_token"];

pub struct Nexixpay;

impl Connector for Nexixpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "nexixpay",
        name: "Nexi XPay",
        docs: "https://developer.nexigroup.com/xpayglobal/en-EU/api/payment-api-v1/",
        unconfirmed: &[
            "An amount of zero verifies a card.",
            "The bound of 18 characters on an order's id: the Build document has 27.",
            "That a language must be sent.",
        ],
        hosts: &[Host::main("https://xpay.nexigroup.com", "https://xpaysandbox.nexigroup.com")],
        credentials: &[required("api_key")],
        grants: &[
            Grant::client_unconverted(
                "hpp_verify",
                "verify a card on the hosted page, and with contract_id store it",
                Lifetime::Unpublished,
            )
            .by_default()
            .inputs(VERIFY)
            .server_parameters(SERVER),
            Grant::client_unconverted("hpp", "pay that one order on the hosted page", Lifetime::Unpublished)
                .inputs(PAY)
                .server_parameters(SERVER),
            Grant::client_unconverted(
                "build",
                "pay that one order in iframe fields on the merchant's page",
                Lifetime::Unpublished,
            )
            .inputs(BUILD)
            .server_parameters(SERVER),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let page = if exchange.grant.name == "build" { "build" } else { "hpp" };
        match exchange.replies {
            // An order's id is refused the second time, so a repetition would hide the answer to the first.
            [] => Call::post(exchange.url(&format!("{PATH}/{page}"))?)
                .secret_header("x-api-key", credentials.api_key.expose())
                .header("correlation-id", &exchange.nonce.uuid())
                .json(&order(exchange)?)
                .send(),
            [reply, ..] => reply.accept::<Started>(refusal)?.token(exchange).map(Step::Done),
        }
    }
}

fn order_id<'a>(exchange: &'a Exchange<'_>) -> Cow<'a, str> {
    exchange.reference_within(MAX_ORDER_ID, "")
}

fn order(exchange: &Exchange<'_>) -> Result<Value> {
    let input = exchange.input;
    let amount = input.integer("amount").unwrap_or(0).to_string();
    let mut session = Map::new();
    input.copy_into(&mut session, &[("notification_url", "notificationUrl")]);
    session.insert("language".into(), json!(input.text("language").unwrap_or(LANGUAGE)));
    let action =
        if exchange.grant.name == "hpp_verify" { "VERIFY" } else { input.text("action_type").unwrap_or("PAY") };
    session.insert("actionType".into(), json!(action));
    session.insert("amount".into(), json!(amount));
    session.insert("resultUrl".into(), json!(input.text("return_url")));
    session.insert("cancelUrl".into(), json!(input.text("cancel_url").or(input.text("return_url"))));
    session.insert("recurrence".into(), recurrence(exchange)?);
    let currency = input.text("currency").map(str::to_ascii_uppercase);
    let order = json!({ "orderId": order_id(exchange), "amount": amount, "currency": currency });
    Ok(match input.text("merchant_url") {
        None => json!({ "order": order, "paymentSession": session }),
        Some(origin) => {
            session.insert("paymentService".into(), json!("CARDS"));
            json!({ "version": "3", "merchantUrl": origin, "order": order, "paymentSession": session })
        }
    })
}

/// A contract by schedule has an end and a number of days between payments.
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

/// A refused key comes without a body.
fn refusal(reply: &Reply) -> Refusal {
    let faults = encoding::faults_at(&reply.lenient(), "/errors", &["description"]);
    Refusal::read(reply, &["/errors/0/code"], &["/errors/0/description"], &[]).reason(faults)
}
