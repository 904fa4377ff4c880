//! Getnet (Regional API): a bearer token with all of the merchant's rights.
//! <https://docs.globalgetnet.com/>

use super::*;

#[derive(Deserialize)]
pub struct Credentials {
    api_key: Secret,
    api_secret: Secret,
}

pub struct Getnet;

impl Connector for Getnet {
    type Credentials = Credentials;

    const META: Meta = Meta {
        id: "getnet",
        name: "Getnet",
        docs: "https://docs.globalgetnet.com/",
        unconfirmed: &[
            "The live host; elsewhere https://api.pre.globalgetnet.com is used.",
            "The one hour that a token lives (each answer says it).",
            "The gateway's refusals, with error_code and message.",
        ],
        hosts: &[Host::main("https://api.globalgetnet.com", "https://api-sbx.globalgetnet.com")],
        credentials: &[required("api_key"), required("api_secret"), optional("seller_id").public()],
        grants: &[Grant::server(
            "access_token",
            "call every Regional API of the merchant: payments, refunds, card tokens",
            Lifetime::Fixed(3600),
        )],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            [] => Call::post(exchange.url("/authentication/oauth2/access_token")?)
                .basic(credentials.api_key.expose(), credentials.api_secret.expose())
                .form(Form::new().field("grant_type", "client_credentials"))
                .repeatable()
                .send(),
            [reply, ..] => {
                let granted: oauth::AccessToken = reply.accept(refusal)?;
                Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
            }
        }
    }
}

/// The token service speaks RFC 6749 (`error`), the gateway before it has a shape of its own (`error_code`).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    error: Option<String>,
    error_description: Option<String>,
    error_code: Option<String>,
    message: Option<String>,
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    field: Option<String>,
    message: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    let failure: Failure = reply.lenient();
    let kind = (failure.error.as_deref() == Some("invalid_client")).then_some(Kind::CredentialsRejected);
    let reason = failure
        .details
        .into_iter()
        .next()
        .map(|detail| [detail.field, detail.message].into_iter().flatten().collect::<Vec<_>>().join(": "));
    Refusal::new(failure.error.or(failure.error_code), failure.error_description.or(failure.message))
        .reason(reason)
        .kind(kind)
}
