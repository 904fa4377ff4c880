//! `MultiSafepay`: an API token for its Payment Components.
//! <https://docs.multisafepay.com/docs/payment-components>

use crate::prelude::*;

/// The lifetime of a token, in seconds.
const LIFETIME: u32 = 600;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

pub(super) struct Multisafepay;

impl Connector for Multisafepay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "multisafepay",
        name: "MultiSafepay",
        docs: "https://docs.multisafepay.com/docs/payment-components",
        unconfirmed: &[
            "The lifetime of 600 seconds; the vendor's own shop plugin keeps a token for 240.",
            "The meaning of the error code 1032 (the API key is not known).",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.multisafepay.com", "https://testapi.multisafepay.com")],
        credentials: &[required("api_key")],
        grants: &[client_grant(
            "api_token",
            "start Payment Components and encrypt payment details",
            Lifetime::Fixed(LIFETIME),
            api_token,
        )
        .by_default()],
    };
}

fn api_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::get(exchange.url("/v1/json/auth/api_token")?)
            .secret_header("api_key", credentials.api_key.expose())
            .header("accept", "application/json")
            .send(),
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            if !answer.success {
                return Err(reply.refuse(refusal(reply)));
            }
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            let token = encoding::text_at(&answer.data, "/api_token").unwrap_or_default();
            Ok(Step::Done(Token::new(token, "api_token", expiry)?))
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default, deserialize_with = "encoding::null_as_default")]
    data: Value,
}

/// A refusal may come with status 200. Its members are at the top, by some documents inside `data`.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error_code", "/data/error_code"], &["/error_info", "/data/error_info"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("1032") => Some(Kind::CredentialsRejected),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    refusal.kind(kind)
}
