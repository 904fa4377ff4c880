//! Revolut: an order's token, with which its checkout widget pays.
//! <https://developer.revolut.com/docs/api/merchant#create-order>

use crate::prelude::*;

/// The API version in the calls unless the caller names another. Revolut's versions are dates, and
/// an old one ends six months after its deprecation. The members of an order are the same from
/// [`OLDEST`] to this one (the vendor's `OpenAPI` documents, compared).
const VERSION: &str = "2026-04-20";
const OLDEST: &str = "2024-09-01";
/// `PT1M` to `PT720H` from the order's creation (`OpenAPI` document 2026-04-20).
const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 2_592_000 };
/// The longest value of metadata, in characters (`OpenAPI` document 2024-09-01).
const MAX_VALUE: usize = 500;

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
        evidence: &[
            Evidence::new(
                "path, header, members and bounds of an order, answer and error body",
                Source::schema("Revolut Merchant API, OpenAPI documents 2024-09-01 to 2026-04-20"),
                "2026-11",
            ),
            Evidence::new(
                "the order's token and the mode go to the web SDK, which is live without a mode",
                Source::sdk("@revolut/checkout (npm) 1.1.25"),
                "2026-11",
            ),
            Evidence::new(
                "version 2026-04-20 is accepted; addresses of the sandbox's payment page",
                Source::third_party("a Medusa payment plugin with a sandbox run of 2026-08"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Secret keys begin with sk_ in both environments (Revolut Merchant API, 2026-04-20)."),
        hosts: &[Host::main("https://merchant.revolut.com", "https://sandbox-merchant.revolut.com")],
        credentials: &[required("secret_api_key").key_prefixes(&["sk_"]).found_in("Business account > APIs > Merchant API: Secret key", Source::page("https://developer.revolut.com/docs/guides/accept-payments/get-started/generate-the-api-key")), optional("signing_secret")],
        grants: &[client_grant(
            "order_token",
            "pay that one order, or with an amount of zero verify and save a card",
            LIFETIME,
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
            Input::text_of("revolut_api_version", 10),
        ])
        // Revolut takes fifty; one of them is the reference.
        .metadata(49, 40, MAX_VALUE)
        .worst_case(
            "pay that order, also with a stolen card, or with an amount of zero save a card; see its amount and description",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(Source::sdk("@revolut/checkout (npm) 1.1.25: RevolutCheckout(token, mode)"))
        .client_parameters(&[
            ClientParameter::new(
                "mode",
                "the environment: sandbox for tests, prod for live orders; the SDK takes prod where it gets none",
                "RevolutCheckout(token, mode), second argument",
            ),
            ClientParameter::new(
                "checkout_url",
                "Revolut's payment page for this order",
                "the address that the payer's browser opens, in place of the SDK",
            ),
        ])
        .server_parameters(&["order_id"])
        .minting_ends_earlier(MintingEndsEarlier::No("each call makes an order of its own (Revolut Merchant API, 2026-04-20)"))
        .lifetime_note("an authorised payment ends it earlier")],
    };
}

fn order_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    // Whole minutes, as in Revolut's examples, and never more than the caller asked for.
    let minutes = exchange.ttl().div_euclid(60);
    match exchange.replies {
        // Not repeatable: orders have no idempotency key, so a second call makes a second order.
        [] => Call::post(exchange.url("/api/orders")?)
            .bearer(credentials.secret_api_key.expose())
            .header("revolut-api-version", version(exchange)?)
            .json(&order(exchange, minutes)?)
            .send(),
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let Expiry::At(created_at) = Expiry::at_date(&order.created_at)? else {
                return Err(Error::bad_reply("Revolut's order has no moment of creation"));
            };
            let expiry = Expiry::at_epoch(created_at.as_second().saturating_add(minutes.saturating_mul(60)))?;
            let mode = if exchange.mode == Mode::Live { "prod" } else { "sandbox" };
            let token = Token::new(&order.token, "order_token", expiry)?.client("mode", mode);
            let token = match order.id.filter(|id| !id.trim().is_empty()) {
                Some(id) => token.server("order_id", id),
                None => token,
            };
            Ok(Step::Done(match order.checkout_url {
                Some(url) => token.client("checkout_url", url),
                None => token,
            }))
        }
    }
}

fn version<'a>(exchange: &'a Exchange<'_>) -> Result<&'a str> {
    let Some(version) = exchange.input.text("revolut_api_version") else { return Ok(VERSION) };
    let parts: Vec<&str> = version.split('-').collect();
    let digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits || parts.iter().map(|part| part.len()).ne([4, 2, 2]) || version < OLDEST {
        let words = format!("must be a version of Revolut's API from {OLDEST} on, such as {VERSION}");
        return Err(Error::invalid_input("revolut_api_version", words));
    }
    Ok(version)
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
    if exchange.reference.chars().count() <= MAX_VALUE {
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
    #[serde(default, deserialize_with = "encoding::lenient")]
    id: Option<String>,
    token: String,
    created_at: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    checkout_url: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message"], &["/errorId"])
}
