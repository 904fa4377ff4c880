//! Xendit: a payment session for its Components or its hosted page, to save a payment method or to pay.
//! <https://docs.xendit.co/apidocs/create-session>

use crate::prelude::*;

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
}

const LIFETIME: Lifetime = Lifetime::Fixed(1800);
/// What a link takes, then what pays, what both take, and what Components take.
const INPUTS: &[Input] = &[
    Input::url("success_return_url").required(),
    Input::url("cancel_return_url").required(),
    Input::decimal("amount"),
    Input::one_of("allow_save_payment_method", &["DISABLED", "OPTIONAL", "FORCED"]),
    Input::currency("currency").required(),
    Input::country("country").required(),
    Input::object("customer"),
    Input::text("customer_id"),
    Input::text("for_user_id"),
    Input::text("locale"),
    Input::text_of("description", 1000),
    Input::objects("items"),
    Input::object("channel_properties"),
    Input::texts("allowed_payment_channels"),
    Input::origins("origins", 20).required(),
];
const LINK: &[Input] = INPUTS.split_at(14).0;
const PAY: &[Input] = INPUTS.split_at(2).1;
const SAVE: &[Input] = INPUTS.split_at(4).1;
const CUSTOMER: &[&[&str]] = &[&["customer"], &["customer_id"]];

pub struct Xendit;

impl Connector for Xendit {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "xendit",
        name: "Xendit",
        docs: "https://docs.xendit.co/apidocs/create-session",
        unconfirmed: &["The error codes and the status 201.", "The bounds on metadata."],
        hosts: &[Host::main("https://api.xendit.co", "https://api.xendit.co")],
        credentials: &[required("api_key")],
        grants: &[
            Grant::client_unconverted(
                "components_session_save",
                "save a payment method of one customer; no money moves",
                LIFETIME,
            )
            .by_default()
            .inputs(SAVE)
            .one_of(CUSTOMER)
            .metadata(50, 40, 500),
            Grant::client_unconverted("components_session_pay", "pay that one amount", LIFETIME)
                .inputs(PAY)
                .one_of(&[&["amount", "customer"], &["amount", "customer_id"]])
                .metadata(50, 40, 500),
            Grant::client_unconverted(
                "payment_link_session",
                "pay that one amount on Xendit's page, or without one save a payment method there",
                LIFETIME,
            )
            .inputs(LINK)
            .one_of(CUSTOMER)
            .metadata(50, 40, 500),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.api_key.expose().split('_').collect::<Vec<_>>().as_slice() {
            ["xnd", "development", ..] => Some(Mode::Test),
            ["xnd", "production", ..] => Some(Mode::Live),
            _ => None,
        }
    }

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let session_type = if exchange.input.value("amount").is_some() { "PAY" } else { "SAVE" };
        match exchange.replies {
            // A reference is refused the second time, so a repetition would hide the answer to the first.
            [] => {
                let call = Call::post(exchange.url("/sessions")?).basic(credentials.api_key.expose(), "");
                let call = match exchange.input.text("for_user_id") {
                    Some(account) => call.header("for-user-id", account),
                    None => call,
                };
                call.json(&session(exchange, session_type)?).send()
            }
            [reply, ..] => {
                let session: Session = reply.accept(refusal)?;
                if session.session_type != session_type {
                    return Err(Error::bad_reply("Xendit's session is of another type than was asked for"));
                }
                let expiry = Expiry::at_date(&session.expires_at)?;
                let (value, token_type) = match exchange.grant.name {
                    "payment_link_session" => (session.payment_link_url, "payment_link_url"),
                    _ => (session.components_sdk_key, "components_sdk_key"),
                };
                let token = Token::new(&value.unwrap_or_default(), token_type, expiry)?;
                Ok(Step::Done(token.client("payment_session_id", session.payment_session_id)))
            }
        }
    }
}

fn session(exchange: &Exchange<'_>, session_type: &str) -> Result<Map<String, Value>> {
    let input = exchange.input;
    // The names are Xendit's own, but for these two, which have another place.
    let mut body = input.body();
    body.retain(|name, _| !["origins", "for_user_id"].contains(&name.as_str()));
    let amount = input.decimal("amount").unwrap_or("0".into());
    let (units, fraction) = amount.split_once('.').unwrap_or((&amount, ""));
    let amount = match units.parse::<i64>() {
        Ok(units) if fraction.bytes().all(|digit| digit == b'0') => json!(units),
        _ => json!(amount.parse::<f64>().unwrap_or_default()),
    };
    if amount.as_f64() == Some(0.0) && session_type == "PAY" {
        return Err(Error::invalid_input("amount", "a session that pays needs more than zero"));
    }
    body.insert("amount".into(), amount);
    body.insert("reference_id".into(), json!(exchange.reference));
    body.insert("session_type".into(), json!(session_type));
    for name in ["currency", "country"] {
        body.insert(name.into(), json!(input.text(name).unwrap_or_default().to_ascii_uppercase()));
    }
    if exchange.grant.name == "payment_link_session" {
        body.insert("mode".into(), json!("PAYMENT_LINK"));
    } else {
        body.insert("mode".into(), json!("COMPONENTS"));
        body.insert("components_configuration".into(), json!({ "origins": input.value("origins") }));
    }
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), json!(input.metadata));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Session {
    payment_session_id: String,
    session_type: String,
    expires_at: String,
    components_sdk_key: Option<String>,
    payment_link_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    error_code: Option<String>,
    message: Option<String>,
    errors: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fault {
    path: String,
    message: String,
}

fn refusal(reply: &Reply) -> Refusal {
    let Failure { error_code, message, errors } = reply.lenient();
    let fault = errors.into_iter().next();
    Refusal::new(error_code, message).reason(fault.map(|Fault { path, message }| format!("{path}: {message}")))
}
