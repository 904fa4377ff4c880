//! Datatrans: a transaction that opens Secure Fields in a page, the hosted page, or the mobile SDK.
//! <https://api-reference.datatrans.ch/>

use crate::prelude::*;

const LIFETIME: u32 = 1800;
/// By Datatrans' pages on PCI Proxy. A refno that was used before is refused (`DUPLICATE_REFNO`).
const MAX_REFNO: usize = 20;
const REFNO_SIGNS: &str = "-_.";

const CURRENCY: Input = Input::currency("currency").required();
const RETURN_URL: Input = Input::url("return_url").required();
/// Datatrans refuses zero: a transaction that charges nothing has no amount.
const AMOUNT: Input = Input::minor_units_from("amount", 1);

const NEW_TRANSACTION: MintingEndsEarlier =
    MintingEndsEarlier::No("each call makes a transaction of its own (docs.pci-proxy.com)");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://api-reference.datatrans.ch/xml/#request-signing");

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
        unconfirmed: &[
            "The signs that refno may have besides letters and digits.",
            "The bounds on an idempotency key and how long it is kept.",
            "Version 2 of the API, which one large merchant uses: this connector speaks version 1.",
        ],
        evidence: &[
            Evidence::new(
                "the calls, statuses and error body of Secure Fields; refno of 1 to 20 characters, which is unique; paymentMethods and returnMobileToken for mobile tokens; 30 minutes",
                Source::page("https://docs.pci-proxy.com (repository datatrans/docs.pci-proxy.com)"),
                "2026-11",
            ),
            Evidence::new(
                "required members, registration without an amount, error codes, idempotency",
                Source::third_party("a PHP client generated from Datatrans' OpenAPI document"),
                "2026-11",
            ),
            Evidence::new(
                "the mobile SDK takes a mobile token and a switch for tests",
                Source::sdk("Datatrans mobile SDK for iOS: Transaction(mobileToken:), options.testing"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("No form that tells the environment is documented (docs.pci-proxy.com)."),
        hosts: &[Host::main("https://api.datatrans.com", "https://api.sandbox.datatrans.com")],
        credentials: &[required("merchant_id").public().found_in("Webadmin > UPP Administration > Security: merchantId, the user name of the API", KEYS), required("password").found_in("Webadmin > UPP Administration > Security: the password of the server to server security", KEYS)],
        grants: &[
            client_grant(
                "secure_fields",
                "enter the card of this transaction in iframes, with 3-D Secure",
                Lifetime::Fixed(LIFETIME),
                secure_fields,
            )
            .by_default()
            .inputs(&[CURRENCY, RETURN_URL, AMOUNT])
            .worst_case(
                "put a card, also a stolen one, into this transaction and try 3-D Secure with it; a charge needs the merchant's server",
                &[Bound::Object],
            )
            .client_source(Source::page("https://docs.pci-proxy.com, Secure Fields: secureFields.init(transactionId, …)"))
            .client_parameters(&[ClientParameter::new(
                "library_url",
                "the script of Secure Fields for this environment",
                "the src of the script that defines SecureFields",
            )])
            .minting_ends_earlier(NEW_TRANSACTION),
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
            ])
            .worst_case(
                "register one means of payment, own or stolen, on this page; its alias goes to the merchant's server",
                &[Bound::Object],
            )
            .client_parameters(&[ClientParameter::new(
                "redirect_url",
                "the hosted page of this transaction",
                "the address that the payer's browser opens",
            )])
            .minting_ends_earlier(NEW_TRANSACTION),
            client_grant(
                "mobile_token",
                "register or pay with one means of payment in the mobile SDK",
                Lifetime::Fixed(LIFETIME),
                mobile_token,
            )
            .inputs(&[CURRENCY, AMOUNT, Input::texts("payment_methods").required()])
            .worst_case(
                "register, or pay that amount with, one means of payment, own or stolen, in the SDK",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("Datatrans mobile SDK for iOS: Transaction(mobileToken:)"))
            .client_parameters(&[
                ClientParameter::new("transaction_id", "the id of the transaction", "no SDK of version 3: the shop finds the transaction by it"),
                ClientParameter::new("testing", "true in the test environment, otherwise false", "transaction.options.testing"),
            ])
            .minting_ends_earlier(NEW_TRANSACTION),
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
        [reply, ..] => {
            let library = match exchange.mode {
                Mode::Live => "https://pay.datatrans.com/upp/payment/js/secure-fields-2.0.0.js",
                Mode::Test => "https://pay.sandbox.datatrans.com/upp/payment/js/secure-fields-2.0.0.js",
            };
            Ok(Step::Done(transaction_id(reply)?.client("library_url", library)))
        }
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
        [reply, ..] => {
            let token = transaction_id(reply)?;
            Ok(Step::Done(match reply.header("location") {
                Some(page) => token.client("redirect_url", page),
                None => token,
            }))
        }
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
            let answer: Mobile = reply.accept(refusal)?;
            let testing = (exchange.mode == Mode::Test).to_string();
            let token = Token::new(&answer.mobile_token, "mobile_token", Expiry::after_reply(reply, LIFETIME)?)?;
            let token = token.client("testing", testing);
            // With version 3 of the mobile SDK, the mobile token may come alone.
            Ok(Step::Done(match answer.transaction_id {
                Some(id) => token.client("transaction_id", encoding::not_blank(id)?),
                None => token,
            }))
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
    json!(exchange.object_reference(MAX_REFNO, REFNO_SIGNS))
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

fn transaction_id(reply: &Reply) -> Result<Token> {
    let answer: Transaction = reply.accept(refusal)?;
    Token::new(&answer.transaction_id, "transaction_id", Expiry::after_reply(reply, LIFETIME)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    transaction_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mobile {
    mobile_token: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    transaction_id: Option<String>,
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
