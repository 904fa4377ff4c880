//! Rapyd: a hosted page on which one customer adds a card, or pays once.
//! <https://docs.rapyd.net/en/card-token-364784.html>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.rapyd.net/en/account-credentials.html");

#[derive(Deserialize)]
pub(super) struct Credentials {
    access_key: Secret,
    secret_key: Secret,
}

/// The bounds of a page's life: 1 minute to 30 days (PyPI rapyd-sdk 1.0.12).
const LIFETIME: Lifetime = Lifetime::Settable { min: 60, default: 3600, max: 30 * 86_400 };
/// Rapyd's pages give no bound on merchant_reference_id of a checkout page; this is the one of other
/// objects (PyPI rapyd-sdk 1.0.12).
const MAX_REFERENCE: usize = 45;
const SDK: Source = Source::sdk("PyPI rapyd-sdk 1.0.12");
const PAGE: Source = Source::page("https://docs.rapyd.net/en/create-checkout-page.html");
const REDIRECT_URL: &[ClientParameter] =
    &[ClientParameter::new("redirect_url", "the page", "the address that the browser opens")];
const EACH_CALL: MintingEndsEarlier =
    MintingEndsEarlier::No("each call makes a page of its own (PyPI rapyd-sdk 1.0.12)");
const COUNTRY: Input = Input::country("country").required();
const COMPLETE_URL: Input = Input::url("complete_url");
const CANCEL_URL: Input = Input::url("cancel_url");

pub(super) struct Rapyd;

impl Connector for Rapyd {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "rapyd",
        name: "Rapyd",
        docs: "https://docs.rapyd.net/en/card-token-364784.html",
        unconfirmed: &[
            "page_expiration of a checkout page may be a duration in the SDK's words; a small number is read as one.",
            "The path of a card page; the SDK's ends with a slash, which is signed too.",
            "The bounds on metadata, and on the reference and the life of a checkout page.",
        ],
        evidence: &[
            Evidence::new("paths, headers, signature, members and bounds of a card page", SDK, "2026-11"),
            Evidence::new("members of a checkout page, its reply and page_expiration in epoch seconds", PAGE, "2026-11"),
            Evidence::new(
                "merchant_reference_id and metadata of a checkout page",
                Source::third_party("npm @bebapps/rapyd-sdk 0.0.4"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Neither the pages nor the SDK give the keys a form that shows it."),
        hosts: &[Host::main("https://api.rapyd.net", "https://sandboxapi.rapyd.net")],
        credentials: &[required("access_key").found_in("Portal > Developers > API access control > Credential Details: Access key", KEYS), required("secret_key").found_in("Portal > Developers > API access control > Credential Details: Secret key", KEYS)],
        grants: &[
            client_grant(
                "card_token_page",
                "add and delete cards of that customer, and choose the default one, on the vendor's page or in its toolkit",
                LIFETIME,
                card_token_page,
            )
            .by_default()
            .inputs(&[
                Input::text("customer").required(),
                COUNTRY,
                Input::currency("currency"),
                COMPLETE_URL,
                CANCEL_URL,
                Input::object("card_fields"),
            ])
            .worst_case("add, delete and choose the default among that customer's cards", &[Bound::Customer, Bound::Object])
            .client_source(SDK)
            .client_parameters(REDIRECT_URL)
            .minting_ends_earlier(EACH_CALL)
            .lifetime_note("without page_expiration Rapyd's page would live for 14 days"),
            client_grant(
                "checkout_page",
                "pay that amount once on the vendor's page or in its toolkit",
                LIFETIME,
                checkout_page,
            )
            .by_default_with("amount")
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                COUNTRY,
                COMPLETE_URL,
                CANCEL_URL,
            ])
            .metadata(50, 40, 500)
            .worst_case(
                "pay that amount, so try stolen cards on it (card testing)",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::page("https://docs.rapyd.net/en/create-checkout-message-sequence---cash.html"))
            .client_parameters(REDIRECT_URL)
            .minting_ends_earlier(EACH_CALL),
        ],
    };
}

fn card_token_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            check_return_urls(exchange)?;
            let body = json!({
                "customer": input.required_text("customer")?,
                "country": input.required_text("country")?.to_ascii_uppercase(),
                "currency": input.text("currency").map(str::to_ascii_uppercase),
                "card_fields": input.value("card_fields").cloned().map(without_trailing_zeros),
                "complete_url": input.text("complete_url"),
                "cancel_url": input.text("cancel_url"),
                "page_expiration": exchange.expires_at(),
            });
            post(credentials, exchange, "/v1/hosted/collect/card", body)
        }
        [reply, ..] => page(exchange, reply, "hp_card_"),
    }
}

fn checkout_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            check_return_urls(exchange)?;
            let body = json!({
                // As text: Rapyd checks the signature over numbers without trailing zeros.
                "amount": input.required_decimal("amount")?,
                "currency": input.required_text("currency")?.to_ascii_uppercase(),
                "country": input.required_text("country")?.to_ascii_uppercase(),
                "merchant_reference_id": exchange.reference_within(MAX_REFERENCE, "-_"),
                "metadata": input.metadata,
                "complete_checkout_url": input.text("complete_url"),
                "cancel_checkout_url": input.text("cancel_url"),
                "page_expiration": exchange.expires_at(),
            });
            post(credentials, exchange, "/v1/checkout", body)
        }
        [reply, ..] => page(exchange, reply, "checkout_"),
    }
}

fn check_return_urls(exchange: &Exchange<'_>) -> Result<()> {
    for name in ["complete_url", "cancel_url"] {
        let url = exchange.input.text(name);
        let host = url.and_then(|url| url.parse::<http::Uri>().ok()?.host().map(str::to_ascii_lowercase));
        if matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            return Err(Error::invalid_input(name, "Rapyd takes no address of localhost"));
        }
    }
    Ok(())
}

/// Signed as in <https://docs.rapyd.net/en/request-signatures.html>.
fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: Value) -> Result<Step> {
    let body = encoding::sparse(body).to_string();
    let (access_key, secret_key) = (credentials.access_key.expose(), credentials.secret_key.expose());
    let (salt, timestamp) = (exchange.nonce.alphanumeric(12), exchange.now.as_second().to_string());
    let parts = ["post", path, &salt, &timestamp, access_key, secret_key, &body];
    // The base64 of hex text is equal in the standard and the URL-safe alphabet.
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

fn page(exchange: &Exchange<'_>, reply: &Reply, id_prefix: &str) -> Result<Step> {
    let answer: Answer = reply.accept(refusal)?;
    let Some(data @ Value::Object(_)) = answer.data else { return Err(reply.refuse(refusal(reply))) };
    let page = Page::deserialize(data).map_err(|_| Error::bad_reply("the connector's answer is not as documented"))?;
    if !page.id.starts_with(id_prefix) {
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

/// Writes floats of a whole value as integers: Rapyd checks the signature over `10`, not `10.0`.
#[expect(clippy::cast_possible_truncation, reason = "checked for being a whole number first")]
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

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Page {
    id: String,
    redirect_url: String,
    page_expiration: Option<Seconds>,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/status/error_code"], &["/status/message", "/status/status"], &[]);
    let wrong = matches!(refusal.code.as_deref(), Some("UNAUTHENTICATED_API_CALL"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
