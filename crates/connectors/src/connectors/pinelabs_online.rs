//! Pine Labs Online: a checkout token for one order, and the merchant's own access token.
//! <https://developer.pinelabsonline.com/reference/generate-token>

use serde::de::DeserializeOwned;

use crate::prelude::*;

const SDK: Source = Source::sdk("PyPI pinelabs-python 0.2.1");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://www.pinelabs.com/docs/online-payments/use-cases/dashboard/settings");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: Secret,
    client_secret: Secret,
}

pub(super) struct PinelabsOnline;

impl Connector for PinelabsOnline {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "pinelabs_online",
        name: "Pine Labs Online",
        docs: "https://developer.pinelabsonline.com/reference/generate-token",
        unconfirmed: &[
            "The shape of the token call's refusals, and expires_in in its answer.",
            "A merchant_order_reference has 1 to 50 letters, digits, - and _.",
            "The bounds of an amount.",
        ],
        evidence: &[Evidence::new(
            "hosts, paths, members and replies of both calls, the shape of refusals, the modes and methods",
            SDK,
            "2026-11",
        )],
        mode_shown: ModeShown::No("Client ids and secrets have no form that the pages or the SDK document."),
        hosts: &[Host::main("https://api.pluralpay.in", "https://pluraluat.v2.pinepg.in")],
        credentials: &[
            required("client_id").public().found_in("Merchant dashboard > Settings > Credentials: Client ID", KEYS),
            required("client_secret").found_in("Merchant dashboard > Settings > Credentials: Client Secret", KEYS),
        ],
        grants: &[
            client_grant(
                "checkout_token",
                "pay that one order in the hosted checkout",
                Lifetime::Unpublished,
                checkout_token,
            )
            .by_default_with("amount")
            .inputs(&[
                Input::minor_units_of("amount", 100, 100_000_000).required(),
                Input::currency("currency").required(),
                Input::one_of("integration_mode", &["REDIRECT", "IFRAME", "SDK"]),
                Input::flag("pre_auth"),
                Input::texts("allowed_payment_methods"),
                Input::url("callback_url"),
                Input::text("notes"),
                Input::object("customer"),
            ])
            .worst_case(
                "pay the order, and see the customer's data that was put into it",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("pub.dev pinelabs_native 1.0.0, whose startPayment takes the token of an order"))
            .client_parameters(&[
                ClientParameter::new("redirect_url", "the page of the checkout", "the address that the browser opens"),
                ClientParameter::new("order_id", "Pine Labs' order", "nothing: it names the order"),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No(
                "a new reference makes a new order (PyPI pinelabs-python 0.2.1)",
            )),
            server_grant(
                "access_token",
                "call all APIs: orders, payments, refunds, customers",
                Lifetime::Fixed(3600),
                access_token,
            ),
        ],
    };
}

fn checkout_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(credentials, exchange),
        [login] => traced(Call::post(exchange.url("/api/checkout/v1/orders")?), exchange)
            .bearer(answer::<Bearer>(login, "access_token")?.access_token.expose())
            .json(&order(exchange)?)
            .send(),
        [login, reply, ..] => {
            let order: Order = answer(reply, "token")?;
            if order.response_code.is_some_and(|code| code != "200" && code != 200) {
                return Err(reply.refuse(refusal(reply).kind(Some(Kind::RequestRejected))));
            }
            let absent = || Error::bad_reply("Pine Labs sent no token or address");
            let (token, url) = order.token.zip(order.redirect_url).ok_or_else(absent)?;
            if token == login.json::<Bearer>()?.access_token.expose() {
                return Err(Error::bad_reply("Pine Labs gave the merchant's token in place of the order's"));
            }
            let token = Token::new(&token, "checkout_token", Expiry::Unpublished)?;
            let token = token.client("redirect_url", url);
            Ok(Step::Done(order.order_id.into_iter().fold(token, |token, id| token.client("order_id", id))))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(credentials, exchange),
        // The answer may have a refresh token too: it is not read.
        [reply, ..] => {
            let login: Login = answer(reply, "access_token")?;
            let date = login.expires_at.as_deref().map(Expiry::at_date).transpose()?;
            let seconds = login.expires_in.map(|seconds| Expiry::after_reply(reply, seconds)).transpose()?;
            let expiry = date.or(seconds).ok_or_else(|| Error::bad_reply("Pine Labs says no expiry"))?;
            let token = Token::new(login.access_token.expose(), "Bearer", expiry)?;
            Ok(Step::Done(seconds.into_iter().fold(token, Token::ends_by)))
        }
    }
}

fn login(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    traced(Call::post(exchange.url("/api/auth/v1/token")?), exchange)
        .json(&json!({
            "client_id": credentials.client_id.expose(),
            "client_secret": credentials.client_secret.expose(),
            "grant_type": "client_credentials",
        }))
        .repeatable()
        .send()
}

fn traced(call: Call, exchange: &Exchange<'_>) -> Call {
    call.header("accept", "application/json")
        .header("request-id", exchange.idempotency_key)
        .header("request-timestamp", &format!("{:.3}", exchange.now))
}

fn order(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut body = Map::new();
    let optional = ["integration_mode", "pre_auth", "allowed_payment_methods", "callback_url", "notes"];
    input.copy_into(&mut body, &optional.map(|name| (name, name)));
    let currency = input.required_text("currency")?.to_ascii_uppercase();
    // 1 to 50 letters, digits, - and _ (vendor's page); the same one gives the existing order again
    // (PyPI pinelabs-python 0.2.1).
    body.insert("merchant_order_reference".into(), json!(exchange.object_reference(50, "-_")));
    body.insert("order_amount".into(), json!({ "value": input.required_integer("amount")?, "currency": currency }));
    if let Some(customer) = input.value("customer") {
        body.insert("purchase_details".into(), json!({ "customer": customer }));
    }
    Ok(body)
}

/// The login of an order, whose expiry plays no part.
#[derive(Deserialize)]
struct Bearer {
    access_token: Secret,
}

#[derive(Deserialize)]
struct Login {
    access_token: Secret,
    expires_at: Option<String>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
struct Order {
    token: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    order_id: Option<String>,
    redirect_url: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    response_code: Option<Value>,
}

/// The answer with a member of the name `token`. A refusal may come with status 200 in its place.
fn answer<T: DeserializeOwned>(reply: &Reply, token: &str) -> Result<T> {
    let body: Map<String, Value> = reply.lenient();
    if reply.is_success() && !body.contains_key(token) && ["code", "message"].iter().any(|it| body.contains_key(*it)) {
        let refusal = refusal(reply);
        let kind = refusal.kind.or(Some(Kind::RequestRejected));
        return Err(reply.refuse(refusal.kind(kind)));
    }
    reply.accept(refusal)
}

/// Three shapes: that of RFC 6749, that of the gateway (`status`, `message`, `traceId`) and that of
/// the other APIs (`code`, `message`).
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/error", "/code", "/response_code"],
        &["/error_description", "/message", "/response_message"],
        &["/traceId"],
    );
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
