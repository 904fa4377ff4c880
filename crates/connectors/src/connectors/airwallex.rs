//! Airwallex: a client secret for one customer or one payment intent, and the API key's own access
//! token.
//! <https://www.airwallex.com/docs/api#/Authentication/API_Access/_api_v1_authentication_login/post>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://www.airwallex.com/docs/developer-tools/api/manage-api-keys");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    client_id: Secret,
}

const LOGIN_AS: Input = Input::text("login_as");
/// A date such as 2026-08-21. Without it, the version of the account applies.
const API_VERSION: Input = Input::text_of("api_version", 10);
const ENV: ClientParameter = ClientParameter::new(
    "env",
    "demo for the sandbox, prod for live payments",
    "init({ env }) of @airwallex/components-sdk, whose own default is prod",
);
const CURRENCY: ClientParameter = ClientParameter::new(
    "currency",
    "the currency in capital letters",
    "createElement('dropIn', { currency }) of @airwallex/components-sdk",
);
/// The most characters of a merchant's order id that are sent. Airwallex publishes no bound; 36 is
/// the length of the UUIDs of its examples.
const MAX_ORDER_ID: usize = 36;

pub(super) struct Airwallex;

impl Connector for Airwallex {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "airwallex",
        name: "Airwallex",
        docs: "https://www.airwallex.com/docs/api#/Authentication/API_Access/_api_v1_authentication_login/post",
        unconfirmed: &[
            "The lifetime of a customer's client secret (the answer's own expired_time counts).",
            "That a client secret serves only its own customer or payment intent.",
            "The bounds on the metadata and on merchant_order_id of a payment intent.",
            "That earlier client secrets and access tokens live on.",
        ],
        evidence: &[
            Evidence::new(
                "paths, headers, members of login, customer secrets and payment intents; words of errors",
                Source::sdk("@airwallex/node-sdk 2.1.0-beta.5 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "the browser takes client secrets of intents and customers; its words for the environments",
                Source::sdk("@airwallex/components-sdk 1.35.2 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "members of a payment intent, the host of the sandbox",
                Source::page("https://www.airwallex.com/docs/payments/get-started/using-payments-intent-api"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Keys and client ids have no prefix that tells demo from live (@airwallex/node-sdk).",
        ),
        hosts: &[Host::main("https://api.airwallex.com", "https://api-demo.airwallex.com")],
        credentials: &[
            required("api_key").found_in("Web app > Settings > Developer > API keys: admin or scoped API key", KEYS),
            required("client_id").public().found_in("Web app > Settings > Developer > API keys: Client ID", KEYS),
        ],
        grants: &[
            client_grant(
                "customer_client_secret",
                "list, add, verify, disable and delete that customer's payment methods and consents",
                Lifetime::Fixed(3600),
                customer_client_secret,
            )
            .by_default_with("customer_id")
            .inputs(&[Input::text("customer_id").required(), Input::currency("currency"), LOGIN_AS, API_VERSION])
            .worst_case(
                "see that customer's saved payment methods and consents, add its own and disable those",
                &[Bound::Customer],
            )
            .client_source(Source::sdk("@airwallex/components-sdk 1.35.2 (npm), client_secret"))
            .client_parameters(&[
                ENV,
                CURRENCY,
                ClientParameter::new(
                    "customer_id",
                    "the id of the customer",
                    "createElement('dropIn', { customer_id }) of @airwallex/components-sdk",
                ),
            ]),
            client_grant(
                "payment_intent_client_secret",
                "confirm that one payment; with customer_id also list and disable that customer's saved consents",
                Lifetime::Fixed(3600),
                payment_intent_client_secret,
            )
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                Input::text("customer_id"),
                Input::url("return_url"),
                Input::text("descriptor"),
                Input::text("merchant_order_id"),
                LOGIN_AS,
                API_VERSION,
            ])
            .metadata(50, 100, 500)
            .worst_case(
                "pay that intent; with customer_id also see and disable that customer's saved consents",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("@airwallex/components-sdk 1.35.2 (npm), client_secret"))
            .client_parameters(&[
                ENV,
                CURRENCY,
                ClientParameter::new(
                    "payment_intent_id",
                    "the id of the payment intent",
                    "createElement('dropIn', { intent_id }) of @airwallex/components-sdk",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No(
                "@airwallex/node-sdk 2.1.0-beta.5: each call makes an intent of its own",
            )),
            server_grant("access_token", "call every API that the key allows", Lifetime::Fixed(1800), access_token)
                .inputs(&[LOGIN_AS, API_VERSION]),
        ],
    };
}

fn customer_client_secret(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let customer_id = input.required_text("customer_id")?;
    match exchange.replies {
        [] => login(credentials, exchange),
        [login] => {
            let customer = Exchange::segment(customer_id);
            let url = exchange.url(&format!("/api/v1/pa/customers/{customer}/generate_client_secret"))?;
            versioned(exchange, Call::get(url))?.bearer(bearer(login)?.expose()).send()
        }
        [login, reply, ..] => {
            let made: CustomerSecret = reply.accept(refusal)?;
            let expiry = Expiry::at_date(&made.expired_time)?;
            let token = client_secret(exchange, login, &made.client_secret, expiry)?.client("customer_id", customer_id);
            Ok(Step::Done(match input.text("currency") {
                Some(currency) => token.client("currency", currency.to_ascii_uppercase()),
                None => token,
            }))
        }
    }
}

fn payment_intent_client_secret(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let currency = exchange.input.required_text("currency")?.to_ascii_uppercase();
    match exchange.replies {
        [] => login(credentials, exchange),
        [login] => {
            let url = exchange.url("/api/v1/pa/payment_intents/create")?;
            versioned(exchange, Call::post(url))?
                .json(&payment_intent(exchange, &currency)?)
                .repeatable()
                .bearer(bearer(login)?.expose())
                .send()
        }
        [login, reply, ..] => {
            let made: Intent = reply.accept(refusal)?;
            let token = client_secret(exchange, login, &made.client_secret, Expiry::of_jwt(&made.client_secret)?)?;
            Ok(Step::Done(
                token.client("payment_intent_id", encoding::not_blank(made.id)?).client("currency", currency),
            ))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(credentials, exchange),
        [reply, ..] => {
            let login: Login = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(login.token.expose(), "Bearer", Expiry::at_date(&login.expires_at)?)?))
        }
    }
}

fn login(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let call = versioned(exchange, Call::post(exchange.url("/api/v1/authentication/login")?))?
        .secret_header("x-client-id", credentials.client_id.expose())
        .secret_header("x-api-key", credentials.api_key.expose())
        .json(&json!({}))
        .repeatable();
    match exchange.input.text("login_as") {
        Some(account) => call.header("x-login-as", account).send(),
        None => call.send(),
    }
}

fn versioned(exchange: &Exchange<'_>, call: Call) -> Result<Call> {
    let Some(version) = exchange.input.text("api_version") else { return Ok(call) };
    let is_date = |date: &jiff::civil::Date| date.to_string() == version;
    if !version.parse().is_ok_and(|date| is_date(&date)) {
        return Err(Error::invalid_input("api_version", "must be a date such as 2026-08-21"));
    }
    Ok(call.header("x-api-version", version))
}

fn bearer(login: &Reply) -> Result<Secret> {
    let login: Login = login.accept(refusal)?;
    encoding::not_blank(login.token.expose())?;
    Ok(login.token)
}

fn payment_intent(exchange: &Exchange<'_>, currency: &str) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut body = Map::new();
    let optional = ["customer_id", "return_url", "descriptor"].map(|name| (name, name));
    input.copy_into(&mut body, &optional);
    let amount: Option<f64> = input.required_decimal("amount")?.parse().ok();
    body.insert("amount".into(), json!(amount));
    body.insert("currency".into(), json!(currency));
    let order_id = exchange.reference_within(MAX_ORDER_ID, "-_");
    body.insert("merchant_order_id".into(), json!(input.text("merchant_order_id").unwrap_or(&order_id)));
    body.insert("request_id".into(), json!(exchange.idempotency_key));
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), json!(input.metadata));
    }
    Ok(body)
}

/// The login's token is a JWT as well, so only the comparison keeps it from a client.
fn client_secret(exchange: &Exchange<'_>, login: &Reply, secret: &str, expiry: Expiry) -> Result<Token> {
    if login.json::<Login>()?.token.expose() == secret {
        return Err(Error::bad_reply("Airwallex gave the API key's token in place of a client secret"));
    }
    let env = if exchange.mode == Mode::Test { "demo" } else { "prod" };
    Ok(Token::new(secret, "client_secret", expiry)?.client("env", env))
}

#[derive(Deserialize)]
struct Login {
    token: Secret,
    expires_at: String,
}

#[derive(Deserialize)]
struct CustomerSecret {
    client_secret: String,
    expired_time: String,
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    client_secret: String,
}

/// Airwallex' own form, and the words that its client falls back to (`error_description`, `error`).
/// <https://www.airwallex.com/docs/api#/Errors>
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message", "/error_description", "/error"], &["/source", "/details"])
}
