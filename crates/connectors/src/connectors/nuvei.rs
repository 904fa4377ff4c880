//! Nuvei: a session token, alone or with an order that the Web SDK pays.
//! <https://docs.nuvei.com/api/main/indexMain_v1_0.html>

use crate::prelude::*;

/// The documented lifetime of a session, in seconds.
const LIFETIME: u32 = 900;

#[derive(Deserialize)]
pub struct Credentials {
    merchant_id: String,
    merchant_site_id: String,
    merchant_secret: Secret,
}

pub struct Nuvei;

impl Connector for Nuvei {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "nuvei",
        name: "Nuvei",
        docs: "https://docs.nuvei.com/api/main/indexMain_v1_0.html",
        unconfirmed: &[
            "The error codes; a reason that calls the checksum, the merchant's or the site's id invalid or unknown is read as wrong credentials.",
            "The transaction type Auth with amount 0 for verifying a card.",
        ],
        hosts: &[Host::main("https://secure.safecharge.com", "https://ppp-test.nuvei.com")],
        credentials: &[
            required("merchant_id").public(),
            required("merchant_site_id").public(),
            required("merchant_secret"),
        ],
        grants: &[
            Grant::client_unconverted(
                "session_token",
                "tokenize cards in one session; paying in it also needs a checksum that the holder cannot make",
                Lifetime::Fixed(LIFETIME),
            )
            .by_default(),
            Grant::client_unconverted(
                "open_order",
                "pay or verify this order through the Web SDK",
                Lifetime::Fixed(LIFETIME),
            )
            .by_default_with("amount")
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                Input::one_of("transaction_type", &["Auth", "Sale"]),
                Input::text("client_unique_id"),
                Input::text("user_token_id"),
                Input::url("notification_url"),
                Input::flag("prevent_override"),
            ]),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            [] => {
                let path = match exchange.grant.name {
                    "open_order" => "/ppp/api/v1/openOrder.do",
                    _ => "/ppp/api/v1/getSessionToken.do",
                };
                Call::post(exchange.url(path)?)
                    .header("accept", "application/json")
                    .json(&body(credentials, exchange))
                    .repeatable()
                    .send()
            }
            [reply, ..] => {
                let answer: Answer = reply.accept(refusal)?;
                // A number, by some accounts a text.
                let failed = answer.err_code.is_some_and(|code| code != 0 && code != "0");
                if failed || answer.status.as_deref() == Some("ERROR") {
                    return Err(reply.refuse(refusal(reply)));
                }
                let session = answer
                    .session_token
                    .filter(|_| answer.status.as_deref() == Some("SUCCESS"))
                    .ok_or_else(|| Error::bad_reply("Nuvei's answer has no session token in it"))?;
                let env = if exchange.mode == Mode::Live { "prod" } else { "int" };
                let token = Token::new(&session, "session_token", Expiry::after_reply(reply, LIFETIME)?)?
                    .client("merchant_id", &credentials.merchant_id)
                    .client("merchant_site_id", &credentials.merchant_site_id)
                    .client("env", env);
                Ok(Step::Done(match answer.order_id {
                    Some(Value::String(id)) => token.client("order_id", id),
                    Some(Value::Number(id)) => token.client("order_id", id.to_string()),
                    _ => token,
                }))
            }
        }
    }
}

/// The checksum runs over values in the vendor's order, which is another one for each method.
/// <https://docs.nuvei.com/documentation/integration/server-to-server/authentication/>
fn body(credentials: &Credentials, exchange: &Exchange<'_>) -> Value {
    let Credentials { merchant_id, merchant_site_id, merchant_secret } = credentials;
    let (input, reference) = (exchange.input, exchange.reference);
    let timestamp = exchange.now.strftime("%Y%m%d%H%M%S").to_string();
    let order = exchange.grant.name == "open_order";
    let (amount, currency) = (input.decimal("amount"), input.text("currency").map(str::to_ascii_uppercase));
    let parts = [
        merchant_id,
        merchant_site_id,
        reference,
        amount.as_deref().unwrap_or_default(),
        currency.as_deref().unwrap_or_default(),
        &timestamp,
        merchant_secret.expose(),
    ];
    encoding::sparse(json!({
        "merchantId": merchant_id,
        "merchantSiteId": merchant_site_id,
        "clientRequestId": reference,
        "timeStamp": timestamp,
        "checksum": hex::encode(crypto::sha256(&parts.map(str::as_bytes))),
        "amount": amount,
        "currency": currency,
        "clientUniqueId": order.then(|| input.text("client_unique_id").unwrap_or(reference)),
        "transactionType": input.text("transaction_type"),
        "userTokenId": input.text("user_token_id"),
        "urlDetails": input.text("notification_url").map(|url| json!({ "notificationUrl": url })),
        "preventOverride": input.flag("prevent_override").map(|flag| if flag { "1" } else { "0" }),
    }))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: Option<String>,
    session_token: Option<String>,
    err_code: Option<Value>,
    order_id: Option<Value>,
}

/// Refusals come with status 200. Few codes are published; of the others the text next to them tells.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/errCode"], &["/reason"], &[]);
    if !reply.is_success() {
        return refusal;
    }
    let words = refusal.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
    let kind = match refusal.code.as_deref() {
        Some("1001" | "1013" | "1022") => Kind::CredentialsRejected,
        _ if says(&["invalid", "unknown"]) && says(&["checksum", "merchant id", "merchant site"]) => {
            Kind::CredentialsRejected
        }
        _ => Kind::RequestRejected,
    };
    refusal.kind(Some(kind))
}
