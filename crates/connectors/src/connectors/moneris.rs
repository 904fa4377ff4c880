//! Moneris: an OAuth token of its API, and a ticket that opens Moneris Checkout.
//! <https://api-developer.moneris.com/>

use crate::prelude::*;

/// The longest order number, in characters.
const MAX_ORDER_NO: usize = 50;
/// The characters that an order number may not contain.
const FORBIDDEN: &str = "<>$%=?^\"{}[]\\";

/// The host of Moneris Checkout.
const CHECKOUT: Host = Host::named("checkout", "https://gateway.moneris.com", "https://gatewayt.moneris.com");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
}

pub(super) struct Moneris;

impl Connector for Moneris {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "moneris",
        name: "Moneris",
        docs: "https://api-developer.moneris.com/",
        unconfirmed: &[
            "That the token request is a form, and its lifetime of an hour.",
            "The scope payment.write where none is asked for.",
            "The bodies of the errors.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.moneris.io", "https://api.sb.moneris.io"), CHECKOUT],
        credentials: &[required("client_id").public(), required("client_secret"), optional("merchant_id").public()],
        grants: &[
            server_grant(
                "oauth_client_credentials",
                "call the APIs of the scopes asked for",
                Lifetime::Fixed(3600),
                oauth_client_credentials,
            )
            .scopes(Scopes::Any),
            client_grant(
                "checkout_ticket",
                "open Moneris Checkout for that one amount",
                Lifetime::Unpublished,
                checkout_ticket,
            )
            .by_default_with("checkout_id")
            .inputs(&[
                Input::text("store_id").required(),
                Input::secret("api_token").required(),
                Input::text("checkout_id").required(),
                Input::decimal("txn_total").required(),
                Input::text("cust_id"),
                Input::one_of("language", &["en", "fr"]),
                Input::object("contact_details"),
                Input::object("billing_details"),
            ]),
        ],
    };
}

fn oauth_client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let scope = if input.scopes.is_empty() { "payment.write".into() } else { input.scope() };
            let form = FormBody::new()
                .field("grant_type", "client_credentials")
                .field("client_id", &credentials.client_id)
                .field("client_secret", credentials.client_secret.expose())
                .field("scope", &scope);
            Call::post(exchange.url("/oauth2/token")?).form(form).repeatable().send()
        }
        [reply, ..] => Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?)),
    }
}

fn checkout_ticket(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url_on(&CHECKOUT, "/chktv2/request/request.php")?).json(&preload(exchange)?).send(),
        [reply, ..] => {
            let answer = reply.accept::<Preload>(refusal)?.response;
            match answer.ticket {
                Some(ticket) if answer.success == "true" => {
                    let token = Token::new(&ticket, "checkout_ticket", Expiry::Unpublished)?;
                    Ok(Step::Done(token.client("environment", environment(exchange.mode))))
                }
                _ if answer.success == "false" => Err(reply.refuse(not_preloaded(answer.error))),
                _ => Err(Error::bad_reply("Moneris's answer has no ticket in it")),
            }
        }
    }
}

const fn environment(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "qa",
        Mode::Live => "prod",
    }
}

fn preload(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let mut body = exchange.input.body();
    body.insert("txn_total".into(), json!(exchange.input.required_amount("txn_total", 2)?));
    body.insert("environment".into(), json!(environment(exchange.mode)));
    body.insert("action".into(), json!("preload"));
    if exchange.reference.chars().count() <= MAX_ORDER_NO && !exchange.reference.contains(|c| FORBIDDEN.contains(c)) {
        body.insert("order_no".into(), json!(exchange.reference));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Preload {
    response: Preloaded,
}

#[derive(Deserialize)]
struct Preloaded {
    success: String,
    ticket: Option<String>,
    error: Option<Map<String, Value>>,
}

/// A refusal with status 200: the names of the fields at fault, each with a text.
fn not_preloaded(error: Option<Map<String, Value>>) -> Refusal {
    let mut error = error.unwrap_or_default();
    error.retain(|_, text| !text.is_null());
    let wrong = ["store_id", "api_token", "checkout_id"].iter().any(|name| error.contains_key(*name));
    let kind = if wrong { Kind::CredentialsRejected } else { Kind::RequestRejected };
    let Some((field, text)) = error.into_iter().next() else { return Refusal::default() };
    Refusal::new(Some(field), text.as_str()).kind(Some(kind))
}

/// The token endpoint refuses in the form of RFC 6749, the API in that of RFC 9457.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/title"], &["/detail"], &["/category"]);
    if refusal.code.is_none() { oauth::refusal(reply) } else { refusal }
}
