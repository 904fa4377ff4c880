//! Razorpay: a customer session of Turbo UPI for its mobile SDK, and a partner's OAuth tokens.
//! <https://razorpay.com/docs/payments/payment-gateway/android-integration/custom/payment-methods/turbo-upi/>

use crate::prelude::*;

const AUTH: Host = Host::named("auth", "https://auth.razorpay.com", "https://auth.razorpay.com");
const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
/// About three months.
const OAUTH_LIFETIME: Lifetime = Lifetime::Fixed(7_862_400);

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Option<Secret>,
}

pub(super) struct Razorpay;

impl Connector for Razorpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "razorpay",
        name: "Razorpay",
        docs: "https://razorpay.com/docs/payments/payment-gateway/android-integration/custom/payment-methods/turbo-upi/",
        unconfirmed: &["The body of the 401.", "That an api_key without api_secret is a ready Basic value."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.razorpay.com", "https://api-web-turbo-upi.ext.dev.razorpay.in"), AUTH],
        credentials: &[required("api_key").public(), optional("api_secret")],
        grants: &[
            client_grant(
                "turbo_customer_session",
                "link UPI accounts of one customer in the mobile SDK and pay with them",
                Lifetime::InReply,
                turbo_customer_session,
            )
            .by_default()
            .inputs(&[Input::text("customer_reference")]),
            server_grant(
                "oauth_client_credentials",
                "call the APIs of the application",
                OAUTH_LIFETIME,
                oauth_client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET])
            .server_parameters(&["refresh_token"]),
            server_grant(
                "oauth_refresh_token",
                "act for one sub-merchant who consented",
                OAUTH_LIFETIME,
                oauth_refresh_token,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::secret("refresh_token").required()])
            .server_parameters(&["refresh_token"]),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        // A ready Basic value is the base64 of such a key and its secret.
        Mode::of_key(credentials.api_key.expose(), &["rzp_test_", "cnpwX3Rlc3Rf"], &["rzp_live_", "cnpwX2xpdmVf"])
    }
}

fn turbo_customer_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let call = Call::post(exchange.url("/v1/upi/turbo/customer/session")?);
            let call = match &credentials.api_secret {
                Some(secret) => call.basic(credentials.api_key.expose(), secret.expose()),
                None => call.secret_header("authorization", &format!("Basic {}", credentials.api_key.expose())),
            };
            let customer = exchange.input.text("customer_reference").unwrap_or(exchange.reference);
            call.json(&json!({ "customer_reference": customer })).repeatable().send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&session.token, "session_token", Expiry::at_epoch(session.expire_at)?)?))
        }
    }
}

fn oauth_client_credentials(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.insert("grant_type".into(), json!("client_credentials"));
            body.insert("mode".into(), json!(exchange.mode.label()));
            Call::post(exchange.url_on(&AUTH, "/token")?).json(&body).repeatable().send()
        }
        [reply, ..] => oauth_token(exchange, reply),
    }
}

fn oauth_refresh_token(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.insert("grant_type".into(), json!("refresh_token"));
            // Not repeatable: the use of a refresh token makes it invalid.
            Call::post(exchange.url_on(&AUTH, "/token")?).json(&body).send()
        }
        [reply, ..] => oauth_token(exchange, reply),
    }
}

fn oauth_token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let mut token = reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?;
    let Public { public_token, razorpay_account_id } = reply.json()?;
    for (name, value) in [("public_token", public_token), ("razorpay_account_id", razorpay_account_id)] {
        token = value.into_iter().fold(token, |token, value| token.client(name, value));
    }
    Ok(Step::Done(token))
}

#[derive(Deserialize)]
struct Session {
    token: String,
    expire_at: Seconds,
}

/// The public members of an OAuth answer. Checkout takes the public token in place of the key.
#[derive(Deserialize)]
struct Public {
    public_token: Option<String>,
    razorpay_account_id: Option<String>,
}

/// Bad requests and bad keys have the same code, so the text decides.
/// <https://razorpay.com/docs/errors/>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error/code"], &["/error/description"], &["/error/reason"]);
    let denied = refusal.message.as_deref().is_some_and(|text| {
        ["Authentication failed", "Access denied"].iter().any(|beginning| text.starts_with(beginning))
    });
    refusal.kind(denied.then_some(Kind::CredentialsRejected))
}
