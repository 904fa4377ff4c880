//! Checkout.com: a payment session for Flow, a cardholder's token, and the access token of an OAuth
//! client.
//! <https://www.checkout.com/docs/payments/accept-payments/accept-a-payment-on-your-website/get-started-with-flow>

use http::Uri;

use crate::prelude::*;

const MAX_REFERENCE: usize = 80;
const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
const URL_PREFIX: Input = Input::label("url_prefix");

/// A host that all accounts share, and the one that each account has of its own.
struct Hosts {
    shared: Host,
    account: Host,
}

const API: Hosts = Hosts {
    shared: Host::main("https://api.checkout.com", "https://api.sandbox.checkout.com"),
    account: Host::named(
        "account",
        "https://{url_prefix}.api.checkout.com",
        "https://{url_prefix}.api.sandbox.checkout.com",
    ),
};
/// The hosts of the OAuth server.
const ACCESS: Hosts = Hosts {
    shared: Host::named("access", "https://access.checkout.com", "https://access.sandbox.checkout.com"),
    account: Host::named(
        "account_access",
        "https://{url_prefix}.access.checkout.com",
        "https://{url_prefix}.access.sandbox.checkout.com",
    ),
};

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    api_secret: Secret,
    processing_channel_id: Option<String>,
}

pub(super) struct Checkout;

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
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[API.shared, API.account, ACCESS.shared, ACCESS.account],
        credentials: &[
            required("api_key").public(),
            required("api_secret"),
            optional("processing_channel_id").public(),
        ],
        grants: &[
            client_grant(
                "payment_session",
                "run Flow once: verify a card where the amount is 0, else make that payment",
                Lifetime::Settable { min: 60, default: 3600, max: 86_400 },
                payment_session,
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
            client_grant(
                "cardholder_access_token",
                "show one cardholder's card details in that cardholder's app",
                Lifetime::Fixed(3600),
                cardholder_access_token,
            )
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("cardholder_id").required(),
                Input::flag("single_use"),
                URL_PREFIX,
            ]),
            server_grant(
                "oauth_client_credentials",
                "call the APIs of the scopes asked for",
                Lifetime::Fixed(3600),
                oauth_client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, URL_PREFIX])
            .scopes(Scopes::Any),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let [public, secret] = modes(credentials);
        secret.or(public)
    }
}

fn payment_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_keys(credentials)?;
    match exchange.replies {
        [] => Call::post(url(exchange, &API, "/payment-sessions")?)
            .bearer(credentials.api_secret.expose())
            .json(&session(credentials, exchange)?)
            .repeatable()
            .send(),
        [reply, ..] => {
            let session: PaymentSession = reply.accept(refusal)?;
            let expiry = Expiry::at_epoch(exchange.expires_at())?;
            let token = Token::new(&session.payment_session_token, "payment_session_token", expiry)?
                .client("payment_session_id", session.id)
                .client("payment_session_secret", session.payment_session_secret)
                .client("public_key", &credentials.api_key)
                .client("environment", if exchange.mode == Mode::Live { "production" } else { "sandbox" });
            Ok(Step::Done(token))
        }
    }
}

fn cardholder_access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_keys(credentials)?;
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let single_use = input.flag("single_use").map(|once| once.to_string());
            let form = FormBody::new()
                .field("grant_type", "client_credentials")
                .field("client_id", input.required_text("client_id")?)
                .field("client_secret", input.required_text("client_secret")?)
                .field("cardholder_id", input.required_text("cardholder_id")?)
                .maybe("single_use", single_use.as_deref());
            Call::post(url(exchange, &API, "/issuing/access/connect/token")?).form(form).repeatable().send()
        }
        [reply, ..] => {
            let token = access_token(exchange, reply)?;
            if token.scopes != ["issuing:card-management-read"] {
                return Err(Error::bad_reply("Checkout.com granted more than a cardholder may hold"));
            }
            Ok(Step::Done(token))
        }
    }
}

fn oauth_client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_keys(credentials)?;
    let input = exchange.input;
    match exchange.replies {
        [] if input.scopes.is_empty() => {
            Err(Error::missing_inputs(&["scopes"], "Checkout.com gives a token for named scopes only"))
        }
        [] => {
            let form = FormBody::new().field("grant_type", "client_credentials").field("scope", &input.scope());
            Call::post(url(exchange, &ACCESS, "/connect/token")?)
                .basic(input.required_text("client_id")?, input.required_text("client_secret")?)
                .form(form)
                .repeatable()
                .send()
        }
        [reply, ..] => access_token(exchange, reply).map(Step::Done),
    }
}

fn access_token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Token> {
    reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)
}

fn url(exchange: &Exchange<'_>, hosts: &Hosts, path: &str) -> Result<Uri> {
    let own = exchange.input.text(URL_PREFIX.name).is_some();
    exchange.url_on(if own { &hosts.account } else { &hosts.shared }, path)
}

fn check_keys(credentials: &Credentials) -> Result<()> {
    match modes(credentials) {
        [Some(public), Some(secret)] if public != secret => {
            Err(Error::invalid_credential("api_key", "is of another environment than api_secret"))
        }
        _ => Ok(()),
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

fn session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let country = input.required_value("billing")?.pointer("/address/country");
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
    body.insert("currency".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
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

/// The API lists its codes, the OAuth endpoints follow RFC 6749; a refused key gets an empty body.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error_codes/0", "/error_type"], &["/error_type"], &[]);
    if refusal.message.is_none() { oauth::refusal(reply) } else { refusal }
}
