//! Nexinets (Nexi's `PayEngine`): an order, which its hosted payment page or widget completes.
//! <https://docs.payengine.de/>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.nexigroup.com/payengine/en-EU/docs/my-account");

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
        unconfirmed: &["That the documents of 2022 still hold: newer ones were not found."],
        evidence: &[
            Evidence::new(
                "path, members, bounds, answer and the error list elements",
                Source::schema("PayEngine public API, assets/redoc/public.yaml of concardis/Docs, 2022-05"),
                "2026-11",
            ),
            Evidence::new("hosts, Basic authentication and members of the order", Source::sdk("concardis/PHP_SDK"), "2026-11"),
            Evidence::new(
                "the widget takes the merchant's id and the order's id",
                Source::sdk("payengine.widget.min.js with the vendor's examples"),
                "2026-11",
            ),
            Evidence::new(
                "an error list with the name errors",
                Source::third_party("hyperswitch, nexinets connector"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Keys have no prefix in the vendor's PHP SDK and specification."),
        hosts: &[Host::main("https://api.payengine.de", "https://apitest.payengine.de")],
        credentials: &[required("merchant_id").public().found_in("PayEngine portal > My Account: Merchant ID", KEYS), required("api_key").found_in("PayEngine portal > My Account > Generate: private API key", KEYS)],
        grants: &[client_grant("order", "pay that one order on the hosted page", Lifetime::Unpublished, order)
            .by_default()
            .inputs(&[
                Input::minor_units("amount").required(),
                Input::currency("currency").required(),
                Input::url("return_url").required(),
            ])
            .worst_case(
                "pay that one order, also with a stolen card; the merchant's id next to it lets any browser tokenize cards",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("payengine.widget.min.js: initAsModal(merchantId, orderId, …)"))
            .client_parameters(&[
                ClientParameter::new(
                    "merchant_id",
                    "the public id of the merchant",
                    "PayEngineWidget.initAsModal(merchantId, orderId, …), first argument",
                ),
                ClientParameter::new(
                    "widget_url",
                    "the widget of this environment",
                    "the src of the script that defines PayEngineWidget",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No(
                "each call makes an order of its own (PayEngine public API, 2022-05)",
            ))],
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
                    // Card payments take 30 letters and digits (public.yaml). One that was used
                    // before is refused with code 20.
                    "merchantOrderId": exchange.object_reference(30, ""),
                }))
                .send()
        }
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            let token = Token::new(&order.order_id, "order_id", Expiry::Unpublished)?;
            let widget = match exchange.mode {
                Mode::Live => "https://pp.payengine.de/widgetjs/payengine.widget.min.js",
                Mode::Test => "https://pptest.payengine.de/widgetjs/payengine.widget.min.js",
            };
            Ok(Step::Done(token.client("merchant_id", &credentials.merchant_id).client("widget_url", widget)))
        }
    }
}

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "orderId")]
    order_id: String,
}

/// The faults are in `elements` by the vendor's specification, in `errors` by others' code.
fn refusal(reply: &Reply) -> Refusal {
    let body: Value = reply.lenient();
    let details = faults(&body, "elements").or_else(|| faults(&body, "errors"));
    let refusal = reply.refusal(&["/code", "/elements/0/code", "/errors/0/code"], &["/message"], &["/message"]);
    Refusal { message: details.or_else(|| refusal.message.clone()), ..refusal }
}

fn faults(body: &Value, list: &str) -> Option<String> {
    let words = |fault: &Value| {
        let word = |name| encoding::text_at(fault, name).filter(|text| !text.is_empty());
        match (word("/field"), word("/message")) {
            (Some(field), Some(message)) => Some(format!("{field} : {message}")),
            (field, message) => field.or(message).map(str::to_owned),
        }
    };
    let faults: Vec<String> = body.get(list)?.as_array()?.iter().filter_map(words).collect();
    Some(faults.join(", ")).filter(|text| !text.is_empty())
}
