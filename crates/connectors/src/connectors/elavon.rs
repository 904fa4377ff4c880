//! Elavon Converge: a token for one transaction on its hosted form, in Lightbox or in Checkout.js.
//! <https://developer.elavon.com/na/docs/converge/1.0.0/integration-guide/integration_methods/lightbox>

use crate::prelude::*;

const LIFETIME: u32 = 900;
/// The longest `ssl_invoice_number`, in characters (Converge integration guide, input fields). It may
/// repeat.
const MAX_INVOICE_NUMBER: usize = 25;
/// The transaction type that makes a card token only, so it has no amount.
const TOKENIZE: &str = "ccgettoken";

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page(
    "https://developer.elavon.com/na/docs/converge/1.0.0/integration-guide/transaction_types/account_admin_transactions/terminal_setup",
);

#[derive(Deserialize)]
pub(super) struct Credentials {
    ssl_merchant_id: String,
    ssl_user_id: Secret,
    ssl_pin: Secret,
}

const OPTIONS: &[Input] = &[
    Input::one_of("ssl_transaction_type", &["ccsale", "ccauthonly", "ccverify", TOKENIZE, "ecspurchase", "egcsale"]),
    Input::decimal("ssl_amount"),
    Input::one_of("ssl_get_token", &["Y", "N"]),
    Input::one_of("ssl_add_token", &["Y", "N"]),
    Input::text("ssl_vendor_id"),
    Input::text("ssl_first_name"),
    Input::text("ssl_last_name"),
    Input::text("ssl_avs_address"),
    Input::text("ssl_avs_zip"),
    Input::text("ssl_customer_code"),
];

pub(super) struct Elavon;

impl Connector for Elavon {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "elavon",
        name: "Elavon Converge",
        docs: "https://developer.elavon.com/na/docs/converge/1.0.0/integration-guide/integration_methods/lightbox",
        unconfirmed: &[
            "The lifetime of 15 minutes: other programs state it, no page of Elavon's that was found.",
            "The meaning of the error codes 4000, 4025 and 5000.",
        ],
        evidence: &[
            Evidence::new(
                "path, hosts, fields of the form, the token as plain text",
                Source::third_party("Elavon's PHP samples in jenielmangahis/subsmart, converge/lightbox and converge/checkoutjs"),
                "2026-11",
            ),
            Evidence::new(
                "transaction types, fields, use in the browser",
                Source::page("developer.elavon.com, Converge integration guide, Lightbox"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Demo and live accounts have ids and PINs of the same form; the host decides (Elavon's PHP samples).",
        ),
        hosts: &[Host::main("https://api.convergepay.com", "https://api.demo.convergepay.com")],
        credentials: &[required("ssl_merchant_id").public().found_in("Elavon assigns it: Converge Account ID (AID)", KEYS), required("ssl_user_id").found_in("The Converge user ID that has the status Hosted Payment API User", KEYS), required("ssl_pin").found_in("Converge > Employees > the API user > SHOW PIN: PIN of the terminal", Source::third_party("support.getadministrate.com, Elavon Converge Payment Provider Settings"))],
        grants: &[client_grant(
            "transaction_token",
            "make the one transaction it was made for on the hosted form; without an amount, turn a card into a token",
            Lifetime::Fixed(LIFETIME),
            transaction_token,
        )
        .by_default()
        .inputs(OPTIONS)
        .worst_case(
            "make that one transaction with a stolen card, or without an amount turn stolen cards into tokens (card testing)",
            &[Bound::Amount, Bound::SingleUse],
        )
        .client_source(Source::page("developer.elavon.com, Converge, Lightbox: PayWithConverge.open({ ssl_txn_auth_token })"))
        .client_parameters(&[ClientParameter::new(
            "payment_page_url",
            "the hosted payment page for this token",
            "a redirect of the payer's browser; Lightbox and Checkout.js take the token itself as ssl_txn_auth_token",
        )])
        .minting_ends_earlier(MintingEndsEarlier::No("each token is for one form (Converge integration guide, Lightbox)"))],
    };
}

fn transaction_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/hosted-payments/transaction_token")?)
            .form(transaction(credentials, exchange)?)
            .repeatable()
            .send(),
        [reply, ..] => {
            reply.succeed(refusal)?;
            let token = reply.text()?.trim();
            if !is_token(token) {
                return Err(reply.refuse(refusal(reply)));
            }
            let path = format!("/hosted-payments?ssl_txn_auth_token={}", Exchange::segment(token));
            let token = Token::new(token, "ssl_txn_auth_token", Expiry::after_reply(reply, LIFETIME)?)?;
            Ok(Step::Done(token.client("payment_page_url", exchange.url(&path)?.to_string())))
        }
    }
}

fn transaction(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<FormBody> {
    let input = exchange.input;
    let amount = input.amount("ssl_amount", 2)?;
    let kind = match (input.text("ssl_transaction_type"), &amount) {
        (None | Some(TOKENIZE), None) => TOKENIZE,
        (Some(TOKENIZE), Some(_)) => {
            return Err(Error::invalid_input("ssl_amount", "a transaction of type ccgettoken has none"));
        }
        (None, Some(_)) => return Err(Error::missing_inputs(&["ssl_transaction_type"], "ssl_amount needs it")),
        (Some(_), None) => return Err(Error::missing_inputs(&["ssl_amount"], "the transaction's type needs it")),
        (Some(kind), Some(_)) => kind,
    };
    let form = FormBody::new()
        .field("ssl_merchant_id", &credentials.ssl_merchant_id)
        .field("ssl_user_id", credentials.ssl_user_id.expose())
        .field("ssl_pin", credentials.ssl_pin.expose())
        .field("ssl_transaction_type", kind)
        .maybe("ssl_amount", amount.as_deref())
        .maybe("ssl_add_token", input.text("ssl_add_token").or((kind == TOKENIZE).then_some("Y")))
        .field("ssl_invoice_number", &exchange.reference_within(MAX_INVOICE_NUMBER, "-_."));
    let done = ["ssl_transaction_type", "ssl_amount", "ssl_add_token"];
    let others = OPTIONS.iter().map(|option| option.name).filter(|name| !done.contains(name));
    Ok(others.fold(form, |form, name| form.maybe(name, input.text(name))))
}

/// Whether the text can be a token. The whole answer is the token, so this tells it from an error
/// page.
fn is_token(text: &str) -> bool {
    (20..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

/// An error is text, HTML, XML or `name=value` lines, with any status.
fn refusal(reply: &Reply) -> Refusal {
    let body = String::from_utf8_lossy(&reply.body);
    let field = |name: &str| {
        let start = |mark: String| body.split_once(&mark).map(|(_, rest)| rest);
        let rest = start(format!("{name}=")).or_else(|| start(format!("<{name}>")))?;
        rest.split(['<', '\r', '\n']).next().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let code = field("errorCode");
    let kind = match code.as_deref() {
        Some("4025" | "4000") => Some(Kind::CredentialsRejected),
        Some(_) if reply.is_success() => Some(Kind::RequestRejected),
        _ => None,
    };
    let start: String = body.trim().chars().take(200).collect();
    let message = field("errorMsg").or(Some(start).filter(|start| !start.is_empty()));
    Refusal::new(code.or(Some(reply.status.to_string())), message).reason(field("errorName")).kind(kind)
}
