//! Paytm: a token for its SDKs' queries before there is an order, and one that pays an order.
//! <https://paytmpayments.com/docs/api/initiate-transaction-api>

use std::ops::RangeInclusive;

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
/// The result code for an order that Paytm knows already: its token is of unknown age.
const KNOWN_ORDER: &str = "0002";

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
            "A transaction token lives for 15 minutes.",
            "The result codes, and that the token of an order asked for twice is the first one.",
            "A reference of an access token has 10 to 20 characters.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://secure.paytmpayments.com", "https://securestage.paytmpayments.com")],
        credentials: &[
            required("merchant_id").public(),
            required("merchant_key"),
            required("website").public(),
            optional("client_id").public(),
        ],
        grants: &[
            client_grant(
                "access_token",
                "ask for payment options and card details without an order",
                Lifetime::Unpublished,
                access_token,
            )
            .by_default()
            .inputs(&[Input::text_of("reference_id", 20)]),
            client_grant("txn_token", "pay this one order", Lifetime::Fixed(LIFETIME), txn_token)
                .by_default_with("amount")
                .inputs(&[
                    Input::decimal("amount").required(),
                    Input::currency("currency").required(),
                    Input::text("cust_id").required(),
                    Input::url("callback_url").required(),
                    Input::text_of("order_id", 50),
                ]),
        ],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let mid = &credentials.merchant_id;
    let reference_id = id(exchange, "reference_id", 10..=20)?;
    match exchange.replies {
        [] => {
            let body = json!({ "mid": mid, "referenceId": reference_id }).to_string();
            let signature = signature(&credentials.merchant_key, &body, &exchange.nonce.alphanumeric(4))?;
            let head = json!({ "clientId": credentials.client_id, "tokenType": "CHECKSUM", "token": signature });
            let query = FormBody::new().field("mid", mid).field("referenceId", &reference_id);
            post(exchange, "token/create", &query, &body, head)?.repeatable().send()
        }
        [reply, ..] => {
            let Body { access_token, .. } = accept(reply)?;
            let token = Token::new(&access_token.unwrap_or_default(), "ACCESS", Expiry::Unpublished)?;
            Ok(Step::Done(token.client("mid", mid).client("reference_id", reference_id)))
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
            // The token of a known order is of unknown age, so its expiry cannot be told.
            if result_info.is_some_and(|result| result.result_code.as_deref() == Some(KNOWN_ORDER)) {
                return Err(reply.refuse(refusal(reply)));
            }
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            let token = Token::new(&txn_token.unwrap_or_default(), "txn_token", expiry)?
                .client("mid", mid)
                .client("order_id", order_id)
                .client("amount", amount);
            Ok(Step::Done(token))
        }
    }
}

fn order_id(exchange: &Exchange<'_>) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
    match exchange.input.text("order_id") {
        Some(id) if !id.chars().all(allowed) => {
            Err(Error::invalid_input("order_id", "must be letters, digits, @, -, _ and ."))
        }
        _ => id(exchange, "order_id", 1..=50),
    }
}

/// The id that the caller gives under this name, else one that is made from the reference.
fn id(exchange: &Exchange<'_>, name: &str, length: RangeInclusive<usize>) -> Result<String> {
    let (least, most) = length.into_inner();
    match exchange.input.text(name) {
        Some(id) if id.chars().count() < least => {
            Err(Error::invalid_input(name, format!("must have {least} to {most} characters")))
        }
        Some(id) => Ok(id.to_owned()),
        None => Ok(format!("{:0>least$}", exchange.reference_within(most, "-_"))),
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
        None if answer.error_code.is_none() => Err(Error::bad_reply("Paytm's answer has no result in it")),
        _ => Err(reply.refuse(refusal(reply))),
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    body: Body,
    error_code: Option<String>,
    error_message: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    result_info: Option<ResultInfo>,
    access_token: Option<String>,
    txn_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ResultInfo {
    result_status: Option<String>,
    result_code: Option<String>,
    result_msg: Option<String>,
}

/// A refusal comes with status 200.
fn refusal(reply: &Reply) -> Refusal {
    let answer: Answer = reply.lenient();
    let result = answer.body.result_info.unwrap_or_default();
    let code = result.result_code.or(answer.error_code);
    let kind = match code.as_deref() {
        Some("2005" | "2006") => Some(Kind::CredentialsRejected),
        Some("501" | "00000900") => Some(Kind::Unavailable),
        _ if result.result_status.as_deref() == Some("U") => Some(Kind::Unavailable),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    Refusal::new(code, result.result_msg.or(answer.error_message))
        .reason(result.result_status.or(answer.error_description))
        .kind(kind)
}
