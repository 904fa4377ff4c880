//! J.P. Morgan Payments: a bearer token for the project's payment APIs.
//! <https://github.com/jpmorgan-payments/authentication>

use crate::prelude::*;

/// One host for both modes: the scope decides.
const HOST: &str = "https://id.payments.jpmorgan.com";

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: Secret,
    client_secret: Secret,
}

pub(super) struct Jpmorgan;

impl Connector for Jpmorgan {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "jpmorgan",
        name: "J.P. Morgan Payments",
        docs: "https://github.com/jpmorgan-payments/authentication",
        unconfirmed: &[
            "The live scope, jpm:payments; others use jpm:payments:production.",
            "That live merchants may log in here: some are given another identity service, which wants a certificate.",
            "The payment APIs' shape of a refusal in answers to the token call.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main(HOST, HOST)],
        credentials: &[
            required("client_id").public(),
            required("client_secret"),
            optional("company_name").public(),
            optional("product_name").public(),
            optional("merchant_purchase_description").public(),
            optional("statement_descriptor").public(),
        ],
        grants: &[server_grant(
            "access_token",
            "call every payment API of the project: payments, refunds, verifications",
            Lifetime::Fixed(3600),
            access_token,
        )
        .scopes(Scopes::Any)],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let requested = exchange.input.scope();
            let scope = match (requested.as_str(), exchange.mode) {
                ("", Mode::Test) => "jpm:payments:sandbox",
                ("", Mode::Live) => "jpm:payments",
                (requested, _) => requested,
            };
            Call::post(exchange.url("/am/oauth2/alpha/access_token")?)
                .basic(credentials.client_id.expose(), credentials.client_secret.expose())
                .form(FormBody::new().field("grant_type", "client_credentials").field("scope", scope))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

/// A refusal has the form of RFC 6749 or that of the payment APIs.
fn refusal(reply: &Reply) -> Refusal {
    let refusal =
        reply.refusal(&["/error", "/responseCode"], &["/error_description", "/responseMessage"], &["/responseStatus"]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
