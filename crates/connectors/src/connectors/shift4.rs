//! Shift4: a checkout session, or a checkout request that is signed here.
//! <https://dev.shift4.com/docs/api>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const AMOUNT: Input = Input::minor_units("amount");
const CURRENCY: Input = Input::currency("currency");

pub(super) struct Shift4;

impl Connector for Shift4 {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "shift4",
        name: "Shift4",
        docs: "https://dev.shift4.com/docs/api",
        unconfirmed: &[
            "The path of checkout sessions (another description has /checkout/sessions) and the form of their line items.",
            "The bounds on metadata.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.shift4.com", "https://api.shift4.com")],
        credentials: &[required("api_key")],
        grants: &[
            client_grant("checkout_session", "complete this one checkout", Lifetime::Unpublished, checkout_session)
                .by_default()
                .inputs(&[
                    AMOUNT.required(),
                    CURRENCY.required(),
                    Input::text("product_name"),
                    Input::text("customer_id"),
                    Input::url("redirect_url"),
                    Input::flag("capture"),
                    Input::text("locale"),
                ])
                .metadata(20, 40, 500),
            client_grant(
                "signed_checkout_request",
                "open the vendor's checkout with exactly these parameters, again and again",
                Lifetime::UntilUsed,
                signed_checkout_request,
            )
            .inputs(&[
                AMOUNT,
                CURRENCY,
                Input::text("customer_id"),
                Input::text("plan_id"),
                Input::flag("remember_me"),
                Input::object("three_d_secure"),
                Input::url("terms_and_conditions_url"),
            ])
            .one_of(&[&["amount", "currency"], &["customer_id"], &["plan_id"]]),
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
            let product = json!({
                "name": input.text("product_name").unwrap_or("Payment"),
                "amount": input.required_integer("amount")?,
                "currency": input.required_text("currency")?.to_ascii_uppercase(),
            });
            let body = json!({
                "lineItems": [{ "product": product, "quantity": 1 }],
                "customer": input.text("customer_id"),
                "redirectUrl": input.text("redirect_url"),
                "capture": input.flag("capture"),
                "locale": input.text("locale"),
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

fn signed_checkout_request(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let charge = match (input.integer("amount"), input.text("currency")) {
        (Some(amount), Some(currency)) => Some(json!({ "amount": amount, "currency": currency.to_ascii_uppercase() })),
        (None, None) => None,
        (amount, _) => {
            let absent = if amount.is_none() { "amount" } else { "currency" };
            return Err(Error::missing_inputs(&[absent], "amount and currency belong together"));
        }
    };
    let data = encoding::sparse(json!({
        "charge": charge,
        "customerId": input.text("customer_id"),
        "subscription": input.text("plan_id").map(|plan| json!({ "planId": plan })),
        "rememberMe": input.flag("remember_me"),
        "threeDSecure": input.value("three_d_secure"),
        "termsAndConditionsUrl": input.text("terms_and_conditions_url"),
    }))
    .to_string();
    let signature = hex::encode(crypto::hmac_sha256(credentials.api_key.expose(), &[data.as_bytes()]));
    let token = encoding::base64(format!("{signature}|{data}"));
    Ok(Step::Done(Token::new(&token, "signed_checkout_request", Expiry::UntilUsed)?))
}

#[derive(Deserialize)]
struct Session {
    #[serde(rename = "clientSecret")]
    client_secret: String,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/error/code", "/error/type"], &["/error/message"], &["/error/type"])
}
