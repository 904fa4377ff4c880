//! Payload: a client token for Payload.js, limited to one intent.
//! <https://docs.payload.com/ui/authentication>

use std::collections::BTreeMap;

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    auth_key_map: BTreeMap<String, Account>,
}

/// The account of a currency.
#[derive(Deserialize)]
struct Account {
    api_key: Secret,
}

impl Account {
    fn mode(&self) -> Option<Mode> {
        Mode::of_key(self.api_key.expose(), &["test_secret_key_"], &["secret_key_"])
    }
}

const CURRENCY: Input = Input::currency("currency");
/// Without it the account's own version applies, which is v1 for calls without the header.
const API_VERSION: Input = Input::one_of("api_version", &["v1", "v2"]);
/// Members that hold the number of a card or of a bank account. They belong into the secure inputs
/// of the page.
const NUMBERS: [&str; 5] = ["card", "card_number", "card_code", "bank_account", "account_number"];
const FOR_PAYLOAD_JS: Source = Source::page("https://docs.payload.com/ui/authentication");
const NEW_TOKEN: MintingEndsEarlier =
    MintingEndsEarlier::No("each call makes an access token of its own (docs.payload.com, UI authentication)");
const CHECKOUT_WORST_CASE: &str =
    "pay that amount or invoice, also with a stolen card, and see what the checkout shows of the invoice";
const CHECKOUT: &[Input] = &[
    CURRENCY,
    API_VERSION,
    Input::decimal("amount"),
    Input::text("invoice_id"),
    Input::text("customer_id"),
    Input::text("processing_id"),
];
const AMOUNT_OR_INVOICE: &[&[&str]] = &[&["amount"], &["invoice_id"]];

pub(super) struct Payload;

