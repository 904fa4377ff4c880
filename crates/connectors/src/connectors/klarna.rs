//! Klarna: a Payments session, in which its widget or app SDK authorizes one purchase or one
//! tokenization.
//! <https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/>

use crate::prelude::*;

const DOCS: &str = "https://docs.klarna.com/klarna-payments/integrate-with-klarna-payments/step-1-initiate-a-payment/";
const LIFETIME: Lifetime = Lifetime::Fixed(172_800);
/// The longest `merchant_reference1` in characters, by the vendor's OpenAPI document, which has no
/// bound on the characters themselves.
const MAX_REFERENCE: usize = 255;
/// The characters besides letters and digits that are sent as they are.
const PLAIN: &str = " !#$%&'()*+,-./:;=?@[]^_{|}~";
/// The host of Europe, and the main one.
const EUROPE: Host = Host::main("https://api.klarna.com", "https://api.playground.klarna.com");
const NORTH_AMERICA: Host = Host::named("na", "https://api-na.klarna.com", "https://api-na.playground.klarna.com");
const OCEANIA: Host = Host::named("oc", "https://api-oc.klarna.com", "https://api-oc.playground.klarna.com");
const INPUTS: &[Input] = &[
    Input::country("purchase_country").required(),
    Input::currency("purchase_currency").required(),
    Input::minor_units("order_amount").required(),
    Input::objects("order_lines").amounts("its amounts and prices are in minor units: 1050 is EUR 10.50").required(),
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

/// Where the vendor says which credentials there are.
const KEYS: Source =
    Source::page("https://klarna.com/us/business/merchant-support/what-can-i-do-in-the-settings-section");

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
        docs: DOCS,
        unconfirmed: &["The status 429.", "Playground usernames begin with PK and digits."],
        evidence: &[
            Evidence::new(
                "path, members of the request and reply, lengths, errors",
                Source::schema("Klarna Payments API, OpenAPI document"),
                "2026-11",
            ),
            Evidence::new(
                "Basic authentication, 48 hours or until the order, the words of the widget",
                Source::page(DOCS),
                "2026-11",
            ),
            Evidence::new(
                "API keys klarna_live_ and klarna_test_, status 401",
                Source::page(
                    "https://docs.klarna.com/acquirer/klarna/get-started/integration-resilience/authentication/",
                ),
                "2026-11",
            ),
            Evidence::new(
                "the hosts of the three regions",
                Source::page("https://docs.klarna.com/acquirer/klarna/get-started/integration-resilience/api-urls/"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "API keys, which are given as the password, begin with klarna_live_ or klarna_test_ (docs.klarna.com, \
             Authentication); usernames of the playground begin with PK.",
        ),
        hosts: &[EUROPE, NORTH_AMERICA, OCEANIA],
        credentials: &[
            required("username").public().found_in("Merchant portal > Settings > API credentials: user name", KEYS),
            required("password")
                .key_prefixes(&["klarna_live_api_", "klarna_test_api_"])
                .found_in("Merchant portal > Settings > API credentials: password", KEYS),
        ],
        grants: &[client_grant(
            "payments_session",
            "authorize this one purchase or tokenization",
            LIFETIME,
            payments_session,
        )
        .by_default()
        .inputs(INPUTS)
        .server_parameters(&["session_id"])
        .worst_case(
            "authorize this purchase in its own name, and see the order's lines and amount; an order still needs the \
             merchant's server",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(Source::page(DOCS))
        .client_parameters(&[ClientParameter::new(
            "payment_method_categories",
            "the identifiers of the categories that this purchase can be paid with, separated by commas",
            "Klarna.Payments.load({ payment_method_category }) and authorize(…), one of them",
        )])
        .minting_ends_earlier(MintingEndsEarlier::No("docs.klarna.com: a session stays open for 48 hours"))
        .lifetime_note("Klarna fixes 48 hours; the session ends earlier when its order is placed")],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let digits = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        let playground = credentials.username.strip_prefix("PK").is_some_and(digits);
        Mode::of_key(credentials.password.expose(), &["klarna_test_"], &["klarna_live_"])
            .or(playground.then_some(Mode::Test))
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
            let categories = session.payment_method_categories.iter();
            let categories: Vec<&str> =
                categories.filter_map(|category| encoding::text_at(category, "/identifier")).collect();
            let end = session.expires_at.map(|date| Expiry::at_date(&date)).transpose()?;
            let token = Token::new(&session.client_token, "client_token", Expiry::after_reply(reply, exchange.ttl())?)?
                .server("session_id", session.session_id)
                .client("payment_method_categories", categories.join(","));
            Ok(Step::Done(end.into_iter().fold(token, Token::ends_by)))
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
    body.insert("merchant_reference1".into(), json!(exchange.reference_within(MAX_REFERENCE, PLAIN)));
    Ok(body)
}

#[derive(Deserialize)]
struct Session {
    session_id: String,
    client_token: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    payment_method_categories: Vec<Value>,
    expires_at: Option<String>,
}

/// The form of Klarna Payments (`error_messages`), and that of Klarna's newer APIs
/// (`error_message`).
fn refusal(reply: &Reply) -> Refusal {
    let messages = ["/error_messages", "/error_message", "/message"];
    reply.refusal(&["/error_code", "/error_type"], &messages, &["/correlation_id", "/error_id"])
}
