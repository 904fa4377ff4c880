//! Klarna: a Payments session, in which its widget or app SDK authorizes one purchase or one
//! tokenization.
//! <https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(172_800);
/// The longest reference that Klarna takes, in characters.
const MAX_REFERENCE: usize = 255;
/// The host of Europe, and the main one.
const EUROPE: Host = Host::main("https://api.klarna.com", "https://api.playground.klarna.com");
const NORTH_AMERICA: Host = Host::named("na", "https://api-na.klarna.com", "https://api-na.playground.klarna.com");
const OCEANIA: Host = Host::named("oc", "https://api-oc.klarna.com", "https://api-oc.playground.klarna.com");
const INPUTS: &[Input] = &[
    Input::country("purchase_country").required(),
    Input::currency("purchase_currency").required(),
    Input::minor_units("order_amount").required(),
    Input::objects("order_lines").required(),
    Input::text_of("locale", 5),
    Input::one_of("region", &["eu", "na", "oc"]),
    Input::minor_units("order_tax_amount"),
    Input::one_of("intent", &["buy", "tokenize", "buy_and_tokenize"]),
    Input::one_of("acquiring_channel", &["ECOMMERCE", "IN_STORE", "TELESALES"]),
    Input::text_of("merchant_data", 6000),
    Input::object("merchant_urls"),
    Input::object("customer"),
    Input::object("billing_address"),
    Input::object("shipping_address"),
];

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: Secret,
}

pub(super) struct Klarna;

impl Connector for Klarna {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "klarna",
        name: "Klarna",
        docs: "https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/",
        unconfirmed: &[
            "The hosts of the Oceania region.",
            "The statuses 401 and 429.",
            "Playground usernames begin with PK and digits.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[EUROPE, NORTH_AMERICA, OCEANIA],
        credentials: &[required("username").public(), required("password")],
        grants: &[client_grant(
            "payments_session",
            "authorize this one purchase or tokenization",
            LIFETIME,
            payments_session,
        )
        .by_default()
        .inputs(INPUTS)],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let digits = credentials.username.strip_prefix("PK")?;
        digits.starts_with(|first: char| first.is_ascii_digit()).then_some(Mode::Test)
    }
}

fn payments_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let host = match exchange.input.text("region") {
                Some("na") => &NORTH_AMERICA,
                Some("oc") => &OCEANIA,
                _ => &EUROPE,
            };
            Call::post(exchange.url_on(host, "/payments/v1/sessions")?)
                .basic(&credentials.username, credentials.password.expose())
                .json(&session(exchange)?)
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let categories: Vec<String> =
                session.payment_method_categories.into_iter().filter_map(|category| category.identifier).collect();
            let token = Token::new(&session.client_token, "client_token", Expiry::after_reply(reply, exchange.ttl())?)?
                .client("session_id", session.session_id)
                .client("payment_method_categories", categories.join(","));
            Ok(Step::Done(token))
        }
    }
}

fn session(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    // The inputs have Klarna's names. Only the region is no member of the body, as it selects the
    // host.
    let mut body = exchange.input.body();
    body.remove("region");
    for name in ["purchase_country", "purchase_currency"] {
        body.insert(name.into(), json!(exchange.input.required_text(name)?.to_ascii_uppercase()));
    }
    if exchange.reference.chars().count() <= MAX_REFERENCE {
        body.insert("merchant_reference1".into(), json!(exchange.reference));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Session {
    session_id: String,
    client_token: String,
    #[serde(default, deserialize_with = "encoding::null_as_default")]
    payment_method_categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Category {
    identifier: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/error_code"], &["/error_messages"], &["/correlation_id"])
}
