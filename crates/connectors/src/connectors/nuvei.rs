//! Nuvei: a session token, alone or with an order that the Web SDK pays.
//! <https://docs.nuvei.com/api/main/indexMain_v1_0.html>

use crate::prelude::*;

/// The documented lifetime of a session, in seconds.
const LIFETIME: u32 = 900;
/// The longest `clientRequestId` and `clientUniqueId` by the request definitions of nuvei (npm)
/// 1.0.2. A repeated one gives a new session.
const MAX_REQUEST_ID: usize = 255;
const MAX_UNIQUE_ID: usize = 45;
/// Signs of a reference besides letters and digits. Nuvei names none that it refuses.
const SIGNS: &str = " -_.:/@+=#,";

const MERCHANT_ID: ClientParameter =
    ClientParameter::new("merchant_id", "the public id of the merchant", "SafeCharge({ merchantId })");
const MERCHANT_SITE_ID: ClientParameter =
    ClientParameter::new("merchant_site_id", "the public id of the merchant's site", "SafeCharge({ merchantSiteId })");
const ENV: ClientParameter =
    ClientParameter::new("env", "the environment: int for tests, prod for live calls", "SafeCharge({ env })");
const NEW_SESSION: MintingEndsEarlier =
    MintingEndsEarlier::No("each call makes a session of its own (docs.nuvei.com, openOrder)");
const DECLINES: &str = "a limit on declines (sessionCardDeclineLimit) can end the session earlier";

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.nuvei.com/documentation/control-panel-docs/settings/my-account");

#[derive(Deserialize)]
pub(super) struct Credentials {
    merchant_id: String,
    merchant_site_id: String,
    merchant_secret: Secret,
}

pub(super) struct Nuvei;

impl Connector for Nuvei {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "nuvei",
        name: "Nuvei",
        docs: "https://docs.nuvei.com/api/main/indexMain_v1_0.html",
        unconfirmed: &[
            "The error codes; a reason that calls the checksum, the merchant's or the site's id invalid or unknown is read as wrong credentials.",
            "Whether a payment may differ from the amount of openOrder.",
            "Whether a page may add an address to an order that prevents overriding and has none.",
        ],
        evidence: &[
            Evidence::new(
                "both calls: path, members, checksum order, lengths",
                Source::sdk("nuvei (npm) 1.0.2, recorded, and its request definitions"),
                "2026-11",
            ),
            Evidence::new(
                "openOrder: checksum order, preventOverride, that its token goes to the Web SDK",
                Source::page("https://docs.nuvei.com/rcblocks/initiate-a-session-without-example/"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Ids are digits, which tell no environment (request definitions of nuvei, npm, 1.0.2)."),
        hosts: &[Host::main("https://secure.safecharge.com", "https://ppp-test.nuvei.com")],
        credentials: &[
            required("merchant_id").public().found_in("Control Panel > Settings > My Account > Account Details: Merchant ID", KEYS),
            required("merchant_site_id").public().found_in("Control Panel > Settings > My Account > Account Details: Merchant Site ID", KEYS),
            required("merchant_secret").found_in("Control Panel > Settings > My Account > Account Details: Secret Key", KEYS),
        ],
        grants: &[
            client_grant(
                "open_order",
                "pay or verify this order through the Web SDK",
                Lifetime::Fixed(LIFETIME),
                open_order,
            )
            .by_default()
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                Input::one_of("transaction_type", &["Auth", "Sale"]),
                Input::text_of("client_unique_id", MAX_UNIQUE_ID),
                Input::text("user_token_id"),
                Input::country("country"),
                Input::text_of("email", 100),
                Input::url("notification_url"),
                Input::flag("prevent_override"),
            ])
            .worst_case(
                "pay that order, also with a stolen card; with prevent_override false, also replace its user, billing and shipping data",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::page("https://docs.nuvei.com/rcblocks/224595/"))
            .client_parameters(&[
                MERCHANT_ID,
                MERCHANT_SITE_ID,
                ENV,
                ClientParameter::new(
                    "order_id",
                    "Nuvei's id of the order",
                    "no SDK: the shop finds the order by it",
                ),
            ])
            .minting_ends_earlier(NEW_SESSION)
            .lifetime_note(DECLINES),
            client_grant(
                "session_token",
                "tokenize cards in one session; paying in it also needs a checksum that the holder cannot make",
                Lifetime::Fixed(LIFETIME),
                session_token,
            )
            .worst_case(
                "tokenize cards, also stolen ones, for this merchant from any page",
                &[Bound::Object],
            )
            .client_parameters(&[MERCHANT_ID, MERCHANT_SITE_ID, ENV])
            .minting_ends_earlier(NEW_SESSION)
            .lifetime_note(DECLINES),
        ],
    };
}

