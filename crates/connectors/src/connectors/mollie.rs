//! Mollie: a session for its Components, a payment's checkout page, or an Apple Pay merchant
//! session.
//! <https://docs.mollie.com/reference/create-session>

use http::Uri;

use crate::input::kind::with_decimals;
use crate::prelude::*;

/// The lifetime of a session whose answer has no `expiresAt`, in seconds.
const SESSION_LIFETIME: u32 = 900;
/// The lifetime of an Apple Pay session, in seconds. A later `expiresAt` in it does not count.
const APPLE_PAY_LIFETIME: u32 = 300;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    profile_token: Option<String>,
}

/// The currencies without decimals; all others that the vendor lists have two.
/// <https://docs.mollie.com/docs/currencies>
const WHOLE: &[&str] = &["ISK", "JPY"];

const PAYMENT: &[Input] = &[
    Input::decimal("amount").required(),
    Input::currency("currency").required(),
    Input::text("description").required(),
    Input::url("return_url").required(),
    Input::one_of("sequence_type", &["oneoff", "first"]),
    Input::text("customer_id"),
    Input::objects("lines"),
    Input::object("billing_address"),
    Input::object("shipping_address"),
    Input::url("webhook_url"),
];

pub(super) struct Mollie;

impl Connector for Mollie {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "mollie",
        name: "Mollie",
        docs: "https://docs.mollie.com/reference/create-session",
        unconfirmed: &[
            "Sessions are in private beta: the account must be admitted, and the vendor may still change them.",
            "A session lives for 15 minutes in the vendor's example; the schema does not say so.",
            "An Apple Pay session is taken to live for five minutes, the shorter of the two lifetimes that the vendor writes of.",
            "Metadata is taken to be any JSON; its bounds are ours.",
            "An amount of zero makes a first payment that verifies and stores a card.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.mollie.com", "https://api.mollie.com")],
        credentials: &[required("api_key"), optional("profile_token").public()],
        grants: &[
            client_grant(
                "session",
                "run Mollie Components for this one order",
                Lifetime::Fixed(SESSION_LIFETIME),
                session,
            )
            .by_default()
            .inputs(PAYMENT)
            .metadata_json(20, 40, 500),
            client_grant("payment", "open Mollie's checkout page for this payment", Lifetime::InReply, payment)
                .inputs(PAYMENT)
                .metadata_json(20, 40, 500),
            client_grant(
                "apple_pay_session",
                "complete Apple Pay's merchant validation once",
                Lifetime::Fixed(APPLE_PAY_LIFETIME),
                apple_pay_session,
            )
            .inputs(&[Input::url("validation_url").required(), Input::text("domain").required()]),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.api_key.expose().split_once('_') {
            Some(("test", _)) => Some(Mode::Test),
            Some(("live", _)) => Some(Mode::Live),
            _ => None,
        }
    }
}

fn session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/v2/sessions", session_body(exchange)?),
        [reply, ..] => {
            let made: Made = reply.accept(refusal)?;
            let expiry = match made.expires_at {
                Some(date) => Expiry::at_date(&date)?,
                None => Expiry::after_reply(reply, SESSION_LIFETIME)?,
            };
            let token = Token::new(&made.client_access_token.unwrap_or_default(), "client_access_token", expiry)?;
            Ok(Step::Done(token.client("session_id", made.id)))
        }
    }
}

fn payment(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/v2/payments", payment_body(exchange)?),
        [reply, ..] => {
            let made: Made = reply.accept(refusal)?;
            let expiry = Expiry::at_date(&made.expires_at.unwrap_or_default())?;
            let url = encoding::text_at(&made.links, "/checkout/href").unwrap_or_default();
            Ok(Step::Done(Token::new(url, "checkout_url", expiry)?.client("payment_id", made.id)))
        }
    }
}

fn apple_pay_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let url = input.required_text("validation_url")?;
            if !url.parse::<Uri>().is_ok_and(|url| is_apples(&url)) {
                return Err(Error::invalid_input("validation_url", "must be https and on a host of apple.com"));
            }
            let mut body = Map::new();
            body.insert("validationUrl".into(), json!(url));
            body.insert("domain".into(), json!(input.required_text("domain")?));
            post(credentials, exchange, "/v2/wallets/applepay/sessions", body)
        }
        [reply, ..] => {
            let session: Map<String, Value> = reply.accept(refusal)?;
            if !session.contains_key("merchantSessionIdentifier") {
                return Err(Error::bad_reply("Mollie's answer is no Apple Pay session"));
            }
            let expiry = apple_pay_expiry(reply, &session)?;
            // Only Apple reads the session, so the client gets the whole of it.
            Ok(Step::Done(Token::new(&Value::Object(session).to_string(), "apple_pay_session", expiry)?))
        }
    }
}

