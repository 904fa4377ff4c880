//! Shift4: a checkout session, which the checkout widget on the shop's page completes.
//! <https://dev.shift4.com/docs/api>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

pub(super) struct Shift4;

impl Connector for Shift4 {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "shift4",
        name: "Shift4",
        docs: "https://dev.shift4.com/docs/api",
        unconfirmed: &[
            "The member redirectUrl: a description that is made from a later SDK has it.",
            "The bounds on metadata.",
        ],
        evidence: &[
            Evidence::new(
                "path, members of session, line item and product, clientSecret, error object; the session is for the widget on the page",
                Source::sdk("shift4developer/shift4-java (CheckoutSessionRequest, Shift4Gateway)"),
                "2026-11",
            ),
            Evidence::new("statuses and error object", Source::page("https://dev.shift4.com/docs/api"), "2026-11"),
            Evidence::new(
                "path, line items and clientSecret",
                Source::third_party("PineTree Payments' public integration (api.shift4.com/checkout-sessions)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Test keys begin with sk_test_ or pr_test_, live keys with sk_live_ or pr_live_ (https://dev.shift4.com/docs/api).",
        ),
        hosts: &[Host::main("https://api.shift4.com", "https://api.shift4.com")],
        credentials: &[required("api_key").key_prefixes(&["sk_"]).found_in("Backoffice > Account settings > API keys: secret key", Source::page("https://shift4.helpjuice.com/90032-backoffice/529474-api-keys"))],
        grants: &[
            client_grant("checkout_session", "complete this one checkout", Lifetime::Unpublished, checkout_session)
                .by_default()
                .inputs(&[
                    Input::minor_units("amount").required(),
                    Input::currency("currency").required(),
                    Input::text("product_name"),
                    Input::text("product_description"),
                    Input::text("customer_id"),
                    Input::url("redirect_url"),
                    Input::flag("capture"),
                    Input::text("locale"),
                    Input::flag("collect_billing_address"),
                    Input::flag("collect_shipping_address"),
                ])
                .metadata(20, 40, 500)
                .worst_case(
                    "complete that checkout, also with a stolen card; with customer_id perhaps with that customer's saved cards",
                    &[Bound::Amount, Bound::Customer, Bound::Object],
                )
                .client_source(Source::sdk("shift4developer/shift4-java, CheckoutSessionRequest: the backend passes the session to the page's widget"))
                .minting_ends_earlier(MintingEndsEarlier::No("each call makes a session of its own (shift4-java)")),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.api_key.expose(), &["sk_test_", "pr_test_"], &["sk_live_", "pr_live_"])
    }
}

fn checkout_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let product = encoding::sparse(json!({
                "description": input.text("product_description"),
                "name": input.text("product_name").unwrap_or("Payment"),
                "amount": input.required_integer("amount")?,
                "currency": input.required_text("currency")?.to_ascii_uppercase(),
            }));
            let body = json!({
                "lineItems": [{ "product": product, "quantity": 1 }],
                "customer": input.text("customer_id"),
                "redirectUrl": input.text("redirect_url"),
                "capture": input.flag("capture"),
                "locale": input.text("locale"),
                "collectBillingAddress": input.flag("collect_billing_address"),
                "collectShippingAddress": input.flag("collect_shipping_address"),
                "metadata": input.metadata,
            });
            Call::post(exchange.url("/checkout-sessions")?)
                .basic(credentials.api_key.expose(), "")
                .header("idempotency-key", exchange.idempotency_key)
                .json(&encoding::sparse(body))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&session.client_secret, "client_secret", Expiry::Unpublished)?))
        }
    }
}

#[derive(Deserialize)]
struct Session {
    #[serde(rename = "clientSecret")]
    client_secret: String,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/error/code", "/error/type"], &["/error/message"], &["/error/type"])
}
