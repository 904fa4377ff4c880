//! Datatrans: a transaction that opens Secure Fields in a page, the hosted page, or the mobile SDK.
//! <https://api-reference.datatrans.ch/>

use crate::prelude::*;

const LIFETIME: u32 = 1800;
const MAX_REFNO: usize = 20;
const REFNO_SIGNS: &str = "-_.";

const CURRENCY: Input = Input::currency("currency").required();
const RETURN_URL: Input = Input::url("return_url").required();
/// Datatrans refuses zero: a transaction that charges nothing has no amount.
const AMOUNT: Input = Input::integer("amount", 1, 999_999_999_999);

#[derive(Deserialize)]
pub(super) struct Credentials {
    merchant_id: Secret,
    password: Secret,
}

pub(super) struct Datatrans;

impl Connector for Datatrans {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "datatrans",
        name: "Datatrans",
        docs: "https://api-reference.datatrans.ch/",
        unconfirmed: &["That refno has at most 20 characters."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.datatrans.com", "https://api.sandbox.datatrans.com")],
        credentials: &[required("merchant_id").public(), required("password")],
        grants: &[
            client_grant(
                "secure_fields",
                "enter the card of this transaction in iframes, with 3-D Secure",
                Lifetime::Fixed(LIFETIME),
                secure_fields,
            )
            .by_default()
            .inputs(&[CURRENCY, RETURN_URL, AMOUNT]),
            client_grant(
                "registration",
                "register one means of payment on the hosted page, without a charge",
                Lifetime::Fixed(LIFETIME),
                registration,
            )
            .inputs(&[
                CURRENCY,
                RETURN_URL,
                Input::url("cancel_url"),
                Input::url("error_url"),
                Input::texts("payment_methods"),
            ]),
            client_grant(
                "mobile_token",
                "register or pay with one means of payment in the mobile SDK",
                Lifetime::Fixed(LIFETIME),
                mobile_token,
            )
            .inputs(&[CURRENCY, AMOUNT, Input::texts("payment_methods").required()]),
        ],
    };
}

fn secure_fields(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = transaction(exchange)?;
            body.insert("returnUrl".into(), json!(exchange.input.required_text("return_url")?));
            post(credentials, exchange, "/v1/transactions/secureFields", &body)
        }
        [reply, ..] => transaction_id(reply),
    }
}

fn registration(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let return_url = input.required_text("return_url")?;
            let [cancel_url, error_url] =
                ["cancel_url", "error_url"].map(|name| input.text(name).unwrap_or(return_url));
            let redirect = json!({ "successUrl": return_url, "cancelUrl": cancel_url, "errorUrl": error_url });
            let mut body = transaction(exchange)?;
            body.insert("refno".into(), refno(exchange));
            body.insert("option".into(), json!({ "createAlias": true }));
            body.insert("redirect".into(), redirect);
            post(credentials, exchange, "/v1/transactions", &body)
        }
        [reply, ..] => transaction_id(reply),
    }
}

fn mobile_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = transaction(exchange)?;
            body.insert("refno".into(), refno(exchange));
            body.insert("option".into(), json!({ "createAlias": true, "returnMobileToken": true }));
            post(credentials, exchange, "/v1/transactions", &body)
        }
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            let mobile_token = answer.mobile_token.ok_or_else(|| Error::bad_reply("Datatrans sent no mobile token"))?;
            let token = Token::new(&mobile_token, "mobile_token", expiry)?;
            Ok(Step::Done(token.client("transaction_id", encoding::not_blank(answer.transaction_id)?)))
        }
    }
}

/// The members that every transaction has.
fn transaction(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut body = Map::new();
    input.copy_into(&mut body, &[("amount", "amount"), ("payment_methods", "paymentMethods")]);
    body.insert("currency".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    Ok(body)
}

fn refno(exchange: &Exchange<'_>) -> Value {
    json!(exchange.reference_within(MAX_REFNO, REFNO_SIGNS))
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: &Map<String, Value>) -> Result<Step> {
    Call::post(exchange.url(path)?)
        .basic(credentials.merchant_id.expose(), credentials.password.expose())
        .header("idempotency-key", exchange.idempotency_key)
        .json(body)
        .header("content-type", "application/json; charset=UTF-8")
        .repeatable()
        .send()
}

fn transaction_id(reply: &Reply) -> Result<Step> {
    let answer: Answer = reply.accept(refusal)?;
    let token = Token::new(&answer.transaction_id, "transaction_id", Expiry::after_reply(reply, LIFETIME)?)?;
    Ok(Step::Done(match reply.header("location") {
        Some(page) => token.client("redirect_url", page),
        None => token,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    transaction_id: String,
    mobile_token: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error/code"], &["/error/message"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("UNAUTHORIZED") => Some(Kind::CredentialsRejected),
        Some("SERVER_ERROR" | "THIRD_PARTY_ERROR" | "UNKNOWN_ERROR") => Some(Kind::Unavailable),
        _ => None,
    };
    refusal.kind(kind)
}
