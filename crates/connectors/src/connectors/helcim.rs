//! Helcim: a HelcimPay.js session, by default one that verifies a card and stores it.
//! <https://devdocs.helcim.com/docs/initialize-a-helcimpayjs-checkout-session>

use crate::prelude::*;

const HOST: &str = "https://api.helcim.com";
/// The lifetime of a session, in seconds.
const LIFETIME: u32 = 3600;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

pub(super) struct Helcim;

impl Connector for Helcim {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "helcim",
        name: "Helcim",
        docs: "https://devdocs.helcim.com/docs/initialize-a-helcimpayjs-checkout-session",
        unconfirmed: &[
            "That a card verification takes amount 0: other programs send it.",
            "Status 429 for too many calls.",
        ],
        evidence: &[
            Evidence::new(
                "path, header, required members, lifetime of 60 minutes of both tokens",
                Source::page("devdocs.helcim.com, HelcimPay.js Initialization"),
                "2026-11",
            ),
            Evidence::new(
                "customerCode, hideExistingPaymentDetails, setAsDefaultPaymentMethod, customerRequest, invoiceRequest",
                Source::page("devdocs.helcim.com, Managing payment details, Managing customers and invoices"),
                "2026-11",
            ),
            Evidence::new(
                "displayContactFields as 0 or 1, confirmationScreen as true or false",
                Source::third_party("several public programs that call helcim-pay/initialize"),
                "2026-11",
            ),
        ],
        // One host for both modes: the API token decides.
        mode_shown: ModeShown::No(
            "Test accounts have API tokens of the same form on the same host (devdocs.helcim.com).",
        ),
        hosts: &[Host::main(HOST, HOST)],
        credentials: &[required("api_key").found_in("All Tools > Integrations > API Access Configuration > New API Access: API token", Source::page("https://devdocs.helcim.com/docs/creating-an-api-access-token"))],
        grants: &[client_grant(
            "helcim_pay_checkout",
            "run that one HelcimPay.js session, on pages that are not on localhost: verify and store a card, or pay or hold the amount; with customer_code for that customer",
            Lifetime::Fixed(LIFETIME),
            helcim_pay_checkout,
        )
        .by_default()
        .inputs(&[
            Input::one_of("currency", &["CAD", "USD"]).required(),
            Input::one_of("payment_type", &["verify", "purchase", "preauth"]),
            Input::decimal("amount"),
            Input::text("customer_code"),
            Input::text("invoice_number"),
            Input::one_of("payment_method", &["cc", "ach", "cc-ach"]),
            Input::flag("allow_partial"),
            Input::flag("has_convenience_fee"),
            Input::decimal("tax_amount"),
            Input::flag("hide_existing_payment_details"),
            Input::flag("set_as_default_payment_method"),
            Input::flag("confirmation_screen"),
            Input::flag("display_contact_fields"),
            Input::object("custom_styling"),
            Input::object("customer_request"),
            Input::object("invoice_request").amounts("its amounts are in major units: 10.50 is USD 10.50"),
        ])
        .worst_case(
            "verify and store stolen cards (card testing) or pay that amount with them; with hide_existing_payment_details false pay with the customer's saved cards",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(Source::page("devdocs.helcim.com, Overview of HelcimPay.js: appendHelcimPayIframe(checkoutToken)"))
        .minting_ends_earlier(MintingEndsEarlier::No("each call makes a session of its own (devdocs.helcim.com)"))
        .server_parameters(&["secret_token"])],
    };
}

fn helcim_pay_checkout(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/v2/helcim-pay/initialize")?)
            .secret_header("api-token", credentials.api_key.expose())
            .header("accept", "application/json")
            .json(&session(exchange)?)
            .repeatable()
            .send(),
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let token = Token::new(&session.checkout_token, "checkoutToken", Expiry::after_reply(reply, LIFETIME)?)?;
            Ok(Step::Done(token.server("secret_token", session.secret_token)))
        }
    }
}

fn session(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let payment_type = input.text("payment_type").unwrap_or("verify");
    let number = |name: &str| input.decimal(name).and_then(|amount| amount.parse::<f64>().ok());
    let amount = match number("amount") {
        Some(amount) => json!(amount),
        None if payment_type == "verify" => json!(0),
        None => return Err(Error::missing_inputs(&["amount"], "a session that moves money needs it")),
    };
    let value = |name: &str, value: &Value| match (name, value) {
        ("tax_amount", _) => json!(number(name)),
        ("confirmation_screen", flag) => flag.clone(),
        (_, Value::Bool(flag)) => json!(u8::from(*flag)),
        (_, value) => value.clone(),
    };
    // Every member has the name of its input, in the vendor's spelling.
    let mut body: Map<String, Value> =
        input.iter().map(|(name, given)| (encoding::camel_case(name), value(name, given))).collect();
    // Helcim shows the customer's saved cards to anybody who has the token unless it is told not to.
    if input.text("customer_code").is_some() {
        body.entry("hideExistingPaymentDetails").or_insert(json!(1));
    }
    body.insert("paymentType".into(), json!(payment_type));
    body.insert("amount".into(), amount);
    Ok(body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    checkout_token: String,
    secret_token: Secret,
}

/// The member `errors` is a text, a list of texts, or an object with a text for each field.
fn refusal(reply: &Reply) -> Refusal {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let texts: Vec<String> = match reply.lenient::<Value>().get("errors") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(text).collect(),
        Some(Value::Object(fields)) => fields.iter().map(|(name, it)| format!("{name}: {}", text(it))).collect(),
        Some(value) => vec![text(value)],
    };
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).collect();
    let message = (!texts.is_empty()).then(|| texts.join("; "));
    Refusal::new(Some(reply.status.to_string()), message.or_else(|| reply.refusal(&[], &["/message"], &[]).message))
}