impl Connector for Payload {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "payload",
        name: "Payload",
        docs: "https://docs.payload.com/ui/authentication",
        unconfirmed: &[
            "Test keys begin with test_secret_key_: the vendor's pages show secret_key_ only.",
            "In version 2, the names payment_template and, for the checkouts, those of version 1.",
            "The bounds on a payment's description.",
        ],
        evidence: &[
            Evidence::new(
                "the call, its intents and their members, that the token is for Payload.js",
                Source::page("https://docs.payload.com/ui/authentication"),
                "2026-11",
            ),
            Evidence::new(
                "the members of each intent in version 1",
                Source::page("https://docs.payload.com/apis/object-reference/intents"),
                "2026-11",
            ),
            Evidence::new(
                "path, authentication, the header X-API-Version, the members type, status and environ",
                Source::sdk("payload-api (npm) 1.1.1 with its tests"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Test keys begin with test_secret_key_, live keys with secret_key_; each answer names its environment, too (environ, payload-api 1.1.1).",
        ),
        hosts: &[Host::main("https://api.payload.com", "https://api.payload.com")],
        credentials: &[required("auth_key_map").nested().found_in("Dashboard > Settings > API Keys: secret key, as api_key of each currency", Source::page("https://docs.payload.co/apis/authentication/"))],
        grants: &[
            client_grant(
                "payment_method_form",
                "store one payment method through secure inputs",
                Lifetime::Unpublished,
                payment_method_form,
            )
            .by_default()
            .inputs(&[CURRENCY, API_VERSION, Input::object("payment_method")])
            .worst_case(
                "store one means of payment, also a stolen card: a page that gives tokens to anybody serves card testing",
                &[Bound::Object],
            )
            .client_source(FOR_PAYLOAD_JS)
            .minting_ends_earlier(NEW_TOKEN),
            client_grant(
                "payment_form",
                "make that one payment through secure inputs",
                Lifetime::Unpublished,
                payment_form,
            )
            .inputs(&[CURRENCY, API_VERSION, Input::decimal("amount").required(), Input::object("payment").amounts("amount is in major units: 10.50 is USD 10.50")])
            .worst_case("make that payment, also with a stolen card", &[Bound::Amount, Bound::Object])
            .client_source(FOR_PAYLOAD_JS)
            .minting_ends_earlier(NEW_TOKEN),
            client_grant(
                "checkout_plugin",
                "pay that amount or invoice in the embedded checkout",
                Lifetime::Unpublished,
                checkout_plugin,
            )
            .inputs(CHECKOUT)
            .one_of(AMOUNT_OR_INVOICE)
            .worst_case(CHECKOUT_WORST_CASE, &[Bound::Amount, Bound::Object])
            .client_source(FOR_PAYLOAD_JS)
            .minting_ends_earlier(NEW_TOKEN),
            client_grant(
                "checkout_page",
                "pay that amount or invoice on the hosted page",
                Lifetime::Unpublished,
                checkout_page,
            )
            .inputs(CHECKOUT)
            .one_of(AMOUNT_OR_INVOICE)
            .worst_case(CHECKOUT_WORST_CASE, &[Bound::Amount, Bound::Object])
            .client_source(FOR_PAYLOAD_JS)
            .minting_ends_earlier(NEW_TOKEN),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        let mut modes = credentials.auth_key_map.values().map(Account::mode);
        let first = modes.next()??;
        modes.all(|mode| mode == Some(first)).then_some(first)
    }
}

fn payment_method_form(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let name = in_version(exchange, "payment_method", "payment_method_template");
            let form = json!({ name: object(exchange, "payment_method")? });
            token_call(credentials, exchange, &json!({ "payment_method_form": form }))
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn payment_form(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let name = in_version(exchange, "payment", "payment_template");
            let form = json!({ name: payment(exchange, object(exchange, "payment")?) });
            token_call(credentials, exchange, &json!({ "payment_form": form }))
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn checkout_plugin(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let payment = payment(exchange, Map::new());
            token_call(credentials, exchange, &json!({ "checkout_plugin": payment }))
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn checkout_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let payment = payment(exchange, Map::new());
            token_call(credentials, exchange, &json!({ "checkout_page": payment }))
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, intent: &Value) -> Result<Step> {
    let account = account(credentials, exchange)?;
    if account.mode().is_some_and(|mode| mode != exchange.mode) {
        return Err(Error::invalid("test_mode", "the key of this currency is of Payload's other environment"));
    }
    let call = Call::post(exchange.url("/access_tokens")?).basic(account.api_key.expose(), "");
    let call = match exchange.input.text("api_version") {
        Some(version) => call.header("x-api-version", version),
        None => call,
    };
    call.json(&json!({ "type": "client", "intent": intent })).repeatable().send()
}

/// A name by the version of the API that the caller asks for.
fn in_version(exchange: &Exchange<'_>, v1: &'static str, v2: &'static str) -> &'static str {
    if exchange.input.text("api_version") == Some("v2") { v2 } else { v1 }
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let made: AccessToken = reply.accept(refusal)?;
    if made.kind != "client" {
        return Err(Error::bad_reply("Payload's token is not a client token"));
    }
    if made.environ.is_some_and(|environ| environ != exchange.mode.label()) {
        return Err(Error::invalid("test_mode", "these credentials are of Payload's other environment"));
    }
    Ok(Step::Done(Token::new(&made.id, "client_token", Expiry::Unpublished)?))
}

/// The account of the currency that the caller names, otherwise the first by name.
fn account<'a>(credentials: &'a Credentials, exchange: &Exchange<'_>) -> Result<&'a Account> {
    let accounts = &credentials.auth_key_map;
    match exchange.input.text("currency") {
        Some(currency) => accounts
            .iter()
            .find_map(|(name, account)| name.eq_ignore_ascii_case(currency).then_some(account))
            .ok_or_else(|| Error::invalid_input("currency", "auth_key_map has no account of this currency")),
        None => accounts
            .values()
            .next()
            .ok_or_else(|| Error::invalid_credential("auth_key_map", "must have an account of a currency")),
    }
}

/// The members of an input that the caller gave as they are. Numbers of cards and accounts must not
/// come this way.
fn object(exchange: &Exchange<'_>, name: &str) -> Result<Map<String, Value>> {
    let object = exchange.input.value(name).and_then(Value::as_object).cloned().unwrap_or_default();
    if object.iter().any(|(key, value)| has_number(key, value)) {
        return Err(Error::invalid_input(name, "must have no number of a card or of a bank account in it"));
    }
    Ok(object)
}

fn has_number(key: &str, value: &Value) -> bool {
    NUMBERS.contains(&key)
        || value.as_object().is_some_and(|members| members.iter().any(|(key, value)| has_number(key, value)))
}

/// The payment of an intent. `payment` holds the members that the caller gave as they are.
fn payment(exchange: &Exchange<'_>, mut payment: Map<String, Value>) -> Map<String, Value> {
    let input = exchange.input;
    let names = ["invoice_id", "customer_id", "processing_id"].map(|name| (name, name));
    input.copy_into(&mut payment, &names);
    if let Some(amount) = input.decimal("amount").and_then(|amount| amount.parse::<f64>().ok()) {
        payment.insert("amount".into(), json!(amount));
    }
    payment.entry("description").or_insert_with(|| json!(exchange.reference));
    payment
}

#[derive(Deserialize)]
struct AccessToken {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    environ: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    let body: Value = reply.lenient();
    let details = body.get("details").filter(|details| !details.is_null()).map(Value::to_string);
    reply.refusal(&["/error_type"], &["/error_description", "/description", "/error_type"], &[]).reason(details)
}
