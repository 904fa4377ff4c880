//! Getnet (Regional API): a bearer token with all of the merchant's rights.
//! <https://docs.globalgetnet.com/>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Secret,
}

pub(super) struct Getnet;

impl Connector for Getnet {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "getnet",
        name: "Getnet",
        docs: "https://docs.globalgetnet.com/",
        unconfirmed: &[
            "The live host; elsewhere https://api.pre.globalgetnet.com is used.",
            "The one hour that a token lives (each answer says it).",
            "The gateway's refusals, with error_code and message.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.globalgetnet.com", "https://api-sbx.globalgetnet.com")],
        credentials: &[required("api_key").public(), required("api_secret"), optional("seller_id").public()],
        grants: &[server_grant(
            "access_token",
            "call every Regional API of the merchant: payments, refunds, card tokens",
            Lifetime::Fixed(3600),
            access_token,
        )],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/authentication/oauth2/access_token")?)
            .basic(credentials.api_key.expose(), credentials.api_secret.expose())
            .form(FormBody::new().field("grant_type", "client_credentials"))
            .repeatable()
            .send(),
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

/// The token service refuses in the form of RFC 6749 (`error`), the gateway before it in a form of
/// its own (`error_code`).
fn refusal(reply: &Reply) -> Refusal {
    let details = encoding::faults_at(&reply.lenient(), "/details", &["field", "message"]);
    let refusal = reply.refusal(&["/error", "/error_code"], &["/error_description", "/message"], &[]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.reason(details).kind(kind)
}
