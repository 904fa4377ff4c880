//! Billwerk+ (Frisbii, Reepay): a checkout session that stores a payment method or takes one
//! payment.
//! <https://docs.frisbii.com/reference/createchargesession>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::third_party("vendr.net, Configuring Reepay");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

/// The vendor's page on the call names no bounds for `ttl`. Without it a session lives three
/// months, which is too long for a client's token and is the most that is asked for here.
const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 7_776_000 };
const STARTED_IN_TIME: &str =
    "it bounds the start of a payment; one that begins before the end may be completed after it";
const OPENED_BY_THE_PAGE: Source = Source::sdk(
    "reepay/reepay-woocommerce-payment, assets/js/checkout.js: Reepay.WindowCheckout(id), Reepay.ModalCheckout().show(id)",
);
const URL: ClientParameter = ClientParameter::new(
    "url",
    "the checkout window of this session as a page",
    "the address that the payer's browser opens, in place of Reepay.WindowCheckout(id)",
);
const NEW_SESSION: MintingEndsEarlier =
    MintingEndsEarlier::No("each call makes a session of its own (reepay/reepay-checkout-python)");
const INPUTS: &[Input] = &[
    Input::text("customer_handle"),
    Input::object("create_customer"),
    Input::url("accept_url"),
    Input::url("cancel_url"),
    Input::text("locale"),
    Input::text_of("button_text", 32),
    Input::texts("payment_methods"),
    Input::minor_units("amount"),
    Input::objects("order_lines").amounts("each amount is in minor units: 1050 is EUR 10.50"),
    Input::currency("currency").required(),
    Input::flag("recurring"),
];
/// The inputs of a session that only stores a payment method.
const STORING: &[Input] = match INPUTS {
    [storing @ .., _amount, _order_lines, _currency, _recurring] => storing,
    _ => &[],
};

pub(super) struct Billwerk;

impl Connector for Billwerk {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "billwerk",
        name: "Billwerk+",
        docs: "https://docs.frisbii.com/reference/createchargesession",
        unconfirmed: &[
            "The bounds on a session's lifetime.",
            "The bounds on an order's metadata.",
            "A charge session with the handle of an earlier order goes on with the same invoice.",
        ],
        evidence: &[
            Evidence::new(
                "paths, members of both sessions, of order, customer and error; the form of ttl; bounds on handles and button_text; the key of an order",
                Source::sdk("reepay/reepay-checkout-python, generated from the vendor's definition"),
                "2026-11",
            ),
            Evidence::new(
                "the charge session, its error codes, the form of ttl, three months without it",
                Source::page("https://docs.frisbii.com/reference/createchargesession"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Private keys begin with priv_ (the vendor's API examples); no form that tells the environment was found."),
        hosts: &[Host::main("https://checkout-api.reepay.com", "https://checkout-api.reepay.com")],
        credentials: &[required("api_key").found_in("Developers > API credentials: private API key", KEYS), required("public_api_key").public().found_in("Developers > API credentials: public API key", KEYS)],
        grants: &[
            client_grant(
                "recurring_session",
                "enter and store one payment method of one customer; no money moves",
                LIFETIME,
                recurring_session,
            )
            .by_default()
            .inputs(STORING)
            .one_of(&[&["customer_handle"], &["create_customer"]])
            .worst_case(
                "store one means of payment, also a stolen card, for that customer, and see what the page shows of the customer",
                &[Bound::Customer, Bound::Object],
            )
            .client_source(OPENED_BY_THE_PAGE)
            .client_parameters(&[URL])
            .minting_ends_earlier(NEW_SESSION)
            .lifetime_note(STARTED_IN_TIME),
            client_grant("charge_session", "pay that one order", LIFETIME, charge_session)
                .inputs(INPUTS)
                .one_of(&[
                    &["amount", "customer_handle"],
                    &["amount", "create_customer"],
                    &["order_lines", "customer_handle"],
                    &["order_lines", "create_customer"],
                ])
                .metadata(50, 255, 255)
                .worst_case("pay that order, also with a stolen card", &[Bound::Amount, Bound::Customer, Bound::Object])
                .client_source(OPENED_BY_THE_PAGE)
                .client_parameters(&[URL])
                .minting_ends_earlier(NEW_SESSION)
                .lifetime_note(STARTED_IN_TIME),
        ],
    };
}

fn recurring_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            named_customer(exchange)?;
            let mut body = session(exchange);
            let customer = [("customer_handle", "customer"), ("create_customer", "create_customer")];
            exchange.input.copy_into(&mut body, &customer);
            post(credentials, exchange, "/v1/session/recurring", &body)
        }
        [reply, ..] => session_id(exchange, reply),
    }
}

fn charge_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = session(exchange);
            body.insert("order".into(), order(exchange)?.into());
            post(credentials, exchange, "/v1/session/charge", &body)
        }
        [reply, ..] => session_id(exchange, reply),
    }
}

/// The call is not repeatable: a second one could make a second customer, or meet the order of the
/// first one.
fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: &Map<String, Value>) -> Result<Step> {
    Call::post(exchange.url(path)?)
        .basic(credentials.api_key.expose(), "")
        .header("accept", "application/json")
        .json(body)
        .send()
}

fn session_id(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let session: Session = reply.accept(refusal)?;
    let expiry = Expiry::after_reply(reply, exchange.ttl())?;
    let token = Token::new(&session.id, "session_id", expiry)?;
    Ok(Step::Done(match session.url {
        Some(url) => token.client("url", url),
        None => token,
    }))
}

/// The members that every session has.
fn session(exchange: &Exchange<'_>) -> Map<String, Value> {
    let names = ["accept_url", "cancel_url", "locale", "button_text", "payment_methods", "recurring"];
    let mut body = Map::new();
    exchange.input.copy_into(&mut body, &names.map(|name| (name, name)));
    body.insert("ttl".into(), json!(format!("PT{}S", exchange.ttl())));
    body
}

/// The vendor's definition: a new customer has a handle, or asks for a generated one.
fn named_customer(exchange: &Exchange<'_>) -> Result<()> {
    let Some(customer) = exchange.input.value("create_customer") else { return Ok(()) };
    let handle = encoding::text_at(customer, "/handle").is_some_and(|handle| !handle.is_empty());
    if handle
        || customer.get("generate_handle") == Some(&json!(true))
        || exchange.input.text("customer_handle").is_some()
    {
        return Ok(());
    }
    Err(Error::invalid_input("create_customer", "needs a handle, or generate_handle with the value true"))
}

fn order(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    named_customer(exchange)?;
    let input = exchange.input;
    let customer = input.value("create_customer").and_then(Value::as_object).cloned();
    let mut customer = customer.unwrap_or_default();
    input.copy_into(&mut customer, &[("customer_handle", "handle")]);
    let mut order = Map::new();
    input.copy_into(&mut order, &["amount", "order_lines"].map(|name| (name, name)));
    // By the vendor's definition 255 of these signs; only one payment per handle succeeds.
    order.insert("handle".into(), json!(exchange.object_reference(255, "_.-@")));
    order.insert("key".into(), json!(exchange.idempotency_key));
    order.insert("currency".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    order.insert("customer".into(), customer.into());
    if !input.metadata.is_empty() {
        order.insert("metadata".into(), json!(input.metadata));
    }
    Ok(order)
}

#[derive(Deserialize)]
struct Session {
    id: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    url: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message", "/error", "/http_reason"], &["/transaction_error", "/error"])
}
