//! `PayHere` (Sri Lanka): a bearer token for the merchant APIs. In live mode the vendor takes calls
//! only from domains and addresses that it was told.
//! <https://support.payhere.lk/api-&-mobile-sdk/payhere-retrieval>

use crate::prelude::*;

const RETRIEVAL: Source = Source::page("https://support.payhere.lk, Retrieval API, of 2026-09");

#[derive(Deserialize)]
pub(super) struct Credentials {
    app_id: String,
    app_secret: Secret,
}

pub(super) struct Payhere;

impl Connector for Payhere {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "payhere",
        name: "PayHere",
        docs: "https://support.payhere.lk/api-&-mobile-sdk/payhere-retrieval",
        unconfirmed: &[
            "The refusal of a wrong app id or secret: the vendor's page shows only those of the API calls.",
            "Whether a second call gives the same token, with less time left.",
        ],
        evidence: &[
            Evidence::new(
                "hosts, path, Basic authentication, form, members of the answer, refusals",
                RETRIEVAL,
                "2026-11",
            ),
            Evidence::new("the same call", Source::page("https://support.payhere.lk, Charging API"), "2026-11"),
            Evidence::new(
                "names of the credentials, two of which the token call does not use",
                Source::third_party("PyPI hyperswitch-prism 0.6.0"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("No page of the vendor shows a form of app ids that tells the environments apart."),
        hosts: &[Host::main("https://www.payhere.lk", "https://sandbox.payhere.lk")],
        credentials: &[
            required("app_id").public().found_in("Settings > API Keys > View Credentials: App ID", RETRIEVAL),
            required("app_secret").found_in("Settings > API Keys > View Credentials: App Secret", RETRIEVAL),
            optional("merchant_id").public(),
            optional("merchant_secret"),
        ],
        grants: &[server_grant(
            "access_token",
            "make the calls that the app may make: read payments, charge stored cards, manage subscriptions, refund",
            Lifetime::Fixed(599),
            access_token,
        )],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/merchant/v1/oauth/token")?)
            .basic(&credentials.app_id, credentials.app_secret.expose())
            .form(FormBody::new().field("grant_type", "client_credentials"))
            .repeatable()
            .send(),
        [reply, ..] => {
            let granted: Granted = reply.accept(refusal)?;
            let token = granted.access_token.ok_or_else(|| without_token(reply))?;
            let seconds =
                granted.expires_in.ok_or_else(|| Error::bad_reply("the connector's token has no lifetime"))?;
            let token_type = granted.token_type.unwrap_or("Bearer".into());
            Ok(Step::Done(Token::new(token.expose(), token_type, Expiry::after_reply(reply, seconds)?)?))
        }
    }
}

/// The API's own errors may come with status 200.
fn without_token(reply: &Reply) -> Error {
    match refusal(reply) {
        Refusal { code: None, .. } => Error::bad_reply("the connector's answer has no token in it"),
        refusal => reply.refuse(refusal),
    }
}

/// The members of the answer that are read. Its scope names the environment and no permission.
#[derive(Deserialize)]
struct Granted {
    #[serde(default, deserialize_with = "encoding::lenient")]
    access_token: Option<Secret>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// A refusal is that of the OAuth server (RFC 6749 section 5.2), or that of the API: `status` and
/// `msg`.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error", "/status"], &["/error_description", "/msg", "/message"], &[]);
    let kind = match refusal.code.as_deref() {
        // "Access denied for the domain": the app's keys are right, and the caller's domain is not.
        Some("-1") if reply.status == 401 => Some(Kind::PermissionDenied),
        Some("-2") => Some(Kind::CredentialsRejected),
        code => oauth::kind(code),
    };
    refusal.kind(kind)
}
