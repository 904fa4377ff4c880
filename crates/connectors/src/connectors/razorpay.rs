//! Razorpay: a customer session of Turbo UPI for its mobile SDK, and a partner's OAuth tokens.
//! <https://razorpay.com/docs/payments/payment-gateway/android-integration/custom/payment-methods/turbo-upi/>

use crate::prelude::*;

const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
/// About three months.
const OAUTH_LIFETIME: Lifetime = Lifetime::Fixed(7_862_400);

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
    api_secret: Option<Secret>,
}

pub struct Razorpay;

impl Connector for Razorpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "razorpay",
        name: "Razorpay",
        docs: "https://razorpay.com/docs/payments/payment-gateway/android-integration/custom/payment-methods/turbo-upi/",
        unconfirmed: &["The body of the 401.", "That an api_key without api_secret is a ready Basic value."],
        hosts: &[
            Host::main("https://api.razorpay.com", "https://api-web-turbo-upi.ext.dev.razorpay.in"),
            Host::named("auth", "https://auth.razorpay.com", "https://auth.razorpay.com"),
        ],
        credentials: &[required("api_key"), optional("api_secret")],
        grants: &[
            Grant::client_unconverted(
                "turbo_customer_session",
                "link UPI accounts of one customer in the mobile SDK and pay with them",
                Lifetime::InReply,
            )
            .by_default()
            .inputs(&[Input::text("customer_reference")]),
            Grant::server_unconverted("oauth_client_credentials", "call the APIs of the application", OAUTH_LIFETIME)
                .inputs(&[CLIENT_ID, CLIENT_SECRET])
                .server_parameters(&["refresh_token"]),
            Grant::server_unconverted("oauth_refresh_token", "act for one sub-merchant who consented", OAUTH_LIFETIME)
                .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::secret("refresh_token").required()])
                .server_parameters(&["refresh_token"]),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        // A ready Basic value is the base64 of such a key and its secret.
        Mode::of_key(credentials.api_key.expose(), &["rzp_test_", "cnpwX3Rlc3Rf"], &["rzp_live_", "cnpwX2xpdmVf"])
    }

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let input = exchange.input;
        match (exchange.grant.name, exchange.replies) {
            ("turbo_customer_session", []) => {
                let call = Call::post(exchange.url("/v1/upi/turbo/customer/session")?);
                let call = match &credentials.api_secret {
                    Some(secret) => call.basic(credentials.api_key.expose(), secret.expose()),
                    None => call.secret_header("authorization", &format!("Basic {}", credentials.api_key.expose())),
                };
                let customer = input.text("customer_reference").unwrap_or(exchange.reference);
                call.json(&json!({ "customer_reference": customer })).repeatable().send()
            }
            ("turbo_customer_session", [reply, ..]) => {
                let session: Session = reply.accept(refusal)?;
                Ok(Step::Done(Token::new(&session.token, "session_token", Expiry::at_epoch(session.expire_at)?)?))
            }
            (grant, []) => {
                let refreshes = grant == "oauth_refresh_token";
                let mut body = input.body();
                body.insert("grant_type".into(), json!(if refreshes { "refresh_token" } else { "client_credentials" }));
                if !refreshes {
                    body.insert("mode".into(), json!(exchange.mode.label()));
                }
                let call = Call::post(exchange.url_at(1, "/token")?).json(&body);
                // A refresh is sent once: the old token dies with its use.
                if refreshes { call.send() } else { call.repeatable().send() }
            }
            (_, [reply, ..]) => {
                let mut token = reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?;
                let Public { public_token, razorpay_account_id } = reply.json()?;
                for (name, value) in [("public_token", public_token), ("razorpay_account_id", razorpay_account_id)] {
                    token = value.into_iter().fold(token, |token, value| token.client(name, value));
                }
                Ok(Step::Done(token))
            }
        }
    }
}

#[derive(Deserialize)]
struct Session {
    token: String,
    expire_at: Seconds,
}

/// What may be shown of an OAuth answer: the public token takes the key's place in Checkout.
#[derive(Deserialize)]
struct Public {
    public_token: Option<String>,
    razorpay_account_id: Option<String>,
}

/// One code serves for bad requests and bad keys alike: the text tells them apart. <https://razorpay.com/docs/errors/>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/error/code"], &["/error/description"], &["/error/reason"]);
    let denied = refusal.message.as_deref().is_some_and(|text| {
        ["Authentication failed", "Access denied"].iter().any(|beginning| text.starts_with(beginning))
    });
    refusal.kind(denied.then_some(Kind::CredentialsRejected))
}
