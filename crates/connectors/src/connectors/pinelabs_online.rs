//! Pine Labs Online: a checkout token for one order, and the merchant's own access token.
//! <https://developer.pinelabsonline.com/reference/generate-token>

use serde::de::DeserializeOwned;

use crate::prelude::*;

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
            "The integration modes REDIRECT and SDK; the vendor's text shows IFRAME only.",
            "The shape of the token call's refusals.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.pluralpay.in", "https://pluraluat.v2.pinepg.in")],
        credentials: &[required("client_id").public(), required("client_secret")],
        grants: &[
            client_grant(
                "checkout_token",
                "pay that one order in the hosted checkout",
                Lifetime::Unpublished,
                checkout_token,
            )
            .by_default_with("amount")
            .inputs(&[
                Input::integer("amount", 100, 100_000_000).required(),
                Input::currency("currency").required(),
                Input::one_of("integration_mode", &["REDIRECT", "IFRAME", "SDK"]),
                Input::flag("pre_auth"),
                Input::texts("allowed_payment_methods"),
                Input::url("callback_url"),
                Input::text("notes"),
                Input::object("customer"),
            ]),
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
            .bearer(answer::<Login>(login, "access_token")?.access_token.expose())
            .json(&order(exchange)?)
            .send(),
        [login, reply, ..] => {
            let order: Order = answer(reply, "token")?;
            if order.response_code.is_some_and(|code| code.0 != 200) {
                return Err(reply.refuse(refusal(reply).kind(Some(Kind::RequestRejected))));
            }
            let absent = || Error::bad_reply("Pine Labs sent no token or address");
            let (token, url) = order.token.zip(order.redirect_url).ok_or_else(absent)?;
            if token == login.json::<Login>()?.access_token.expose() {
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
            let expiry = match (&login.expires_at, login.expires_in) {
                (Some(date), _) => Expiry::at_date(date)?,
                (None, Some(seconds)) => Expiry::after_reply(reply, seconds)?,
                (None, None) => return Err(Error::bad_reply("Pine Labs says no expiry")),
            };
            Ok(Step::Done(Token::new(login.access_token.expose(), "Bearer", expiry)?))
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
    body.insert("merchant_order_reference".into(), json!(exchange.reference_within(50, "-_")));
    body.insert("order_amount".into(), json!({ "value": input.required_integer("amount")?, "currency": currency }));
    if let Some(customer) = input.value("customer") {
        body.insert("purchase_details".into(), json!({ "customer": customer }));
    }
    Ok(body)
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
    order_id: Option<String>,
    redirect_url: Option<String>,
    response_code: Option<Seconds>,
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
