//! Billwerk+ (Frisbii, Reepay): a checkout session that stores a payment method or takes one payment.
//! <https://docs.frisbii.com/reference/createchargesession>

use crate::prelude::*;

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
}

/// The vendor's own default, three months, is no short life.
const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 7_776_000 };
const INPUTS: &[Input] = &[
    Input::text("customer_handle"),
    Input::object("create_customer"),
    Input::url("accept_url"),
    Input::url("cancel_url"),
    Input::text("locale"),
    Input::text_of("button_text", 32),
    Input::texts("payment_methods"),
    Input::minor_units("amount"),
    Input::objects("order_lines"),
    Input::currency("currency").required(),
    Input::flag("recurring"),
];
/// The same without what pays.
const STORES: &[Input] = INPUTS.split_at(7).0;

pub struct Billwerk;

impl Connector for Billwerk {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "billwerk",
        name: "Billwerk+",
        docs: "https://docs.frisbii.com/reference/createchargesession",
        unconfirmed: &[
            "The bounds on a session's lifetime.",
            "The members of an error body besides code, error and message.",
            "An order's members key and metadata, the bounds on its handle, and those on metadata and button_text.",
            "A charge session with the handle of an earlier order goes on with the same invoice.",
        ],
        hosts: &[Host::main("https://checkout-api.reepay.com", "https://checkout-api.reepay.com")],
        credentials: &[required("api_key"), required("public_api_key").public()],
        grants: &[
            Grant::client_unconverted(
                "recurring_session",
                "enter and store one payment method of one customer; no money moves",
                LIFETIME,
            )
            .by_default()
            .inputs(STORES)
            .one_of(&[&["customer_handle"], &["create_customer"]]),
            Grant::client_unconverted("charge_session", "pay that one order", LIFETIME)
                .inputs(INPUTS)
                .one_of(&[
                    &["amount", "customer_handle"],
                    &["amount", "create_customer"],
                    &["order_lines", "customer_handle"],
                    &["order_lines", "create_customer"],
                ])
                .metadata(50, 255, 255),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            // Sent once: a second call could make a second customer or meet the first one's order.
            [] => {
                let charges = exchange.grant.name == "charge_session";
                let path = if charges { "/v1/session/charge" } else { "/v1/session/recurring" };
                Call::post(exchange.url(path)?)
                    .basic(credentials.api_key.expose(), "")
                    .header("accept", "application/json")
                    .json(&session(exchange, charges)?)
                    .send()
            }
            [reply, ..] => {
                let session: Session = reply.accept(refusal)?;
                let expiry = Expiry::after_reply(reply, exchange.ttl())?;
                let token = Token::new(&session.id, "session_id", expiry)?;
                Ok(Step::Done(token.client("url", session.url)))
            }
        }
    }
}

fn session(exchange: &Exchange<'_>, charges: bool) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let names = ["accept_url", "cancel_url", "locale", "button_text", "payment_methods", "recurring"];
    let mut body = Map::new();
    input.copy_into(&mut body, &names.map(|name| (name, name)));
    body.insert("ttl".into(), json!(format!("PT{}S", exchange.ttl())));
    if charges {
        let customer = input.value("create_customer").and_then(Value::as_object).cloned();
        let mut customer = customer.unwrap_or_default();
        input.copy_into(&mut customer, &[("customer_handle", "handle")]);
        let mut order = Map::new();
        input.copy_into(&mut order, &["amount", "order_lines"].map(|name| (name, name)));
        order.insert("handle".into(), json!(exchange.reference_of(255, "_.-@")?));
        order.insert("key".into(), json!(exchange.idempotency_key));
        order.insert("currency".into(), json!(input.text("currency").map(str::to_ascii_uppercase)));
        order.insert("customer".into(), customer.into());
        if !input.metadata.is_empty() {
            order.insert("metadata".into(), json!(input.metadata));
        }
        body.insert("order".into(), order.into());
    } else {
        input.copy_into(&mut body, &[("customer_handle", "customer"), ("create_customer", "create_customer")]);
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Session {
    id: String,
    url: String,
}

fn refusal(reply: &Reply) -> Refusal {
    Refusal::read(reply, &["/code"], &["/message", "/error"], &["/error"])
}
