//! Moneris: an OAuth token of its API, and a ticket that opens Moneris Checkout.
//! <https://api-developer.moneris.com/>

use crate::prelude::*;

/// The longest order number and customer id, in characters (Moneris Checkout, Preload Request).
const MAX_ID: usize = 50;
/// The characters of an order number next to letters and digits: what is printable in ASCII without
/// those that Moneris forbids (`<>$%=?^"{}[]\`). No two orders may have one number.
const ORDER_NO: &str = " !#&'()*+,-./:;@_`|~";

/// The fields by which Moneris Checkout knows a merchant.
const LOGIN: [&str; 3] = ["store_id", "api_token", "checkout_id"];

/// The host of Moneris Checkout.
const CHECKOUT: Host = Host::named("checkout", "https://gateway.moneris.com", "https://gatewayt.moneris.com");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.moneris.com/moneris-api/docs/authentication-api-keys");

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
            "Whether a token request without a scope is taken; payment.write is asked for where none is named.",
            "The bodies of the errors.",
            "The lifetime of a ticket; an integrator's notes say five minutes.",
        ],
        evidence: &[
            Evidence::new(
                "token request (form with scope payment.write), test host, expires_in as text",
                Source::page("https://api-developer.moneris.com/fr/GettingStarted"),
                "2026-11",
            ),
            Evidence::new(
                "/oauth2/token, scopes, hosts, form of a problem",
                Source::schema("Moneris Unified API 2.6.1, OpenAPI document"),
                "2026-11",
            ),
            Evidence::new(
                "members of the preload request, hosts, the ticket goes to startCheckout in the browser",
                Source::page("https://developer.moneris.com, Moneris Checkout, Preload Request"),
                "2026-11",
            ),
            Evidence::new(
                "path chktv2, members of the preload request and of both answers",
                Source::third_party("npm moneris-checkout (types); udigeri/monca (recorded calls)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The vendor documents no form that tells the environments apart; the member environment tells Moneris \
             Checkout the mode.",
        ),
        hosts: &[Host::main("https://api.moneris.io", "https://api.sb.moneris.io"), CHECKOUT],
        credentials: &[required("client_id").public().found_in("Developer Portal > Access & Credentials > the client credentials application: Application ID", KEYS), required("client_secret").found_in("Developer Portal > Access & Credentials > the client credentials application: Client Secret", KEYS), optional("merchant_id").public()],
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
            .worst_case(
                "pay that amount once, with stolen cards too; the receipt needs the API token, which stays in the backend",
                &[Bound::Amount, Bound::Object, Bound::SingleUse],
            )
            .client_source(Source::page("https://developer.moneris.com, Moneris Checkout, Preload Request"))
            .client_parameters(&[ClientParameter::new(
                "environment",
                "qa or prod",
                "monerisCheckout().setMode(environment), and the host of chkt_v2.00.js",
            )])
            .minting_ends_earlier(MintingEndsEarlier::No("Moneris Checkout: each ticket is an instance of its own"))
            .lifetime_note("Moneris calls the ticket temporary and publishes no figure")
            .inputs(&[
                // The three together are what Moneris Checkout knows a merchant by. A rejection is
                // remembered for secret inputs.
                Input::secret("store_id").required(),
                Input::secret("api_token").required(),
                Input::secret("checkout_id").required(),
                Input::decimal("txn_total").required(),
                Input::text_of("cust_id", MAX_ID),
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
                _ if answer.success == "false" => Err(reply.refuse(not_preloaded(&answer.error))),
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
    body.insert("order_no".into(), json!(exchange.object_reference(MAX_ID, ORDER_NO)));
    Ok(body)
}

#[derive(Deserialize)]
struct Preload {
    response: Preloaded,
}

#[derive(Deserialize)]
struct Preloaded {
    success: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    ticket: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    error: Value,
}

/// A refusal with status 200: the names of the fields at fault, each with a text; or one `field`
/// with its `message`; or a text.
fn not_preloaded(error: &Value) -> Refusal {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let named = |name: Option<&str>| name.is_some_and(|name| LOGIN.contains(&name));
    let kind = |wrong: bool| Some(if wrong { Kind::CredentialsRejected } else { Kind::RequestRejected });
    if let Some(words) = error.as_str() {
        return Refusal::new(None::<String>, Some(words)).kind(kind(false));
    }
    if let (Some(field), Some(message)) = (text("field"), text("message")) {
        return Refusal::new(Some(field), Some(message)).kind(kind(named(Some(field))));
    }
    let faults: Vec<(&String, &Value)> =
        error.as_object().into_iter().flatten().filter(|(_, words)| !words.is_null()).collect();
    let Some((field, words)) = faults.first() else { return Refusal::default() };
    let wrong = faults.iter().any(|(name, _)| named(Some(name.as_str())));
    Refusal::new(Some(field.as_str()), words.as_str()).kind(kind(wrong))
}

/// The token endpoint refuses in the form of RFC 6749, the API in that of RFC 9457.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/title"], &["/detail"], &["/category"]);
    if refusal.code.is_none() { oauth::refusal(reply) } else { refusal }
}
