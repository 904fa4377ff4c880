//! PhonePe: a token or a page that pays one order, and the bearer of its server API.
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
/// Orders: the bounds are those of the page "Creating Order Token".
const LIFETIME: Lifetime = Lifetime::Settable { min: 300, default: 1200, max: 3600 };
const AMOUNT: Input = Input::minor_units_from("amount", 100).required();
const ORDER_ID: Input = Input::text_of("merchant_order_id", 63);
const NO_RETRY: Input = Input::flag("disable_payment_retry");
const META_INFO: Input = Input::object("meta_info");
/// The number of tags that an order can have, udf1 to udf15. From [`SHORT_TAGS`] on they are short
/// (PyPI phonepe-pg-sdk-python 3.0.1).
const TAGS: usize = 15;
const SHORT_TAGS: usize = 11;
const SDK: Source = Source::sdk("PyPI phonepe-pg-sdk-python 3.0.1 and npm pg-sdk-node 2.0.2");
const ORDER_PAGE: Source = Source::page(
    "https://developer.phonepe.com/payment-gateway-custom-checkout/mobile-app-integration/api-reference/create-sdk-order",
);
const PHONEPE_ORDER: ClientParameter =
    ClientParameter::new("order_id", "PhonePe's order", "orderId of startTransaction");
const MERCHANT_ORDER: ClientParameter =
    ClientParameter::new("merchant_order_id", "the merchant's name of the order", "nothing: it names the order");
const EACH_CALL: MintingEndsEarlier = MintingEndsEarlier::No("each call names an order of its own (PhonePe's page)");

pub(super) struct Phonepe;

impl Connector for Phonepe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "phonepe",
        name: "PhonePe",
        docs: "https://developer.phonepe.com/payment-gateway/website-integration/standard-checkout/api-integration/api-reference/authorization",
        unconfirmed: &["The codes of refusals.", "That a repeated merchantOrderId is refused."],
        evidence: &[
            Evidence::new("hosts, paths, forms and replies of the three calls, the tags", SDK, "2026-11"),
            Evidence::new("the bounds of an order, and the unit of expireAt", ORDER_PAGE, "2026-11"),
            Evidence::new(
                "expires_at, and that a token is for many calls",
                Source::page(
                    "https://developer.phonepe.com/payment-gateway/mobile-app-integration/standard-checkout-mobile/api-reference/authorization",
                ),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Neither the pages nor the SDKs give client ids and secrets a form that shows it."),
        hosts: &[Host::main("https://api.phonepe.com", "https://api-preprod.phonepe.com")],
        credentials: &[optional("merchant_id").public(), optional("salt_key"), optional("salt_index").public()],
        grants: &[
            client_grant("sdk_order_token", "pay this one order in the mobile SDK", LIFETIME, sdk_order_token)
                .by_default_with("amount")
                .inputs(&[
                    CLIENT_ID,
                    CLIENT_SECRET,
                    CLIENT_VERSION,
                    AMOUNT,
                    ORDER_ID,
                    Input::url("return_url"),
                    NO_RETRY,
                    META_INFO,
                ])
                .metadata(TAGS, 5, 256)
                .worst_case("pay the order with any instrument that it offers", &[Bound::Amount, Bound::Object])
                .client_source(ORDER_PAGE)
                .client_parameters(&[
                    PHONEPE_ORDER,
                    MERCHANT_ORDER,
                    ClientParameter::new(
                        "environment",
                        "SANDBOX or PRODUCTION",
                        "init({ environment }) of the mobile SDKs",
                    ),
                    ClientParameter::new("merchant_id", "the merchant", "init({ merchantId }) of the mobile SDKs"),
                ])
                .minting_ends_earlier(EACH_CALL),
            client_grant("checkout_pay_link", "pay this one order on PhonePe's page", LIFETIME, checkout_pay_link)
                .inputs(&[
                    CLIENT_ID,
                    CLIENT_SECRET,
                    CLIENT_VERSION,
                    AMOUNT,
                    ORDER_ID,
                    Input::url("return_url").required(),
                    Input::text("message"),
                    Input::object("payment_mode_config"),
                    NO_RETRY,
                    META_INFO,
                ])
                .metadata(TAGS, 5, 256)
                .worst_case("pay the order with any instrument that it offers", &[Bound::Amount, Bound::Object])
                .client_source(Source::sdk("npm pg-sdk-node 2.0.2, its page on the standard checkout"))
                .client_parameters(&[
                    ClientParameter::new("order_id", "PhonePe's order", "nothing: it names the order"),
                    MERCHANT_ORDER,
                ])
                .minting_ends_earlier(EACH_CALL),
            server_grant(
                "client_credentials",
                "make all calls of the payment gateway's API",
                Lifetime::InReply,
                client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION])
            .minting_ends_earlier(MintingEndsEarlier::No(
                "the SDKs go on with the older one (PyPI phonepe-pg-sdk-python 3.0.1)",
            )),
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
        [login] => place(exchange, login, "sdk/order"),
        [_, reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let environment = if exchange.mode == Mode::Live { "PRODUCTION" } else { "SANDBOX" };
            let token = order.token.as_deref().unwrap_or_default();
            let token = identified(exchange, token, "sdk_order_token", &order)?.client("environment", environment);
            Ok(Step::Done(match &credentials.merchant_id {
                Some(merchant_id) => token.client("merchant_id", merchant_id),
                None => token,
            }))
        }
    }
}

