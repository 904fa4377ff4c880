//! IATA Pay: a bearer token for the payment API.
//! <https://www.iata.org/en/services/finance/iata-pay/>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: Secret,
    client_secret: Secret,
}

pub(super) struct Iatapay;

impl Connector for Iatapay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "iatapay",
        name: "IATA Pay",
        docs: "https://www.iata.org/en/services/finance/iata-pay/",
        unconfirmed: &[
            "The whole token call: hosts, path, scope, answer and refusals; the vendor publishes no page on it.",
        ],
        evidence: &[Evidence::new(
            "hosts, path, Basic authentication, form, members of answer and refusal",
            Source::third_party("an open-source payment router; the vendor publishes nothing on it"),
            "2026-11",
        )],
        mode_shown: ModeShown::No("The vendor publishes no credentials whose form could be compared."),
        hosts: &[Host::main("https://iata-pay.iata.org", "https://sandbox.iata-pay.iata.org")],
        credentials: &[required("client_id").public(), required("client_secret"), optional("merchant_id").public()],
        grants: &[server_grant(
            "access_token",
            "create and read the merchant's payments and refunds",
            Lifetime::InReply,
            access_token,
        )],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/api/v1/oauth/token")?)
            .basic(credentials.client_id.expose(), credentials.client_secret.expose())
            .form(FormBody::new().field("grant_type", "client_credentials").field("scope", "payment"))
            .repeatable()
            .send(),
        [reply, ..] => {
            let granted: Granted = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, granted.expires_in)?;
            let token_type = granted.token_type.unwrap_or("Bearer".into());
            Ok(Step::Done(Token::new(granted.access_token.expose(), token_type, expiry)?))
        }
    }
}

/// The members of the answer that are read; its scope is the one of the request.
#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    #[serde(default, deserialize_with = "encoding::lenient")]
    token_type: Option<String>,
    expires_in: Seconds,
}

fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error"], &["/message", "/error_description"], &["/reason"]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
