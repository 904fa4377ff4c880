//! Revolut: an order's token, with which its checkout widget pays.
//! <https://developer.revolut.com/docs/api/merchant#create-order>

use crate::prelude::*;

/// The API version in the calls. Revolut's versions are dates.
const VERSION: &str = "2024-09-01";

#[derive(Deserialize)]
pub(super) struct Credentials {
    secret_api_key: Secret,
}

pub(super) struct Revolut;

impl Connector for Revolut {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "revolut",
        name: "Revolut",
        docs: "https://developer.revolut.com/docs/api/merchant#create-order",
        unconfirmed: &["The error body of older answers, with errorId."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://merchant.revolut.com", "https://sandbox-merchant.revolut.com")],
        credentials: &[required("secret_api_key"), optional("signing_secret")],
        grants: &[client_grant(
            "order_token",
            "pay that one order, or with an amount of zero verify and save a card",
            Lifetime::Settable { min: 60, default: 3600, max: 2_592_000 },
            order_token,
        )
        .by_default()
        .inputs(&[
            Input::currency("currency").required(),
            Input::minor_units("amount"),
            Input::text("description"),
            Input::object("customer"),
            Input::one_of("capture_mode", &["automatic", "manual"]),
            Input::url("redirect_url"),
        ])
        // Revolut takes fifty; one of them is the reference.
        .metadata(49, 40, 500)],
    };
}

fn order_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    // Whole minutes, as in Revolut's examples, and never more than the caller asked for.
    let minutes = exchange.ttl().div_euclid(60);
    match exchange.replies {
        // Not repeatable: orders have no idempotency key, so a second call makes a second order.
        [] => Call::post(exchange.url("/api/orders")?)
            .bearer(credentials.secret_api_key.expose())
            .header("revolut-api-version", VERSION)
            .json(&order(exchange, minutes)?)
            .send(),
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let Expiry::At(created_at) = Expiry::at_date(&order.created_at)? else {
                return Err(Error::bad_reply("Revolut's order has no moment of creation"));
            };
            let expiry = Expiry::at_epoch(created_at.as_second().saturating_add(minutes.saturating_mul(60)))?;
            let token = Token::new(&order.token, "order_token", expiry)?.client("order_id", order.id);
            Ok(Step::Done(match order.checkout_url {
                Some(url) => token.client("checkout_url", url),
                None => token,
            }))
        }
    }
}

fn order(exchange: &Exchange<'_>, minutes: i64) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let well_formed = |key: &String| {
        key.starts_with(|first: char| first.is_ascii_alphabetic())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !input.metadata.keys().all(well_formed) {
        return Err(Error::invalid("metadata", "a key must begin with a letter and have letters, digits and _ only"));
    }
    let mut metadata = input.metadata.clone();
    if exchange.reference.chars().count() <= 500 {
        metadata.entry("ref".into()).or_insert_with(|| exchange.reference.into());
    }
    let mut body = Map::new();
    input.copy_into(&mut body, &["description", "customer", "capture_mode", "redirect_url"].map(|name| (name, name)));
    body.insert("amount".into(), json!(input.integer("amount").unwrap_or(0)));
    body.insert("currency".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    body.insert("expire_pending_after".into(), json!(format!("PT{minutes}M")));
    body.insert("metadata".into(), json!(metadata));
    Ok(body)
}

#[derive(Deserialize)]
struct Order {
    id: String,
    token: String,
    created_at: String,
    checkout_url: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message"], &["/errorId"])
}