fn checkout_pay_link(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            order(exchange)?;
            login(exchange)
        }
        [login] => place(exchange, login, "pay"),
        [_, reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let url = order.redirect_url.as_deref().unwrap_or_default();
            Ok(Step::Done(identified(exchange, url, "checkout_url", &order)?))
        }
    }
}

fn place(exchange: &Exchange<'_>, login: &Reply, path: &str) -> Result<Step> {
    let login: Login = login.accept(refusal)?;
    let base = if exchange.mode == Mode::Live { "/apis/pg" } else { "/apis/pg-sandbox" };
    // Not repeatable: PhonePe refuses an order that it knows.
    Call::post(exchange.url(&format!("{base}/checkout/v2/{path}"))?)
        .secret_header("authorization", &format!("{} {}", login.token_type, login.access_token.expose()))
        .json(&order(exchange)?)
        .send()
}

fn identified(exchange: &Exchange<'_>, value: &str, token_type: &str, order: &Order) -> Result<Token> {
    let Seconds(milliseconds) = order.expire_at;
    Ok(Token::new(value, token_type, Expiry::at_epoch_ms(milliseconds)?)?
        .client("order_id", &order.order_id)
        .client("merchant_order_id", order_id(exchange)?))
}

fn client_credentials(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(exchange),
        [reply, ..] => {
            let login: Login = reply.accept(refusal)?;
            let expiry = Expiry::at_epoch(login.expires_at)?;
            let mut token = Token::new(login.access_token.expose(), login.token_type, expiry)?;
            // Equal to expires_at, and null, in all published answers.
            let ends: FurtherEnds = reply.json()?;
            if let Some(end) = ends.session_expires_at {
                token = token.ends_by(Expiry::at_epoch(end)?);
            }
            if let Some(seconds) = ends.expires_in {
                token = token.ends_by(Expiry::after_reply(reply, seconds)?);
            }
            Ok(Step::Done(token))
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
    let mut tags = input.value("meta_info").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in &input.metadata {
        check_tag(key, value)?;
        tags.entry(key).or_insert_with(|| json!(value));
    }
    let flow = encoding::sparse(json!({
        "type": "PG_CHECKOUT",
        "message": input.text("message"),
        "merchantUrls": input.text("return_url").map(|url| json!({ "redirectUrl": url })),
        "paymentModeConfig": input.value("payment_mode_config"),
    }));
    Ok(encoding::sparse(json!({
        "merchantOrderId": order_id(exchange)?,
        "amount": input.required_integer("amount")?,
        "expireAfter": exchange.ttl(),
        "paymentFlow": flow,
        "disablePaymentRetry": input.flag("disable_payment_retry"),
        "metaInfo": tags,
    })))
}

fn check_tag(key: &str, value: &str) -> Result<()> {
    let number = key.strip_prefix("udf").and_then(|number| number.parse::<usize>().ok());
    let Some(number) = number.filter(|number| (1..=TAGS).contains(number)) else {
        return Err(Error::invalid("metadata", format!("PhonePe takes the keys udf1 to udf{TAGS}")));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_- @.+".contains(c);
    if number >= SHORT_TAGS && (value.chars().count() > 50 || !value.chars().all(plain)) {
        let bounds = "at most 50 letters, digits and _ - @ . + and blanks";
        return Err(Error::invalid("metadata", format!("PhonePe takes in {key} {bounds}")));
    }
    Ok(())
}

fn order_id<'a>(exchange: &'a Exchange<'_>) -> Result<Cow<'a, str>> {
    let fits = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match exchange.input.text("merchant_order_id") {
        Some(id) if fits(id) => Ok(id.into()),
        Some(_) => Err(Error::invalid_input("merchant_order_id", "must be letters, digits, _ and -")),
        // At most 63 characters (page "Creating Order Token").
        None => Ok(exchange.object_reference_without_key(63, "_-")),
    }
}

#[derive(Deserialize)]
struct Login {
    access_token: Secret,
    token_type: String,
    expires_at: Seconds,
}

#[derive(Deserialize)]
struct FurtherEnds {
    session_expires_at: Option<Seconds>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    expire_at: Seconds,
    #[serde(default, deserialize_with = "encoding::lenient")]
    token: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    redirect_url: Option<String>,
}

/// The login has an `errorCode` too, and at times nothing else.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/code", "/errorCode"], &["/message"], &["/errorCode"]);
    let wrong = matches!(refusal.code.as_deref(), Some("UNAUTHORIZED" | "INVALID_CLIENT" | "AUTHORIZATION_FAILED"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
