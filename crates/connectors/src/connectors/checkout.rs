//! Checkout.com: a payment session for Flow, a cardholder's token, and the OAuth client's own access token.
//! <https://www.checkout.com/docs/payments/accept-payments/accept-a-payment-on-your-website/get-started-with-flow>

use crate::prelude::*;

const MAX_REFERENCE: usize = 80;
const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
const URL_PREFIX: Input = Input::label("url_prefix");

#[derive(Deserialize)]
pub struct Credentials {
    api_key: String,
    api_secret: Secret,
    processing_channel_id: Option<String>,
}

pub struct Checkout;

impl Connector for Checkout {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "checkout",
        name: "Checkout.com",
        docs: "https://www.checkout.com/docs/payments/accept-payments/accept-a-payment-on-your-website/get-started-with-flow",
        unconfirmed: &[
            "The bound of 80 characters on the reference and those on metadata.",
            "The bounds on expires_on; at most a day is asked for.",
            "The lifetime of an hour of an OAuth token; each answer says its own.",
        ],
        hosts: &[
            Host::main("https://api.checkout.com", "https://api.sandbox.checkout.com"),
            Host::named(
                "account",
                "https://{url_prefix}.api.checkout.com",
                "https://{url_prefix}.api.sandbox.checkout.com",
            ),
            Host::named("access", "https://access.checkout.com", "https://access.sandbox.checkout.com"),
            Host::named(
                "account_access",
                "https://{url_prefix}.access.checkout.com",
                "https://{url_prefix}.access.sandbox.checkout.com",
            ),
        ],
        credentials: &[
            required("api_key").public(),
            required("api_secret"),
            optional("processing_channel_id").public(),
        ],
        grants: &[
            Grant::client_unconverted(
                "payment_session",
                "run Flow once: verify a card where the amount is 0, else make that payment",
                Lifetime::Settable { min: 60, default: 3600, max: 86_400 },
            )
            .by_default()
            .inputs(&[
                Input::currency("currency").required(),
                Input::object("billing").required(),
                Input::minor_units("amount"),
                URL_PREFIX,
                Input::url("success_url"),
                Input::url("failure_url"),
                Input::object("customer"),
                Input::text("display_name"),
                Input::texts("enabled_payment_methods"),
                Input::texts("disabled_payment_methods"),
                Input::flag("capture"),
                Input::object("three_ds"),
                Input::text("payment_type"),
                Input::text("locale"),
            ])
            .metadata(10, 100, 255),
            Grant::client_unconverted(
                "cardholder_access_token",
                "show one cardholder's card details in that cardholder's app",
                Lifetime::Fixed(3600),
            )
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("cardholder_id").required(),
                Input::flag("single_use"),
                URL_PREFIX,
            ]),
            Grant::server_unconverted(
                "oauth_client_credentials",
                "call the APIs of the scopes asked for",
                Lifetime::Fixed(3600),
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, URL_PREFIX])
            .scopes(Scopes::Any),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let [public, secret] = modes(credentials);
        secret.or(public)
    }

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        if let [Some(public), Some(secret)] = modes(credentials)
            && public != secret
        {
            return Err(Error::invalid_credential("api_key", "is of another environment than api_secret"));
        }
        let input = exchange.input;
        let client_id = input.text("client_id").unwrap_or_default();
        let client_secret = input.text("client_secret").unwrap_or_default();
        let form = FormBody::new().field("grant_type", "client_credentials");
        // Each account has hosts of its own, next to those that all share.
        let own = usize::from(input.text("url_prefix").is_some());
        match (exchange.grant.name, exchange.replies) {
            ("payment_session", []) => Call::post(exchange.url_at(own, "/payment-sessions")?)
                .bearer(credentials.api_secret.expose())
                .json(&payment_session(credentials, exchange)?)
                .repeatable()
                .send(),
            ("payment_session", [reply, ..]) => {
                let session: PaymentSession = reply.accept(refusal)?;
                let expiry = Expiry::at_epoch(exchange.expires_at())?;
                let token = Token::new(&session.payment_session_token, "payment_session_token", expiry)?
                    .client("payment_session_id", session.id)
                    .client("payment_session_secret", session.payment_session_secret)
                    .client("public_key", &credentials.api_key)
                    .client("environment", if exchange.mode == Mode::Live { "production" } else { "sandbox" });
                Ok(Step::Done(token))
            }
            ("cardholder_access_token", []) => Call::post(exchange.url_at(own, "/issuing/access/connect/token")?)
                .form(
                    form.field("client_id", client_id)
                        .field("client_secret", client_secret)
                        .field("cardholder_id", input.text("cardholder_id").unwrap_or_default())
                        .maybe("single_use", input.flag("single_use").map(|once| if once { "true" } else { "false" })),
                )
                .repeatable()
                .send(),
            ("oauth_client_credentials", []) if input.scopes.is_empty() => {
                Err(Error::missing_inputs(&["scopes"], "Checkout.com gives a token for named scopes only"))
            }
            ("oauth_client_credentials", []) => Call::post(exchange.url_at(2 + own, "/connect/token")?)
                .basic(client_id, client_secret)
                .form(form.field("scope", &input.scopes.join(" ")))
                .repeatable()
                .send(),
            (grant, [reply, ..]) => {
                let token = reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?;
                if grant == "cardholder_access_token" && token.scopes != ["issuing:card-management-read"] {
                    return Err(Error::bad_reply("Checkout.com granted more than a cardholder may hold"));
                }
                Ok(Step::Done(token))
            }
            _ => Err(Error::new(Kind::Internal, "Checkout.com has no such grant")),
        }
    }
}

/// The environments that the public and the secret key show.
fn modes(credentials: &Credentials) -> [Option<Mode>; 2] {
    let mode = |key: &str, prefix: &str| {
        let rest = key.strip_prefix(prefix)?;
        Some(if ["sbox_", "test_"].iter().any(|test| rest.starts_with(test)) { Mode::Test } else { Mode::Live })
    };
    [mode(&credentials.api_key, "pk_"), mode(credentials.api_secret.expose(), "sk_")]
}

fn payment_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let country = input.value("billing").and_then(|billing| billing.pointer("/address/country"));
    if country.and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Error::missing_inputs(&["billing.address.country"], "Checkout.com needs it for every session"));
    }
    let expires_on = exchange.expires_on()?;
    let mut body = input.body();
    body.remove(URL_PREFIX.name);
    if let Some(three_ds) = body.remove("three_ds") {
        body.insert("3ds".into(), three_ds);
    }
    body.insert("amount".into(), json!(input.integer("amount").unwrap_or(0)));
    body.insert("currency".into(), json!(input.text("currency").unwrap_or_default().to_ascii_uppercase()));
    body.insert("expires_on".into(), json!(expires_on.to_string()));
    if exchange.reference.chars().count() <= MAX_REFERENCE {
        body.insert("reference".into(), json!(exchange.reference));
    }
    if let Some(channel) = &credentials.processing_channel_id {
        body.insert("processing_channel_id".into(), json!(channel));
    }
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), json!(input.metadata));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct PaymentSession {
    id: String,
    payment_session_token: String,
    payment_session_secret: String,
}

/// The API lists its codes, the OAuth endpoints speak RFC 6749; a refused key gets an empty body.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/error_codes/0", "/error_type"], &["/error_type"], &[]);
    if refusal.message.is_none() { oauth::refusal(reply) } else { refusal }
}