/// The session's own end, or that of the documented lifetime where it is earlier.
fn apple_pay_expiry(reply: &Reply, session: &Map<String, Value>) -> Result<Expiry> {
    let documented = Expiry::after_reply(reply, APPLE_PAY_LIFETIME)?;
    let own = match session.get("expiresAt") {
        None | Some(Value::Null) => return Ok(documented),
        Some(end) => end.as_i64().ok_or_else(|| Error::bad_reply("the Apple Pay session's end cannot be read"))?,
    };
    let own = Expiry::at_epoch_ms(own)?;
    Ok(if own.epoch() < documented.epoch() { own } else { documented })
}

fn is_apples(url: &Uri) -> bool {
    url.scheme_str() == Some("https") && url.host().is_some_and(|host| host.ends_with(".apple.com"))
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, mut body: Map<String, Value>) -> Result<Step> {
    // An organization's token is valid for several profiles and in both modes, so the call names
    // both; an API key belongs to one profile and one mode.
    if credentials.api_key.expose().starts_with("access_") {
        let Some(profile) = &credentials.profile_token else {
            return Err(Error::invalid_credential("profile_token", "an organization's access token needs it"));
        };
        body.insert("profileId".into(), json!(profile));
        body.insert("testmode".into(), json!(exchange.mode == Mode::Test));
    }
    Call::post(exchange.url(path)?)
        .bearer(credentials.api_key.expose())
        .header("idempotency-key", exchange.idempotency_key)
        .json(&body)
        .repeatable()
        .send()
}

fn session_body(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let amount = amount(exchange)?;
    let mut body = order(exchange, &amount)?;
    body.entry("lines").or_insert_with(|| {
        let description = input.text("description");
        json!([{ "description": description, "quantity": 1, "unitPrice": amount, "totalAmount": amount }])
    });
    // In a session the webhook belongs to the payment that the session makes later.
    if let Some(url) = input.text("webhook_url") {
        body.insert("payment".into(), json!({ "webhookUrl": url }));
    }
    Ok(body)
}

fn payment_body(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let mut body = order(exchange, &amount(exchange)?)?;
    exchange.input.copy_into(&mut body, &[("webhook_url", "webhookUrl")]);
    Ok(body)
}

fn amount(exchange: &Exchange<'_>) -> Result<Value> {
    let currency = exchange.input.required_text("currency")?.to_ascii_uppercase();
    let value = exchange.input.required_amount("amount", decimals(&currency))?;
    Ok(json!({ "currency": currency, "value": value }))
}

/// The members that sessions and payments share.
fn order(exchange: &Exchange<'_>, amount: &Value) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut metadata = input.metadata_json();
    metadata.entry("ref").or_insert_with(|| exchange.reference.into());
    let mut body = Map::new();
    body.insert("amount".into(), amount.clone());
    body.insert("metadata".into(), json!(metadata));
    input.copy_into(
        &mut body,
        &[
            ("description", "description"),
            ("return_url", "redirectUrl"),
            ("sequence_type", "sequenceType"),
            ("customer_id", "customerId"),
            ("billing_address", "billingAddress"),
            ("shipping_address", "shippingAddress"),
        ],
    );
    if let Some(Value::Array(lines)) = input.value("lines") {
        let lines: Vec<Value> = lines.iter().map(line).collect::<Option<_>>().ok_or_else(|| {
            Error::invalid_input("lines", "amounts must have a currency and a value with at most its decimals")
        })?;
        body.insert("lines".into(), lines.into());
    }
    Ok(body)
}

fn decimals(currency: &str) -> usize {
    if WHOLE.contains(&currency) { 0 } else { 2 }
}

/// A line whose amounts have their currency's decimals.
fn line(line: &Value) -> Option<Value> {
    let mut line = line.clone();
    for amount in line.as_object_mut()?.values_mut().filter(|member| member.get("value").is_some()) {
        let currency = amount.get("currency")?.as_str()?.to_ascii_uppercase();
        let value = with_decimals(amount.get("value")?, decimals(&currency))?;
        *amount = json!({ "currency": currency, "value": value });
    }
    Some(line)
}

/// A session or a payment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: String,
    client_access_token: Option<String>,
    expires_at: Option<String>,
    #[serde(rename = "_links", default)]
    links: Value,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/status", "/title"], &["/detail"], &["/field"])
}
