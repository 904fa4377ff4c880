//! Checkout.com: a payment session for Flow, a cardholder's token, and the access token of an OAuth
//! client.
//! <https://www.checkout.com/docs/payments/accept-payments/accept-a-payment-on-your-website/get-started-with-flow>

use http::Uri;

use crate::prelude::*;

/// The longest reference of a payment, in characters. Any may be in it.
const MAX_REFERENCE: usize = 80;
const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
/// The account's own label: `pl-` for private links, then small letters and digits
/// (npm checkout-sdk-node 5.2.1).
const URL_PREFIX: Input = Input::label("url_prefix");
const SHARED_HOST: Input = Input::flag("shared_host");

/// The host that each account has of its own, and the one that all share. Checkout.com's SDKs refuse
/// the shared one without a switch since August 2026.
struct Hosts {
    account: Host,
    shared: Host,
}

const API: Hosts = Hosts {
    account: Host::main("https://{url_prefix}.api.checkout.com", "https://{url_prefix}.api.sandbox.checkout.com"),
    shared: Host::named("shared", "https://api.checkout.com", "https://api.sandbox.checkout.com"),
};
/// The hosts of the OAuth server.
const ACCESS: Hosts = Hosts {
    account: Host::named(
        "access",
        "https://{url_prefix}.access.checkout.com",
        "https://{url_prefix}.access.sandbox.checkout.com",
    ),
    shared: Host::named("shared_access", "https://access.checkout.com", "https://access.sandbox.checkout.com"),
};
/// Scopes of a cardholder's token. The documents of all others give them to servers.
const CARDHOLDER_SCOPES: [&str; 1] = ["issuing:card-management-read"];

const SDK: Source = Source::sdk("npm checkout-sdk-node 5.2.1");
const FLOW: Source = Source::sdk("npm @checkout.com/checkout-web-components 1.13.0");

const PUBLIC_KEY: ClientParameter = ClientParameter::new(
    "public_key",
    "the public key of the credentials",
    "loadCheckoutWebComponents({ publicKey }), new CheckoutCardManagement(publicKey)",
);
const ENVIRONMENT: ClientParameter = ClientParameter::new(
    "environment",
    "sandbox or production, as Checkout.com's client SDKs name it",
    "loadCheckoutWebComponents({ environment }), Environment of the card management SDKs",
);

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://www.checkout.com/docs/dashboard/developers");

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
            "Whether success_url and failure_url may be absent: the .NET SDK requires them, the others do not.",
        ],
        evidence: &[
            Evidence::new(
                "hosts, account label, forms of keys, paths of the session and of the cardholder's token",
                SDK,
                "2026-11",
            ),
            Evidence::new("members of the session's request", Source::sdk("PyPI checkout-sdk 4.8.1"), "2026-11"),
            Evidence::new("values that Flow takes in the browser", FLOW, "2026-11"),
            Evidence::new(
                "members and form of the cardholder's token call",
                Source::page("checkout.com/docs, Issuing, and the vendor's Java SDK"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Keys of the sandbox begin with pk_sbox_ and sk_sbox_, earlier ones with pk_test_ and sk_test_ (npm checkout-sdk-node 5.2.1).",
        ),
        hosts: &[API.account, API.shared, ACCESS.account, ACCESS.shared],
        credentials: &[
            required("api_key").public().found_in("Dashboard > Developers > Keys: public API key", KEYS),
            required("api_secret").key_prefixes(&["sk_"]).found_in("Dashboard > Developers > Keys: secret API key", KEYS),
            optional("processing_channel_id").public().found_in("Dashboard > Settings > Business settings > Processing channels: channel ID", Source::page("https://www.checkout.com/docs/business-operations/use-the-dashboard/manage-processing-channels")),
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
                Input::minor_units("amount").amounts("Checkout.com counts CLP in hundredths (500 is CLP 5)"),
                URL_PREFIX,
                SHARED_HOST,
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
            .metadata(10, 100, 255)
            .worst_case(
                "verify stolen cards at amount 0 (card testing), or pay that amount, and see the billing and customer data given",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(FLOW)
            .client_parameters(&[
                ClientParameter::new(
                    "payment_session_id",
                    "the id of the session",
                    "loadCheckoutWebComponents({ paymentSession: { id } })",
                ),
                ClientParameter::new(
                    "payment_session_secret",
                    "the session's secret, which the page needs too",
                    "loadCheckoutWebComponents({ paymentSession: { payment_session_secret } })",
                ),
                PUBLIC_KEY,
                ENVIRONMENT,
            ])
            .minting_ends_earlier(MintingEndsEarlier::No("each call makes a session of its own (npm checkout-sdk-node 5.2.1)")),
            client_grant(
                "cardholder_access_token",
                "show the card details of all cards of one cardholder in that cardholder's app",
                Lifetime::Fixed(3600),
                cardholder_access_token,
            )
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("cardholder_id").required(),
                Input::flag("single_use"),
                URL_PREFIX,
                SHARED_HOST,
            ])
            .worst_case(
                "read the full number and security code of every card of that cardholder; with single_use false many times",
                &[Bound::Customer, Bound::SingleUse],
            )
            .client_source(Source::page("checkout.com/docs, Card Management Web SDK"))
            .client_parameters(&[PUBLIC_KEY, ENVIRONMENT])
            .single_use(),
            server_grant(
                "oauth_client_credentials",
                "call the APIs of the scopes asked for",
                Lifetime::Fixed(3600),
                oauth_client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, URL_PREFIX, SHARED_HOST])
            .scopes(Scopes::Any)
            .minting_ends_earlier(MintingEndsEarlier::No("the vendor's SDKs make tokens beside each other")),
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
                .client("payment_session_secret", session.payment_session_secret);
            Ok(Step::Done(with_environment(token, credentials, exchange)))
        }
    }
}

