//! Airwallex: a client secret for one customer or one payment intent, and the API key's own access token.
//! <https://www.airwallex.com/docs/api#/Authentication/API_Access/_api_v1_authentication_login/post>

use crate::prelude::*;

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
    client_id: Secret,
}

const LOGIN_AS: Input = Input::text("login_as");

pub struct Airwallex;

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
        hosts: &[Host::main("https://api.airwallex.com", "https://api-demo.airwallex.com")],
        credentials: &[required("api_key"), required("client_id")],
        grants: &[
            Grant::client_unconverted(
                "customer_client_secret",
                "list and add that customer's payment methods and consents",
                Lifetime::Fixed(3600),
            )
            .by_default_with("customer_id")
            .inputs(&[Input::text("customer_id").required(), Input::currency("currency"), LOGIN_AS]),
            Grant::client_unconverted(
                "payment_intent_client_secret",
                "confirm that one payment",
                Lifetime::Fixed(3600),
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
            Grant::server_unconverted("access_token", "call every API that the key allows", Lifetime::Fixed(1800))
                .inputs(&[LOGIN_AS]),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let input = exchange.input;
        match (exchange.grant.name, exchange.replies) {
            (_, []) => {
                let call = Call::post(exchange.url("/api/v1/authentication/login")?)
                    .secret_header("x-client-id", credentials.client_id.expose())
                    .secret_header("x-api-key", credentials.api_key.expose())
                    .json(&json!({}))
                    .repeatable();
                match input.text("login_as") {
                    Some(account) => call.header("x-login-as", account).send(),
                    None => call.send(),
                }
            }
            ("access_token", [reply, ..]) => {
                let login: Login = reply.accept(refusal)?;
                Ok(Step::Done(Token::new(login.token.expose(), "Bearer", Expiry::at_date(&login.expires_at)?)?))
            }
            (grant, [login]) => {
                let login: Login = login.accept(refusal)?;
                let bearer = encoding::not_blank(login.token.expose())?;
                let call = if grant == "customer_client_secret" {
                    let customer = Exchange::segment(input.text("customer_id").unwrap_or_default());
                    Call::get(exchange.url(&format!("/api/v1/pa/customers/{customer}/generate_client_secret"))?)
                } else {
                    let url = exchange.url("/api/v1/pa/payment_intents/create")?;
                    Call::post(url).json(&payment_intent(exchange)).repeatable()
                };
                call.bearer(bearer).send()
            }
            ("customer_client_secret", [login, reply, ..]) => {
                let made: CustomerSecret = reply.accept(refusal)?;
                let expiry = Expiry::at_date(&made.expired_time)?;
                let token = client_secret(exchange, login, &made.client_secret, expiry)?;
                let token = token.client("customer_id", input.text("customer_id").unwrap_or_default());
                Ok(Step::Done(match input.text("currency") {
                    Some(_) => token.client("currency", currency(exchange)),
                    None => token,
                }))
            }
            (_, [login, reply, ..]) => {
                let made: Intent = reply.accept(refusal)?;
                let token = client_secret(exchange, login, &made.client_secret, Expiry::of_jwt(&made.client_secret)?)?;
                Ok(Step::Done(
                    token
                        .client("payment_intent_id", encoding::not_blank(made.id)?)
                        .client("currency", currency(exchange)),
                ))
            }
        }
    }
}

fn payment_intent(exchange: &Exchange<'_>) -> Map<String, serde_json::Value> {
    let mut body = Map::new();
    let optional = ["customer_id", "return_url", "descriptor"].map(|name| (name, name));
    exchange.input.copy_into(&mut body, &optional);
    let amount: Option<f64> = exchange.input.decimal("amount").and_then(|amount| amount.parse().ok());
    body.insert("amount".into(), json!(amount));
    body.insert("currency".into(), json!(currency(exchange)));
    body.insert(
        "merchant_order_id".into(),
        json!(exchange.input.text("merchant_order_id").unwrap_or(exchange.reference)),
    );
    body.insert("request_id".into(), json!(exchange.idempotency_key));
    if !exchange.input.metadata.is_empty() {
        body.insert("metadata".into(), json!(exchange.input.metadata));
    }
    body
}

fn currency(exchange: &Exchange<'_>) -> String {
    exchange.input.text("currency").unwrap_or_default().to_ascii_uppercase()
}

/// The login's token is a JWT as well, so only the comparison tells that it is not what a client gets.
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
    Refusal::read(reply, &["/code"], &["/message"], &["/source"])
}
