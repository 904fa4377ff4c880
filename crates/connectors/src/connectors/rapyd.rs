//! Rapyd: a hosted page on which one customer adds a card, or pays once.
//! <https://docs.rapyd.net/en/card-token-364784.html>

use crate::prelude::*;

#[derive(Deserialize)]
pub struct Credentials {
    access_key: Secret,
    secret_key: Secret,
}

const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 30 * 86_400 };
const COUNTRY: Input = Input::country("country").required();
const COMPLETE_URL: Input = Input::url("complete_url");
const CANCEL_URL: Input = Input::url("cancel_url");

pub struct Rapyd;

impl Connector for Rapyd {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "rapyd",
        name: "Rapyd",
        docs: "https://docs.rapyd.net/en/card-token-364784.html",
        unconfirmed: &[
            "page_expiration of a checkout page comes as epoch seconds; a small number is read as a duration.",
            "That a checkout page takes metadata, and its bounds.",
        ],
        hosts: &[Host::main("https://api.rapyd.net", "https://sandboxapi.rapyd.net")],
        credentials: &[required("access_key"), required("secret_key")],
        grants: &[
            Grant::client_unconverted(
                "card_token_page",
                "add cards to that customer on the vendor's page or in its toolkit",
                LIFETIME,
            )
            .by_default()
            .inputs(&[
                Input::text("customer").required(),
                COUNTRY,
                Input::currency("currency"),
                COMPLETE_URL,
                CANCEL_URL,
                Input::object("card_fields"),
            ]),
            Grant::client_unconverted(
                "checkout_page",
                "pay that amount once on the vendor's page or in its toolkit",
                LIFETIME,
            )
            .by_default_with("amount")
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                COUNTRY,
                COMPLETE_URL,
                CANCEL_URL,
            ])
            .metadata(50, 40, 500),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let checkout = exchange.grant.name == "checkout_page";
        match exchange.replies {
            [] => page(credentials, exchange, checkout),
            [reply, ..] => {
                let answer: Answer = reply.accept(refusal)?;
                let page = answer.data.ok_or_else(|| reply.refuse(refusal(reply)))?;
                if !page.id.starts_with(if checkout { "checkout_" } else { "hp_card_" }) {
                    return Err(Error::bad_reply("Rapyd's answer is not the page that was asked for"));
                }
                let expiry = match page.page_expiration {
                    None => Expiry::at_epoch(exchange.expires_at()),
                    Some(Seconds(seconds)) if seconds < 100_000_000 => Expiry::after_reply(reply, seconds),
                    Some(moment) => Expiry::at_epoch(moment),
                };
                let token = Token::new(&page.id, "hosted_page_id", expiry?)?;
                Ok(Step::Done(token.client("redirect_url", page.redirect_url)))
            }
        }
    }
}

/// Signed as in <https://docs.rapyd.net/en/request-signatures.html>.
fn page(credentials: &Credentials, exchange: &Exchange<'_>, checkout: bool) -> Result<Step> {
    let input = exchange.input;
    let (path, complete_url, cancel_url) = match checkout {
        true => ("/v1/checkout", "complete_checkout_url", "cancel_checkout_url"),
        false => ("/v1/hosted/collect/card", "complete_url", "cancel_url"),
    };
    for name in ["complete_url", "cancel_url"] {
        let host = input.text(name).and_then(|url| url.parse::<http::Uri>().ok()?.host().map(str::to_ascii_lowercase));
        if matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            return Err(Error::invalid_input(name, "Rapyd takes no address of localhost"));
        }
    }
    let body = encoding::sparse(json!({
        "customer": input.text("customer"),
        // As text, because the signature is checked over numbers without their trailing zeros.
        "amount": input.decimal("amount"),
        "currency": input.text("currency").map(str::to_ascii_uppercase),
        "country": input.text("country").map(str::to_ascii_uppercase),
        "merchant_reference_id": checkout.then_some(exchange.reference),
        "card_fields": input.value("card_fields").cloned().map(without_trailing_zeros),
        "metadata": input.metadata,
        complete_url: input.text("complete_url"),
        cancel_url: input.text("cancel_url"),
        "page_expiration": exchange.expires_at(),
    }))
    .to_string();
    let (access_key, secret_key) = (credentials.access_key.expose(), credentials.secret_key.expose());
    let (salt, timestamp) = (exchange.nonce.alphanumeric(12), exchange.now.as_second().to_string());
    let parts = ["post", path, &salt, &timestamp, access_key, secret_key, &body];
    // Base64 of the hex text, which has none of the characters in which the two alphabets differ.
    let signature = encoding::base64(hex::encode(crypto::hmac_sha256(secret_key, &parts.map(str::as_bytes))));
    Call::post(exchange.url(path)?)
        .secret_header("access_key", access_key)
        .header("salt", &salt)
        .header("timestamp", &timestamp)
        .header("signature", &signature)
        .header("idempotency", exchange.idempotency_key)
        .body(body, "application/json")
        .repeatable()
        .send()
}

/// Whole numbers that came as floats, as integers: the signature is checked over `10`, not `10.0`.
#[expect(clippy::cast_possible_truncation, reason = "held against the whole number first")]
fn without_trailing_zeros(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => json!(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(without_trailing_zeros).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, without_trailing_zeros(value))).collect()
        }
        other => other,
    }
}

#[derive(Deserialize, Default)]
struct Answer {
    data: Option<Page>,
}

#[derive(Deserialize)]
struct Page {
    id: String,
    redirect_url: String,
    page_expiration: Option<Seconds>,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/status/error_code"], &["/status/message", "/status/status"], &[]);
    let wrong = matches!(refusal.code.as_deref(), Some("UNAUTHENTICATED_API_CALL"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
