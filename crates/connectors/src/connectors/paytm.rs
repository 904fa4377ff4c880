//! Paytm: a token for what its SDKs ask before there is an order, and one that pays an order.
//! <https://paytmpayments.com/docs/api/initiate-transaction-api>

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
/// The result of asking again for an order that is known: its token, of unknown age.
const KNOWN_ORDER: &str = "0002";

#[derive(Deserialize)]
pub struct Credentials {
    merchant_id: String,
    merchant_key: Secret,
    website: String,
    client_id: Option<String>,
}

pub struct Paytm;

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
        hosts: &[Host::main("https://secure.paytmpayments.com", "https://securestage.paytmpayments.com")],
        credentials: &[
            required("merchant_id").public(),
            required("merchant_key"),
            required("website").public(),
            optional("client_id").public(),
        ],
        grants: &[
            Grant::client_unconverted(
                "access_token",
                "ask for payment options and card details without an order",
                Lifetime::Unpublished,
            )
            .by_default()
            .inputs(&[Input::text_of("reference_id", 20)]),
            Grant::client_unconverted("txn_token", "pay this one order", Lifetime::Fixed(LIFETIME))
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

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let (input, mid) = (exchange.input, &credentials.merchant_id);
        let pays = exchange.grant.name == "txn_token";
        let (name, least, most) = if pays { ("order_id", 1, 50) } else { ("reference_id", 10, 20) };
        let id = match input.text(name) {
            Some(id) if pays && !id.chars().all(|c| c.is_ascii_alphanumeric() || "@-_.".contains(c)) => {
                return Err(Error::invalid_input(name, "must be letters, digits, @, -, _ and ."));
            }
            Some(id) if id.chars().count() < least => {
                return Err(Error::invalid_input(name, format!("must have {least} to {most} characters")));
            }
            Some(id) => id.to_owned(),
            None => format!("{:0>least$}", exchange.reference_within(most, "-_")),
        };
        match exchange.replies {
            [] => {
                let (path, parameter, body) = if pays {
                    let body = json!({
                        "requestType": "Payment",
                        "mid": mid,
                        "websiteName": credentials.website,
                        "orderId": id,
                        "callbackUrl": input.text("callback_url"),
                        "txnAmount": {
                            "value": input.decimal("amount"),
                            "currency": input.text("currency").map(str::to_ascii_uppercase),
                        },
                        "userInfo": { "custId": input.text("cust_id") },
                    });
                    ("initiateTransaction", "orderId", body)
                } else {
                    ("token/create", "referenceId", json!({ "mid": mid, "referenceId": id }))
                };
                let query = FormBody::new().field("mid", mid).field(parameter, &id);
                let uri = exchange.url(&format!("/theia/api/v1/{path}?{}", query.as_str()))?;
                // Its text is signed, so the envelope is put around that text as it stands.
                let body = body.to_string();
                let signature = signature(&credentials.merchant_key, &body, &exchange.nonce.alphanumeric(4))?;
                let client = &credentials.client_id;
                let head = encoding::sparse(match pays {
                    true => json!({ "version": "v1", "channelId": "WEB", "clientId": client, "signature": signature }),
                    false => json!({ "clientId": client, "tokenType": "CHECKSUM", "token": signature }),
                });
                let call = Call::post(uri).body(format!(r#"{{"body":{body},"head":{head}}}"#), "application/json");
                if pays { call.send() } else { call.repeatable().send() }
            }
            [reply, ..] => {
                let Body { result_info, access_token, txn_token } = accept(reply)?;
                if !pays {
                    let token = Token::new(&access_token.unwrap_or_default(), "ACCESS", Expiry::Unpublished)?;
                    return Ok(Step::Done(token.client("mid", mid).client("reference_id", id)));
                }
                // The token of an order that is known already has lived for a time that nobody tells.
                if result_info.is_some_and(|result| result.result_code.as_deref() == Some(KNOWN_ORDER)) {
                    return Err(reply.refuse(refusal(reply)));
                }
                let expiry = Expiry::after_reply(reply, LIFETIME)?;
                let token = Token::new(&txn_token.unwrap_or_default(), "txn_token", expiry)?
                    .client("mid", mid)
                    .client("order_id", id)
                    .client("amount", input.decimal("amount").unwrap_or_default());
                Ok(Step::Done(token))
            }
        }
    }
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

/// Refusals come with status 200.
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
