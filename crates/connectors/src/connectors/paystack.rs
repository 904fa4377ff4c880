//! Paystack: an access code with which its popup or mobile SDK goes on with one transaction.
//! <https://paystack.com/docs/api/transaction/#initialize>

use crate::prelude::*;

const INPUTS: &[Input] = &[
    Input::text("email").required(),
    Input::minor_units_from("amount", 1).required(),
    Input::currency("currency"),
    Input::url("callback_url"),
    Input::texts_of("channels", 7),
    Input::text("plan"),
    Input::integer("invoice_limit", 1, 1_000_000),
    Input::text("split_code"),
    Input::text("subaccount"),
    Input::text_of("transaction_charge", 12).amounts("in minor units: \"1050\" is NGN 10.50"),
    Input::one_of("bearer", &["account", "subaccount"]),
    Input::text("label"),
];

/// Our own bound on the reference, in characters.
const MAX_REFERENCE: usize = 255;

const INLINE_JS: Source = Source::sdk("npm package @paystack/inline-js 2.22.2 (resumeTransaction)");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

pub(super) struct Paystack;

impl Connector for Paystack {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paystack",
        name: "Paystack",
        docs: "https://paystack.com/docs/api/transaction/#initialize",
        unconfirmed: &[
            "The text and status with which a reference is refused the second time.",
            "The bounds on metadata; the vendor takes any JSON object.",
            "The bound of 255 characters on reference; the vendor states its characters only.",
        ],
        evidence: &[
            Evidence::new(
                "path, members of the request, of the reply and of errors, host",
                Source::schema("Paystack's OpenAPI document 1.0.0 (transaction/initialize)"),
                "2026-11",
            ),
            Evidence::new("which value the page takes", INLINE_JS, "2026-11"),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Keys begin with sk_test_ or sk_live_ (https://paystack.com/docs/api/authentication/).",
        ),
        hosts: &[Host::main("https://api.paystack.co", "https://api.paystack.co")],
        credentials: &[required("api_key").key_prefixes(&["sk_"]).found_in(
            "Dashboard > Settings > API Keys & Webhooks: Secret Key",
            Source::page("https://support.paystack.com/en/articles/2123458"),
        )],
        grants: &[client_grant(
            "transaction_access_code",
            "pay that one transaction",
            Lifetime::Unpublished,
            transaction_access_code,
        )
        .by_default()
        .inputs(INPUTS)
        .metadata_json(50, 255, 10_000)
        .worst_case(
            "pay that transaction once, and see its e-mail address and amount on the page",
            &[Bound::Amount, Bound::Object, Bound::SingleUse],
        )
        .client_source(INLINE_JS)
        .client_parameters(&[
            ClientParameter::new(
                "authorization_url",
                "Paystack's page for this transaction, in place of its popup",
                "the browser's address",
            ),
            ClientParameter::new(
                "reference",
                "the transaction's reference, by which the merchant's server verifies it",
                "the popup's onSuccess(transaction) names the same",
            ),
        ])
        .url_domains(&["paystack.com"])
        .lifetime_note(
            "the account's payment session timeout ends the checkout (GET /integration/payment_session_timeout)",
        )],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.api_key.expose(), &["sk_test_", "pk_test_"], &["sk_live_", "pk_live_"])
    }
}

fn transaction_access_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        // Not repeatable: Paystack refuses a reference the second time.
        [] => Call::post(exchange.url("/transaction/initialize")?)
            .bearer(credentials.api_key.expose())
            .json(&transaction(exchange))
            .send(),
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            if !answer.status {
                return Err(reply.refuse(refusal(reply)));
            }
            let transaction = Transaction::deserialize(answer.data)
                .map_err(|_| Error::bad_reply("Paystack's answer has no transaction in it"))?;
            let token = Token::new(&transaction.access_code, "access_code", Expiry::Unpublished)?
                .client("authorization_url", transaction.authorization_url)
                .client("reference", transaction.reference);
            Ok(Step::Done(token))
        }
    }
}

fn transaction(exchange: &Exchange<'_>) -> Map<String, Value> {
    let input = exchange.input;
    // The inputs have the names that Paystack uses.
    let mut body = input.body();
    if let Some(currency) = input.text("currency") {
        body.insert("currency".into(), json!(currency.to_ascii_uppercase()));
    }
    // Paystack takes letters, digits, - . = (its OpenAPI document) and refuses a reference the second
    // time, so a later token of ours has another one.
    body.insert("reference".into(), json!(exchange.object_reference(MAX_REFERENCE, "-.=")));
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), input.metadata_json().into());
    }
    body
}

#[derive(Deserialize)]
struct Answer {
    status: bool,
    #[serde(default, deserialize_with = "encoding::lenient")]
    data: Value,
}

#[derive(Deserialize)]
struct Transaction {
    access_code: String,
    authorization_url: String,
    reference: String,
}

/// <https://paystack.com/docs/api/errors/>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/code", "/type"], &["/message"], &["/meta/nextStep"]);
    let kind = match refusal.code.as_deref() {
        Some("invalid_Key") => Some(Kind::CredentialsRejected),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    refusal.kind(kind)
}