fn cardholder_access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check_keys(credentials)?;
    let input = exchange.input;
    match exchange.replies {
        [] => {
            // A token that is not single-use shows the cards as often as its holder likes.
            let single_use = input.flag("single_use").unwrap_or(true);
            let form = FormBody::new()
                .field("grant_type", "client_credentials")
                .field("client_id", input.required_text("client_id")?)
                .field("client_secret", input.required_text("client_secret")?)
                .field("cardholder_id", input.required_text("cardholder_id")?)
                .field("single_use", if single_use { "true" } else { "false" });
            Call::post(url(exchange, &API, "/issuing/access/connect/token")?).form(form).repeatable().send()
        }
        [reply, ..] => {
            let token = access_token(exchange, reply)?;
            let of_cardholders = |scope: &String| CARDHOLDER_SCOPES.contains(&scope.as_str());
            if token.scopes.is_empty() || !token.scopes.iter().all(of_cardholders) {
                return Err(Error::bad_reply("Checkout.com granted more than a cardholder may hold"));
            }
            Ok(Step::Done(with_environment(token, credentials, exchange)))
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

/// The token with the values that Checkout.com's client SDKs need next to it.
fn with_environment(token: Token, credentials: &Credentials, exchange: &Exchange<'_>) -> Token {
    token
        .client("public_key", &credentials.api_key)
        .client("environment", if exchange.mode == Mode::Live { "production" } else { "sandbox" })
}

fn url(exchange: &Exchange<'_>, hosts: &Hosts, path: &str) -> Result<Uri> {
    let prefix = exchange.input.text(URL_PREFIX.name);
    let shared = exchange.input.flag(SHARED_HOST.name).unwrap_or(false);
    if prefix.is_some_and(|it| it.strip_prefix("pl-").unwrap_or(it).bytes().any(|byte| !is_small(byte))) {
        return Err(Error::invalid_input(URL_PREFIX.name, "has small letters and digits, with pl- before them or not"));
    }
    match (prefix, shared) {
        (Some(_), true) => Err(Error::invalid_input(SHARED_HOST.name, "is for calls without url_prefix")),
        (None, true) => exchange.url_on(&hosts.shared, path),
        _ => exchange.url_on(&hosts.account, path).map_err(|error| match error.kind {
            Kind::MissingInput => Error::missing_inputs(
                &[URL_PREFIX.name],
                "Checkout.com ends the hosts that all accounts share; shared_host: true still calls them",
            ),
            _ => error,
        }),
    }
}

fn is_small(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
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
    body.remove(SHARED_HOST.name);
    if let Some(three_ds) = body.remove("three_ds") {
        body.insert("3ds".into(), three_ds);
    }
    body.insert("amount".into(), json!(input.integer("amount").unwrap_or(0)));
    body.insert("currency".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    body.insert("expires_on".into(), json!(expires_on.to_string()));
    // A reference may repeat at Checkout.com.
    let fits = exchange.reference.chars().count() <= MAX_REFERENCE;
    let reference = if fits { exchange.reference.into() } else { exchange.reference_within(MAX_REFERENCE, "") };
    body.insert("reference".into(), json!(reference));
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
