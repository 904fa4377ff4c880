//! Klarna: a Payments session that its widget or app SDK authorizes one purchase or tokenization with.
//! <https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(172_800);
/// Klarna's bound on each of its references, in characters.
const MAX_REFERENCE: usize = 255;
/// In the order of the hosts.
const REGIONS: &[&str] = &["eu", "na", "oc"];
const INPUTS: &[Input] = &[
    Input::country("purchase_country").required(),
    Input::currency("purchase_currency").required(),
    Input::minor_units("order_amount").required(),
    Input::objects("order_lines").required(),
    Input::text_of("locale", 5),
    Input::one_of("region", REGIONS),
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
pub struct Credentials {
    username: String,
    password: Secret,
}

pub struct Klarna;

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
        hosts: &[
            Host::main("https://api.klarna.com", "https://api.playground.klarna.com"),
            Host::named("na", "https://api-na.klarna.com", "https://api-na.playground.klarna.com"),
            Host::named("oc", "https://api-oc.klarna.com", "https://api-oc.playground.klarna.com"),
        ],
        credentials: &[required("username"), required("password")],
        grants: &[Grant::client_unconverted(
            "payments_session",
            "authorize this one purchase or tokenization",
            LIFETIME,
        )
        .by_default()
        .inputs(INPUTS)],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let digits = credentials.username.strip_prefix("PK")?;
        digits.starts_with(|first: char| first.is_ascii_digit()).then_some(Mode::Test)
    }

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            [] => {
                let region = exchange.input.text("region");
                let host = REGIONS.iter().position(|known| Some(*known) == region).unwrap_or(0);
                Call::post(exchange.url_at(host, "/payments/v1/sessions")?)
                    .basic(&credentials.username, credentials.password.expose())
                    .json(&session(exchange))
                    .repeatable()
                    .send()
            }
            [reply, ..] => {
                let session: Session = reply.accept(refusal)?;
                let categories: Vec<String> =
                    session.payment_method_categories.into_iter().filter_map(|category| category.identifier).collect();
                let expiry = Expiry::after_reply(reply, exchange.ttl())?;
                let token = Token::new(&session.client_token, "client_token", expiry)?
                    .client("session_id", session.session_id)
                    .client("payment_method_categories", categories.join(","));
                Ok(Step::Done(token))
            }
        }
    }
}

fn session(exchange: &Exchange<'_>) -> Map<String, Value> {
    // The names are Klarna's own, but for the region, which is a host.
    let mut body = exchange.input.body();
    body.remove("region");
    for name in ["purchase_country", "purchase_currency"] {
        body.insert(name.into(), json!(exchange.input.text(name).unwrap_or_default().to_ascii_uppercase()));
    }
    if exchange.reference.chars().count() <= MAX_REFERENCE {
        body.insert("merchant_reference1".into(), json!(exchange.reference));
    }
    body
}

#[derive(Deserialize)]
struct Session {
    session_id: String,
    client_token: String,
    #[serde(default)]
    payment_method_categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Category {
    identifier: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    Refusal::read(reply, &["/error_code"], &["/error_messages"], &["/correlation_id"])
}
