//! Paytm: a token for its SDKs' queries before there is an order, and one that pays an order.
//! <https://paytmpayments.com/docs/api/initiate-transaction-api>

use std::borrow::Cow;

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{BlockEncryptMut as _, KeyIvInit as _, block_padding::Pkcs7},
};
use cbc::Encryptor;

use crate::prelude::*;

/// The initialization vector of every signature.
const IV: &[u8] = b"@@@@&&&&####$$$$";
/// The lifetime of a transaction token, in seconds.
const LIFETIME: u32 = 900;
/// The result code for an order that Paytm knows already: its token is the first one.
const KNOWN_ORDER: &str = "0002";
/// The website's name in the test environment.
const TEST_WEBSITE: &str = "WEBSTAGING";
const PAGE: Source = Source::page("https://business.paytm.com/docs/api/initiate-transaction-api");
const ACCESS_PAGE: Source = Source::page("https://business.paytm.com/docs/access-token-api");
const CLIENT_SDK: Source = Source::sdk("npm paytmpayments-customuisdk-react-native 1.0.0");
const MID: ClientParameter = ClientParameter::new("mid", "the merchant id", "initPaytmSDK(mid, …)");
const ENVIRONMENT: ClientParameter = ClientParameter::new(
    "environment",
    "STAGE or PROD",
    "env of paytm-blink-checkout-react and -angular, which take PROD without it",
);
const IS_STAGING: ClientParameter = ClientParameter::new(
    "is_staging",
    "true in the test environment, false in production",
    "the argument isStaging of the mobile SDKs",
);

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://business.paytm.com/docs/getting-started");

#[derive(Deserialize)]
pub(super) struct Credentials {
    merchant_id: String,
    merchant_key: Secret,
    website: String,
    client_id: Option<String>,
}

pub(super) struct Paytm;

