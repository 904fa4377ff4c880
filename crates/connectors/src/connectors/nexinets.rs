//! Nexinets (Nexi's `PayEngine`): an order, which its hosted payment page or widget completes.
//! <https://docs.payengine.de/>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    merchant_id: String,
    api_key: Secret,
}

pub(super) struct Nexinets;

impl Connector for Nexinets {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "nexinets",
        name: "Nexinets",
        docs: "https://docs.payengine.de/",
        unconfirmed: &[
            "The members of the order, of its answer and of the error body.",
            "The member merchantOrderId, which carries the reference.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.payengine.de", "https://apitest.payengine.de")],
        credentials: &[required("merchant_id").public(), required("api_key")],
        grants: &[client_grant("order", "pay that one order on the hosted page", Lifetime::Unpublished, order)
            .by_default()
            .inputs(&[
                Input::minor_units("amount").required(),
                Input::currency("currency").required(),
                Input::url("return_url").required(),
            ])],
    };
}

fn order(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let return_url = exchange.input.required_text("return_url")?;
            Call::post(exchange.url("/v1/orders")?)
                .basic(&credentials.merchant_id, credentials.api_key.expose())
                .json(&json!({
                    "initialAmount": exchange.input.required_integer("amount")?,
                    "currency": exchange.input.required_text("currency")?.to_ascii_uppercase(),
                    "channel": "ECOM",
                    "transactionType": "PREAUTH",
                    "async": { "successUrl": return_url, "cancelUrl": return_url, "failureUrl": return_url },
                    // Card payments take 30 letters and digits.
                    "merchantOrderId": exchange.reference_within(30, ""),
                }))
                .send()
        }
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let token = Token::new(&order.order_id, "order_id", Expiry::Unpublished)?;
            Ok(Step::Done(token.client("merchant_id", &credentials.merchant_id)))
        }
    }
}

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "orderId")]
    order_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    /// The vendor's specification says `elements`; `errors` is seen in others' code.
    #[serde(alias = "elements", deserialize_with = "encoding::null_as_default")]
    errors: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fault {
    field: Option<String>,
    #[serde(deserialize_with = "encoding::null_as_default")]
    message: String,
}

fn refusal(reply: &Reply) -> Refusal {
    let faults: Vec<String> = reply
        .lenient::<Failure>()
        .errors
        .into_iter()
        .map(|fault| match fault.field {
            Some(field) => format!("{field} : {}", fault.message),
            None => fault.message,
        })
        .collect();
    let details = Some(faults.join(", ")).filter(|details| !details.is_empty());
    let refusal = reply.refusal(&["/code"], &["/message"], &["/message"]);
    Refusal { message: details.or_else(|| refusal.message.clone()), ..refusal }
}
