//! PhonePe: a token that pays one order in the mobile SDK, and the bearer of its server API.
//! <https://developer.phonepe.com/payment-gateway/website-integration/standard-checkout/api-integration/api-reference/authorization>

use std::borrow::Cow;

use crate::prelude::*;

/// `salt_key` and `salt_index` belong to an older API that gives no tokens: they are not read.
#[derive(Deserialize)]
pub(super) struct Credentials {
    merchant_id: Option<String>,
}

const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
const CLIENT_VERSION: Input = Input::digits("client_version", 16).required();
/// The tags that an order can have.
const TAGS: [&str; 5] = ["udf1", "udf2", "udf3", "udf4", "udf5"];

pub(super) struct Phonepe;

impl Connector for Phonepe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "phonepe",
        name: "PhonePe",
        docs: "https://developer.phonepe.com/payment-gateway/website-integration/standard-checkout/api-integration/api-reference/authorization",
        unconfirmed: &[
            "The bounds of an order: its id, its tags, its least amount, expireAfter from 300 to 3600 seconds.",
            "An order's expireAt is in milliseconds.",
            "The codes of refusals.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.phonepe.com", "https://api-preprod.phonepe.com")],
        credentials: &[optional("merchant_id").public(), optional("salt_key"), optional("salt_index").public()],
        grants: &[
            client_grant(
                "sdk_order_token",
                "pay this one order in the mobile SDK",
                Lifetime::Settable { min: 300, default: 1200, max: 3600 },
                sdk_order_token,
            )
            .by_default_with("amount")
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                CLIENT_VERSION,
                Input::integer("amount", 100, 999_999_999_999).required(),
                Input::text_of("merchant_order_id", 63),
                Input::object("meta_info"),
            ])
            .metadata(TAGS.len(), 4, 256),
            server_grant(
                "client_credentials",
                "make all calls of the payment gateway's API",
                Lifetime::InReply,
                client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION]),
        ],
    };
}

fn sdk_order_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            // A wrong order is an error before the first call.
            order(exchange)?;
            login(exchange)
        }
        [login] => {
            let login: Login = login.accept(refusal)?;
            let path = match exchange.mode {
                Mode::Live => "/apis/pg/checkout/v2/sdk/order",
                Mode::Test => "/apis/pg-sandbox/checkout/v2/sdk/order",
            };
            // Not repeatable: PhonePe refuses an order that it knows.
            Call::post(exchange.url(path)?)
                .secret_header("authorization", &format!("{} {}", login.token_type, login.access_token.expose()))
                .json(&order(exchange)?)
                .send()
        }
        [_, reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let Seconds(milliseconds) = order.expire_at;
            let environment = if exchange.mode == Mode::Live { "PRODUCTION" } else { "SANDBOX" };
            let token = Token::new(&order.token, "sdk_order_token", Expiry::at_epoch_ms(milliseconds)?)?
                .client("order_id", order.order_id)
                .client("merchant_order_id", order_id(exchange)?)
                .client("environment", environment);
            Ok(Step::Done(match &credentials.merchant_id {
                Some(merchant_id) => token.client("merchant_id", merchant_id),
                None => token,
            }))
        }
    }
}

fn client_credentials(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(exchange),
        [reply, ..] => {
            let login: Login = reply.accept(refusal)?;
            let expiry = Expiry::at_epoch(login.expires_at)?;
            Ok(Step::Done(Token::new(login.access_token.expose(), login.token_type, expiry)?))
        }
    }
}

fn login(exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let path = match exchange.mode {
        Mode::Live => "/apis/identity-manager/v1/oauth/token",
        Mode::Test => "/apis/pg-sandbox/v1/oauth/token",
    };
    let form = FormBody::new()
        .field("client_id", input.required_text("client_id")?)
        .field("client_version", &input.required_decimal("client_version")?)
        .field("client_secret", input.required_text("client_secret")?)
        .field("grant_type", "client_credentials");
    Call::post(exchange.url(path)?).form(form).repeatable().send()
}

fn order(exchange: &Exchange<'_>) -> Result<Value> {
    let input = exchange.input;
    if input.metadata.keys().any(|key| !TAGS.contains(&key.as_str())) {
        return Err(Error::invalid("metadata", format!("PhonePe takes the keys {}", TAGS.join(", "))));
    }
    let mut tags = input.value("meta_info").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in &input.metadata {
        tags.entry(key).or_insert_with(|| json!(value));
    }
    Ok(encoding::sparse(json!({
        "merchantOrderId": order_id(exchange)?,
        "amount": input.required_integer("amount")?,
        "expireAfter": exchange.ttl(),
        "paymentFlow": { "type": "PG_CHECKOUT" },
        "metaInfo": tags,
    })))
}

fn order_id<'a>(exchange: &'a Exchange<'_>) -> Result<Cow<'a, str>> {
    let fits = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match exchange.input.text("merchant_order_id") {
        Some(id) if fits(id) => Ok(id.into()),
        Some(_) => Err(Error::invalid_input("merchant_order_id", "must be letters, digits, _ and -")),
        None => Ok(exchange.reference_within(63, "_-")),
    }
}

#[derive(Deserialize)]
struct Login {
    access_token: Secret,
    token_type: String,
    expires_at: Seconds,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    token: String,
    expire_at: Seconds,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/code"], &["/message"], &["/errorCode"]);
    let wrong = matches!(refusal.code.as_deref(), Some("UNAUTHORIZED" | "INVALID_CLIENT" | "AUTHORIZATION_FAILED"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