impl Connector for Paytm {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paytm",
        name: "Paytm",
        docs: "https://paytmpayments.com/docs/api/initiate-transaction-api",
        unconfirmed: &[
            "The result code 00000900, and that the token of an order asked for twice is the first one.",
            "The last 13 digits of a transaction token are the moment of its creation in milliseconds (vendor's examples).",
            "A reference of an access token has 10 to 20 characters.",
            "The lifetime of an access token.",
        ],
        evidence: &[
            Evidence::new("path, query, head and body of a transaction, the bound of its order id", PAGE, "2026-11"),
            Evidence::new(
                "query, head and body of an access token, and that its reference works once",
                ACCESS_PAGE,
                "2026-11",
            ),
            Evidence::new(
                "the result codes of an access token",
                Source::page("https://paytmpayments.com/docs/api/ai-router-access-token-creation-api"),
                "2026-11",
            ),
            Evidence::new(
                "the 15 minutes of a transaction token",
                Source::page("https://developer.paytm.com/docs/fetch-payment-options-api"),
                "2026-11",
            ),
            Evidence::new(
                "the environments of the browser's SDK",
                Source::sdk("npm paytm-blink-checkout-react 0.0.4"),
                "2026-11",
            ),
            Evidence::new(
                "hosts and path of initiateTransaction",
                Source::sdk("npm paytm-pg-node-sdk 1.0.6"),
                "2026-11",
            ),
            Evidence::new("the signature", Source::sdk("npm paytmchecksum 1.5.1"), "2026-11"),
        ],
        mode_shown: ModeShown::ByCredentials(
            "The website WEBSTAGING is that of the test environment (Paytm's pages); ids and keys show nothing.",
        ),
        hosts: &[Host::main("https://secure.paytmpayments.com", "https://securestage.paytmpayments.com")],
        credentials: &[
            required("merchant_id").public().found_in("Dashboard, account credentials: MID (Merchant ID)", KEYS),
            required("merchant_key").found_in("Dashboard, account credentials: Merchant Key", KEYS),
            required("website").public().found_in(
                "Test: WEBSTAGING; live: the dashboard shows it: WEBSITE",
                Source::page("https://paytmpayments.com/docs/v1/payment-gateway/deprecated-flow-integration"),
            ),
            optional("client_id").public(),
        ],
        grants: &[
            client_grant("txn_token", "pay this one order", Lifetime::Fixed(LIFETIME), txn_token)
                .by_default_with("amount")
                .inputs(&[
                    Input::decimal("amount").required(),
                    Input::currency("currency").required(),
                    Input::text("cust_id").required(),
                    Input::url("callback_url").required(),
                    Input::text_of("order_id", 50),
                ])
                .worst_case(
                    "pay the order, and perhaps see the saved instruments of its cust_id",
                    &[Bound::Amount, Bound::Customer, Bound::Object],
                )
                .client_source(CLIENT_SDK)
                .client_parameters(&[
                    MID,
                    ENVIRONMENT,
                    IS_STAGING,
                    ClientParameter::new("order_id", "the order", "data.orderId of CheckoutJS.init"),
                    ClientParameter::new("amount", "the amount of the order", "data.amount of CheckoutJS.init"),
                ])
                .minting_ends_earlier(MintingEndsEarlier::No("each call names an order of its own (Paytm's page)")),
            client_grant(
                "access_token",
                "ask for payment options and card details without an order",
                Lifetime::Unpublished,
                access_token,
            )
            .inputs(&[Input::text_of("reference_id", 20)])
            .worst_case("ask for the payment options and the card BIN data of this merchant", &[Bound::Object])
            .client_parameters(&[
                MID,
                ENVIRONMENT,
                IS_STAGING,
                ClientParameter::new(
                    "reference_id",
                    "the reference of the token",
                    "referenceId of fetchPaymentOptions",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No("each call names a reference of its own (Paytm's page)")),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        (credentials.website == TEST_WEBSITE).then_some(Mode::Test)
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let mid = &credentials.merchant_id;
    let reference_id = reference_id(exchange)?;
    match exchange.replies {
        [] => {
            let body = json!({ "mid": mid, "referenceId": reference_id }).to_string();
            let signature = signature(&credentials.merchant_key, &body, &exchange.nonce.alphanumeric(4))?;
            let head = json!({ "clientId": credentials.client_id, "tokenType": "CHECKSUM", "token": signature });
            let query = FormBody::new().field("mid", mid).field("referenceId", &reference_id);
            // Not repeatable: Paytm refuses a reference the second time (code 324).
            post(exchange, "token/create", &query, &body, head)?.send()
        }
        [reply, ..] => {
            let Body { access_token, .. } = accept(reply)?;
            let token = Token::new(&access_token.unwrap_or_default(), "ACCESS", Expiry::Unpublished)?;
            Ok(Step::Done(identified(token, credentials, exchange).client("reference_id", reference_id)))
        }
    }
}

fn txn_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let mid = &credentials.merchant_id;
    let order_id = order_id(exchange)?;
    let amount = exchange.input.required_decimal("amount")?;
    match exchange.replies {
        [] => {
            let body = order(credentials, exchange, &order_id, &amount)?.to_string();
            let signature = signature(&credentials.merchant_key, &body, &exchange.nonce.alphanumeric(4))?;
            let client = &credentials.client_id;
            let head = json!({ "version": "v1", "channelId": "WEB", "clientId": client, "signature": signature });
            let query = FormBody::new().field("mid", mid).field("orderId", &order_id);
            post(exchange, "initiateTransaction", &query, &body, head)?.send()
        }
        [reply, ..] => {
            let Body { result_info, txn_token, .. } = accept(reply)?;
            let mut expiry = Expiry::after_reply(reply, LIFETIME)?;
            let value = txn_token.unwrap_or_default();
            if result_info.is_some_and(|result| result.result_code.as_deref() == Some(KNOWN_ORDER)) {
                expiry = first_expiry(reply, &value).ok_or_else(|| reply.refuse(refusal(reply)))?;
            }
            let token = identified(Token::new(&value, "txn_token", expiry)?, credentials, exchange);
            Ok(Step::Done(token.client("order_id", order_id).client("amount", amount)))
        }
    }
}

/// The end of the token of a known order, by the moment of its creation at its own end. `None`
/// where it cannot be told, or is over.
fn first_expiry(reply: &Reply, token: &str) -> Option<Expiry> {
    let at = token.len().checked_sub(13)?;
    let created_at: i64 = token.get(at..)?.parse::<i64>().ok()?.div_euclid(1000);
    let age = reply.sent_at.as_second().saturating_sub(created_at);
    (0..i64::from(LIFETIME)).contains(&age).then(|| Expiry::at_epoch(created_at + i64::from(LIFETIME)).ok())?
}

/// Adds the values that every call of the client names.
fn identified(token: Token, credentials: &Credentials, exchange: &Exchange<'_>) -> Token {
    let staging = exchange.mode == Mode::Test;
    token
        .client("mid", &credentials.merchant_id)
        .client("environment", if staging { "STAGE" } else { "PROD" })
        .client("is_staging", staging.to_string())
}

/// Alphanumeric, at most 50 characters (page of the call), with @, -, _ and . by its examples.
fn order_id<'a>(exchange: &'a Exchange<'_>) -> Result<Cow<'a, str>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
    match exchange.input.text("order_id") {
        Some(id) if id.chars().all(allowed) => Ok(id.into()),
        Some(_) => Err(Error::invalid_input("order_id", "must be letters, digits, @, -, _ and .")),
        None => Ok(exchange.object_reference(50, "-_")),
    }
}

/// 10 to 20 characters. Paytm wants another one for each request, so the one that is made here
/// differs between two exchanges.
fn reference_id(exchange: &Exchange<'_>) -> Result<String> {
    match exchange.input.text("reference_id") {
        Some(id) if id.chars().count() < 10 => {
            Err(Error::invalid_input("reference_id", "must have 10 to 20 characters"))
        }
        Some(id) => Ok(id.to_owned()),
        None => {
            let moment = exchange.now.as_nanosecond().to_be_bytes();
            let digest = crypto::sha256(&[exchange.reference.as_bytes(), &[0], &moment]);
            Ok(hex::encode(digest).chars().take(20).collect())
        }
    }
}

fn order(credentials: &Credentials, exchange: &Exchange<'_>, order_id: &str, amount: &str) -> Result<Value> {
    let input = exchange.input;
    Ok(json!({
        "requestType": "Payment",
        "mid": credentials.merchant_id,
        "websiteName": credentials.website,
        "orderId": order_id,
        "callbackUrl": input.required_text("callback_url")?,
        "txnAmount": { "value": amount, "currency": input.required_text("currency")?.to_ascii_uppercase() },
        "userInfo": { "custId": input.required_text("cust_id")? },
    }))
}

/// The signature covers the body's text, so the envelope is put around that text as it stands.
fn post(exchange: &Exchange<'_>, path: &str, query: &FormBody, body: &str, head: Value) -> Result<Call> {
    let head = encoding::sparse(head);
    let url = exchange.url(&format!("/theia/api/v1/{path}?{}", query.as_str()))?;
    Ok(Call::post(url).body(format!(r#"{{"body":{body},"head":{head}}}"#), "application/json"))
}

fn signature(merchant_key: &Secret, body: &str, salt: &str) -> Result<String> {
    let hash = format!("{}{salt}", hex::encode(crypto::sha256(&[body.as_bytes(), b"|", salt.as_bytes()])));
    let (key, text) = (merchant_key.expose().as_bytes(), hash.as_bytes());
    match key.len() {
        16 => Encryptor::<Aes128>::new_from_slices(key, IV).map(|cbc| cbc.encrypt_padded_vec_mut::<Pkcs7>(text)),
        24 => Encryptor::<Aes192>::new_from_slices(key, IV).map(|cbc| cbc.encrypt_padded_vec_mut::<Pkcs7>(text)),
        _ => Encryptor::<Aes256>::new_from_slices(key, IV).map(|cbc| cbc.encrypt_padded_vec_mut::<Pkcs7>(text)),
    }
    .map(encoding::base64)
    .map_err(|_| Error::invalid_credential("merchant_key", "must have 16, 24 or 32 characters"))
}

fn accept(reply: &Reply) -> Result<Body> {
    let answer: Answer = reply.accept(refusal)?;
    let status = answer.body.result_info.as_ref().and_then(|result| result.result_status.as_deref());
    match status {
        Some("S") => Ok(answer.body),
        None if refusal(reply).code.is_none() => Err(Error::bad_reply("Paytm's answer has no result in it")),
        _ => Err(reply.refuse(refusal(reply))),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    #[serde(deserialize_with = "encoding::lenient")]
    body: Body,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    #[serde(deserialize_with = "encoding::lenient")]
    result_info: Option<ResultInfo>,
    #[serde(deserialize_with = "encoding::lenient")]
    access_token: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    txn_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ResultInfo {
    #[serde(deserialize_with = "encoding::lenient")]
    result_status: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    result_code: Option<String>,
}

/// A refusal comes with status 200. Gateways in front of the API have a shape of their own.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/body/resultInfo/resultCode", "/errorCode"],
        &["/body/resultInfo/resultMsg", "/errorMessage"],
        &["/body/resultInfo/resultStatus", "/errorDescription"],
    );
    // 2006 is an unknown merchant, or a reference that differs between query and body.
    let merchant = refusal.message.as_deref().is_some_and(|text| text.to_ascii_lowercase().starts_with("mid "));
    let kind = match refusal.code.as_deref() {
        Some("2005") => Some(Kind::CredentialsRejected),
        Some("2006") if merchant => Some(Kind::CredentialsRejected),
        Some("501" | "00000900") => Some(Kind::Unavailable),
        _ if refusal.reason.as_deref() == Some("U") => Some(Kind::Unavailable),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    refusal.kind(kind)
}