fn session_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(exchange, "/ppp/api/v1/getSessionToken.do", &body(credentials, exchange, &[])),
        [reply, ..] => token(credentials, exchange, reply),
    }
}

fn open_order(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let amount = input.required_decimal("amount")?;
            let currency = input.required_text("currency")?.to_ascii_uppercase();
            let mut body = body(credentials, exchange, &[&amount, &currency]);
            body.insert("amount".into(), json!(amount));
            body.insert("currency".into(), json!(currency));
            let own = exchange.reference_within(MAX_UNIQUE_ID, SIGNS);
            let client_unique_id = input.text("client_unique_id").unwrap_or(&own);
            body.insert("clientUniqueId".into(), json!(client_unique_id));
            input.copy_into(&mut body, &[("transaction_type", "transactionType"), ("user_token_id", "userTokenId")]);
            if let Some(url) = input.text("notification_url") {
                body.insert("urlDetails".into(), json!({ "notificationUrl": url }));
            }
            let mut address = Map::new();
            input.copy_into(&mut address, &[("country", "country"), ("email", "email")]);
            if !address.is_empty() {
                body.insert("billingAddress".into(), address.into());
            }
            // Otherwise the page could replace the order's user, billing and shipping data.
            let prevent = input.flag("prevent_override").unwrap_or(true);
            body.insert("preventOverride".into(), json!(if prevent { "1" } else { "0" }));
            post(exchange, "/ppp/api/v1/openOrder.do", &body)
        }
        [reply, ..] => token(credentials, exchange, reply),
    }
}

fn post(exchange: &Exchange<'_>, path: &str, body: &Map<String, Value>) -> Result<Step> {
    Call::post(exchange.url(path)?).header("accept", "application/json").json(body).repeatable().send()
}

fn token(credentials: &Credentials, exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let answer: Answer = reply.accept(refusal)?;
    // The code is a number, by some documents a text.
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

/// The members of both calls. The checksum is over the ids, the reference, `signed` (the amount and
/// the currency of an order), the time and the secret, in this order.
/// <https://docs.nuvei.com/documentation/integration/server-to-server/authentication/>
fn body(credentials: &Credentials, exchange: &Exchange<'_>, signed: &[&str]) -> Map<String, Value> {
    let Credentials { merchant_id, merchant_site_id, merchant_secret } = credentials;
    let reference = &*exchange.reference_within(MAX_REQUEST_ID, SIGNS);
    let timestamp = exchange.now.strftime("%Y%m%d%H%M%S").to_string();
    let mut parts: Vec<&str> = vec![merchant_id, merchant_site_id, reference];
    parts.extend(signed);
    parts.extend([timestamp.as_str(), merchant_secret.expose()]);
    let checksum = crypto::sha256(&[parts.concat().as_bytes()]);
    Map::from_iter([
        ("merchantId".into(), json!(merchant_id)),
        ("merchantSiteId".into(), json!(merchant_site_id)),
        ("clientRequestId".into(), json!(reference)),
        ("timeStamp".into(), json!(timestamp)),
        ("checksum".into(), json!(hex::encode(checksum))),
    ])
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    #[serde(deserialize_with = "encoding::lenient")]
    status: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    session_token: Option<String>,
    err_code: Option<Value>,
    order_id: Option<Value>,
}

/// Refusals come with status 200. The vendor publishes few codes; for the others the text beside
/// the code decides the kind.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/errCode"], &["/reason"], &[]);
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
