//! Airwallex: a client secret for one customer or one payment intent, and the API key's own access
//! token.
//! <https://www.airwallex.com/docs/api#/Authentication/API_Access/_api_v1_authentication_login/post>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    client_id: Secret,
}

const LOGIN_AS: Input = Input::text("login_as");

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
            "The bounds on the metadata of a payment intent.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.airwallex.com", "https://api-demo.airwallex.com")],
        credentials: &[required("api_key"), required("client_id").public()],
        grants: &[
            client_grant(
                "customer_client_secret",
                "list and add that customer's payment methods and consents",
                Lifetime::Fixed(3600),
                customer_client_secret,
            )
            .by_default_with("customer_id")
            .inputs(&[Input::text("customer_id").required(), Input::currency("currency"), LOGIN_AS]),
            client_grant(
                "payment_intent_client_secret",
                "confirm that one payment",
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
            ])
            .metadata(50, 100, 500),
            server_grant("access_token", "call every API that the key allows", Lifetime::Fixed(1800), access_token)
                .inputs(&[LOGIN_AS]),
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
            Call::get(url).bearer(bearer(login)?.expose()).send()
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
            Call::post(url)
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
    let call = Call::post(exchange.url("/api/v1/authentication/login")?)
        .secret_header("x-client-id", credentials.client_id.expose())
        .secret_header("x-api-key", credentials.api_key.expose())
        .json(&json!({}))
        .repeatable();
    match exchange.input.text("login_as") {
        Some(account) => call.header("x-login-as", account).send(),
        None => call.send(),
    }
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
    body.insert("merchant_order_id".into(), json!(input.text("merchant_order_id").unwrap_or(exchange.reference)));
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

/// <https://www.airwallex.com/docs/api#/Errors>
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message"], &["/source"])
}
